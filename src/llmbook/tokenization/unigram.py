"""Unigram: every piece has a probability, a text is cut so that the product is largest, and rare pieces are given up.

Kudo 2018 (arXiv:1804.10959), which SentencePiece made known. Here pieces are runs of bytes, so that no text is out of
vocabulary. Training finds the pieces of 🤗 tokenizers' trainer but for ties, which that breaks anew in each run. Left
out: sampling of segmentations in training a model (subword regularization).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from llmbook.tokenization.byte_level import ALPHABET, ByteLevel, check_options, to_signs, word_bytes
from llmbook.tokenization.interface import check_special_tokens
from llmbook.tokenization.splitting import GPT2, Split, count_words
from llmbook.tokenization.unigram_training import LONGEST, learn_pieces


class Unigram(ByteLevel):
    """Pieces with log-probabilities; of all ways to spell a word by them the likeliest is its encoding.

    >>> half, quarter = math.log(0.5), math.log(0.25)
    >>> unigram = Unigram({"h": quarter, "u": quarter, "g": quarter, "hu": half, "ug": half})
    >>> unigram.pieces("hug")
    ['h', 'ug']
    """

    kind = "unigram"

    def __init__(
        self,
        scores: Mapping[str, float],
        special_tokens: Sequence[str] = (),
        split: Split = GPT2,
    ) -> None:
        """A tokenizer with given pieces, in visible signs, and their log-probabilities.

        A byte that is no piece gets the score of the rarest piece, less 10, so that any text has a segmentation.

        Raises:
            ValueError: a score is no finite number, or a piece stands for no bytes.
        """
        special = check_special_tokens(special_tokens, split)
        for piece, score in scores.items():
            if not isinstance(score, int | float) or not math.isfinite(score) or not piece:
                raise ValueError(
                    f"the score of the piece {piece!r} is {score!r}; it must be a finite logarithm"
                )
        lowest = min(scores.values(), default=0.0) - 10
        self.scores = dict(scores) | {sign: lowest for sign in ALPHABET if sign not in scores}
        self.longest = max(map(len, self.scores))
        super().__init__([*special, *self.scores], special, split)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (),
        split: Split = GPT2,
    ) -> Self:
        """Learn pieces and their probabilities from a text or several.

        Args:
            vocab_size: special tokens, 256 bytes and the other pieces; it may stay smaller on a small text.

        Raises:
            ValueError: ``vocab_size`` is below 256 and the special tokens, one of these is empty or doubled, or there
                is no text.
        """
        vocab_size, special = check_options(vocab_size, special_tokens, split)
        words = {to_signs(word_bytes(word)): times for word, times in count_words(texts, split).items()}
        return cls(learn_pieces(words, vocab_size, len(special)), special, split)

    def _encode_word(self, word: str) -> list[int]:
        return [self.ids[piece] for piece in viterbi(to_signs(word_bytes(word)), self.scores, self.longest)]

    def _state(self) -> dict[str, Any]:
        return {"scores": self.scores}


def viterbi(word: str, scores: Mapping[str, float], longest: int = LONGEST) -> list[str]:
    """The likeliest segmentation of a word, found from left to right (Viterbi 1967).

    The best way to spell the first ``end`` characters ends in some piece, before which stands the best way to spell
    the rest. Of equals the longer last piece is taken.

    Raises:
        ValueError: the pieces cannot spell the word.

    >>> viterbi("abc", {"a": -1, "b": -1, "c": -1, "bc": -1.5})
    ['a', 'bc']
    """
    best, begins = [0.0] + [-math.inf] * len(word), [0] * (len(word) + 1)
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - longest), end):
            score = scores.get(word[begin:end])
            if score is not None and best[begin] + score > best[end]:
                best[end], begins[end] = best[begin] + score, begin
    if best[-1] == -math.inf:
        raise ValueError(f"the pieces cannot spell {word!r}; add each of its characters as a piece")
    pieces, end = [], len(word)
    while end:
        pieces.append(word[begins[end] : end])
        end = begins[end]
    return pieces[::-1]


def segmentations(word: str, scores: Mapping[str, float]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every way to spell a word, with its log-probability. There may be 2 ** (len(word) - 1) of them.

    >>> list(segmentations("ab", {"a": -1, "b": -1, "ab": -1.5}))
    [(('a', 'b'), -2.0), (('ab',), -1.5)]
    """
    if not word:
        yield (), 0.0
    for end in range(1, len(word) + 1):
        if (score := scores.get(word[:end])) is not None:
            for rest, others in segmentations(word[end:], scores):
                yield (word[:end], *rest), score + others


def expected_counts(word: str, scores: Mapping[str, float]) -> dict[str, float]:
    """How often each piece is expected in a word, each segmentation counted by its share of the word's probability.

    By hand: "ab" is a b with probability 1/4 * 1/4 and ab with 1/2, so ab has 8/9 of the word.

    >>> counts = expected_counts("ab", {"a": math.log(1 / 4), "b": math.log(1 / 4), "ab": math.log(1 / 2)})
    >>> {piece: round(9 * count) for piece, count in counts.items()}
    {'a': 1, 'b': 1, 'ab': 8}
    """
    found = [(pieces, math.exp(score)) for pieces, score in segmentations(word, scores)]
    total = sum(probability for _, probability in found)
    counts: dict[str, float] = {}
    for pieces, probability in found:
        for piece in pieces:
            counts[piece] = counts.get(piece, 0) + probability / total
    return counts
