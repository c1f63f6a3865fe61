"""What a vocabulary of whole words misses in new text, and what pieces make of the same words.

A dictionary of words meets words that it has never seen (out of vocabulary), the more, the more forms a language gives
its words. Pieces spell them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from llmbook.tokenization.interface import Tokenizer
from llmbook.tokenization.splitting import BERT, count_words
from llmbook.tokenization.wordpiece import UNK


class Coverage(NamedTuple):
    """Of the running words of a text: the share that is unknown, and tokens per word."""

    unknown: float
    tokens_per_word: float


def of_words(train: str, test: str, vocab_size: int) -> Coverage:
    """Of a dictionary with the ``vocab_size`` most frequent words of ``train``, each word of ``test`` one token.

    Raises:
        ValueError: a text has no word, or ``vocab_size`` is below 1.

    >>> of_words("to be or not to be", "to be and not", vocab_size=2)
    Coverage(unknown=0.5, tokens_per_word=1.0)
    """
    if vocab_size < 1:
        raise ValueError(f"vocab_size is {vocab_size}; a dictionary has at least 1 word")
    known = {word for word, _ in count_words(train, BERT).most_common(vocab_size)}
    words = count_words(test, BERT)
    return Coverage(sum(n for word, n in words.items() if word not in known) / words.total(), 1.0)


def of_pieces(tokenizer: Tokenizer, test: str) -> Coverage:
    """Of a tokenizer: words it can only call ``[UNK]``, and tokens per word, words cut as for BERT."""
    words = count_words(test, BERT)
    unknown = tokenizer.encode(test).count(tokenizer.ids[UNK]) if UNK in tokenizer.special_tokens else 0
    return Coverage(unknown / words.total(), len(tokenizer.encode(test)) / words.total())


def unseen(train: str, test: str, longest: int = 10) -> list[str]:
    """The most frequent words of ``test`` that ``train`` does not have, at most ``longest``.

    >>> unseen("to be or not to be", "to be, and and not")
    ['and', ',']
    """
    known, words = count_words(train, BERT), count_words(test, BERT)
    return [word for word, _ in words.most_common() if word not in known][:longest]


def growth(texts: Iterable[str]) -> list[tuple[int, int]]:
    """After each text, how many running words there were and how many different ones: the list never ends.

    >>> growth(["to be or", "not to be"])
    [(3, 3), (6, 4)]
    """
    seen: set[str] = set()
    total, points = 0, []
    for text in texts:
        words = count_words(text, BERT)
        total += words.total()
        seen |= set(words)
        points.append((total, len(seen)))
    return points
