"""llmbook: the importable half of an executable textbook on large language models."""

__version__ = "0.1.0"
