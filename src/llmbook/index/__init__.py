"""The cover: which chapters there are, what each page costs to read and to run."""

from llmbook.index.chapters import Chapter, chapter_map, load, progress
from llmbook.index.facts import Facts, facts

__all__ = ["Chapter", "Facts", "chapter_map", "facts", "load", "progress"]
