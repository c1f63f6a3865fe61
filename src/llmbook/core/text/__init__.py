"""Texts and tokens: corpora, their cards, special tokens, packages that carry data."""
