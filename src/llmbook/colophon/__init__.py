"""The room of the page ``colophon``: what each page cost to run, with which versions, on which machine."""

from llmbook.colophon.record import BINDER_MB, environments, environments_table, runs, runs_table, summary

__all__ = ["BINDER_MB", "environments", "environments_table", "runs", "runs_table", "summary"]
