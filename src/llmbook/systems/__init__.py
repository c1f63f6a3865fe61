"""The room of the page ``systems``: everything that runs, with the page, the test and what it shows."""

from llmbook.systems.entries import System, load, show, systems_table

__all__ = ["System", "load", "show", "systems_table"]
