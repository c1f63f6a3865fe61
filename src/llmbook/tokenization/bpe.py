"""Byte-level byte-pair encoding: begin with 256 bytes, merge the most frequent neighbours, and remember the order.

Gage 1994 compressed files by it, Sennrich et al. 2016 (arXiv:1508.07909) made it a tokenizer, Radford et al. 2019 put
bytes for characters (GPT-2). Merges and numbers are those of 🤗 tokenizers' trainer on the same text. Left out:
dropout of merges (Provilkov et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from llmbook.tokenization.byte_level import ALPHABET, SIGN_OF, ByteLevel, check_options, to_signs, word_bytes
from llmbook.tokenization.interface import check_special_tokens
from llmbook.tokenization.merging import Merge, learn_merges
from llmbook.tokenization.splitting import GPT2, Split, count_words


class BPE(ByteLevel):
    """Byte-level BPE: special tokens, then the 256 bytes, then one piece per merge.

    >>> bpe = BPE.train("low low low lower lowest", vocab_size=259)
    >>> bpe.merges
    [('l', 'o'), ('lo', 'w'), ('Ġ', 'low')]
    >>> bpe.pieces("low slower"), bpe.decode(bpe.encode("low slower"))
    (['low', 'Ġ', 's', 'low', 'e', 'r'], 'low slower')
    """

    kind = "bpe"

    def __init__(
        self,
        merges: Iterable[Sequence[str]],
        special_tokens: Sequence[str] = (),
        split: Split = GPT2,
        alphabet: Sequence[str] = ALPHABET,
    ) -> None:
        """A tokenizer with given merges, each two pieces in visible signs.

        Args:
            alphabet: the signs of the bytes that are numbered before the merges, in order; those that it leaves out
                come last, so that every text can still be encoded. Some published tokenizers leave some out.

        Raises:
            ValueError: a merge uses a piece that no merge before it made.
        """
        self.merges, self.alphabet = [(left, right) for left, right in merges], list(alphabet)
        special = check_special_tokens(special_tokens, split)
        numbers = {token: i for i, token in enumerate([*special, *alphabet])}
        self._rank: dict[str, int] = {}  # pair, one character per piece -> how early it was learnt
        self._merged: dict[str, str] = {}
        for rank, (left, right) in enumerate(self.merges):
            if unknown := [piece for piece in (left, right) if numbers.get(piece, -1) < len(special)]:
                raise ValueError(
                    f"merge {rank} is of {left!r} and {right!r}, but no merge before it makes {unknown[0]!r}"
                )
            pair = chr(numbers[left]) + chr(numbers[right])
            self._merged[pair] = chr(numbers.setdefault(left + right, len(numbers)))
            self._rank[pair] = rank
        for sign in ALPHABET:
            numbers.setdefault(sign, len(numbers))
        self._first = {byte: chr(numbers[sign]) for byte, sign in SIGN_OF.items()}
        super().__init__(list(numbers), special, split)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (),
        min_count: int = 1,
        split: Split = GPT2,
    ) -> Self:
        """Learn merges from a text or several.

        Args:
            vocab_size: special tokens, 256 bytes and merges; it may stay smaller, when the text has no more pairs.
            min_count: no pair that is rarer is merged.

        Raises:
            ValueError: ``vocab_size`` is below 256 and the special tokens, one of these is empty or doubled, or there
                is no text.
        """
        return cls(learn(texts, vocab_size, special_tokens, min_count, split), special_tokens, split)

    def _encode_word(self, word: str) -> list[int]:
        """Apply the merge that was learnt first, as long as there is one."""
        return [ord(piece) for piece in self.steps(word)[-1]]

    def steps(self, word: str) -> list[str]:
        """A word after each merge, one character ``chr(number)`` per piece; the last is how it is encoded."""
        pieces = word_bytes(word).decode("latin-1").translate(self._first)
        steps = [pieces]
        while len(pieces) > 1:
            first = min(
                (pieces[i : i + 2] for i in range(len(pieces) - 1)),
                key=lambda pair: self._rank.get(pair, len(self._rank)),
            )
            if first not in self._rank:
                break
            pieces = pieces.replace(first, self._merged[first])
            steps.append(pieces)
        return steps

    def _state(self) -> dict[str, Any]:
        return {"merges": self.merges, "alphabet": self.alphabet}


def learn(
    texts: str | Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    min_count: int = 1,
    split: Split = GPT2,
) -> list[tuple[str, str]]:
    """The merges of byte-level BPE on a text or several, in visible signs."""
    return [(m.left, m.right) for m in learn_counted(texts, vocab_size, special_tokens, min_count, split)]


def learn_counted(
    texts: str | Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    min_count: int = 1,
    split: Split = GPT2,
) -> list[Merge]:
    """The merges with their counts; see ``BPE.train``."""
    vocab_size, special = check_options(vocab_size, special_tokens, split)
    tokens = [*special, *ALPHABET]
    number = {sign: chr(i) for i, sign in enumerate(tokens)}
    words = {
        "".join(number[sign] for sign in to_signs(word_bytes(word))): times
        for word, times in count_words(texts, split).items()
    }
    return learn_merges(words, tokens, vocab_size, min_count)
