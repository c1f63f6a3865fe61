"""WordPiece: pieces that begin a word and pieces that go on (``##``), and the longest that fits is taken.

Schuster and Nakajima 2012 invented it for Japanese and Korean, BERT (Devlin et al. 2019) made it known. Words are cut
at spaces and punctuation, and the spaces are lost; a word with a character that training never saw is ``[UNK]`` as a
whole. Learning is that of 🤗 tokenizers: merges by count, as in BPE (``llmbook.tokenization.naive.by_likelihood`` is
the score of the paper). Left out: lower-casing and Unicode normalization.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from llmbook.tokenization.interface import Tokenizer, check_special_tokens, check_vocab_size
from llmbook.tokenization.merging import Merge, learn_merges
from llmbook.tokenization.splitting import BERT, Split, count_words

UNK, GOES_ON = "[UNK]", "##"
MAX_CHARACTERS = 100  # a longer word is [UNK], as in BERT


def join(left: str, right: str) -> str:
    """The piece that two become.

    >>> join("un", "##able"), join("##a", "##ble")
    ('unable', '##able')
    """
    return left + right.removeprefix(GOES_ON)


class WordPiece(Tokenizer):
    """WordPiece: special tokens, then the characters that begin and that go on, then what they were merged to.

    >>> wordpiece = WordPiece.train("low low low lower lowest", vocab_size=17)
    >>> wordpiece.pieces("lower lowest owl")
    ['lowe', '##r', 'lowe', '##s', '##t', '[UNK]']
    >>> wordpiece.decode(wordpiece.encode("lower, low"))
    'lower [UNK] low'
    """

    kind = "wordpiece"

    def __init__(
        self, pieces: Iterable[str], special_tokens: Sequence[str] = (UNK,), split: Split = BERT
    ) -> None:
        """A tokenizer with given pieces.

        Raises:
            ValueError: ``[UNK]`` is not among the special tokens, or a piece is empty or given twice.
        """
        special, pieces = check_special(special_tokens, split), list(pieces)
        if len({*special, *pieces}) != len(special) + len(pieces) or not all(
            p.removeprefix(GOES_ON) for p in pieces
        ):
            raise ValueError("a piece is empty or given twice; give each once")
        super().__init__([*special, *pieces], special, split)
        self.longest = max(map(len, pieces), default=0)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (UNK,),
        min_count: int = 1,
        split: Split = BERT,
    ) -> Self:
        """Learn pieces from a text or several.

        Args:
            vocab_size: special tokens, characters and merges; it may stay smaller, when the text has no more pairs.
            min_count: no pair that is rarer is merged.

        Raises:
            ValueError: ``vocab_size`` is below the number of characters and special tokens, a special token is empty or
                doubled or ``[UNK]`` is missing, or there is no text.
        """
        special = check_special(special_tokens, split)
        words = count_words(texts, split)
        letters = alphabet(words)
        why = f"the text has {len(letters)} characters, as beginnings or continuations, beside the special tokens"
        check_vocab_size(vocab_size, len(special) + len(letters), why)
        merges = learn(words, [*special, *letters], vocab_size, min_count)
        return cls([*letters, *(join(merge.left, merge.right) for merge in merges)], special, split)

    def _encode_word(self, word: str) -> list[int]:
        """Take the longest piece that the word begins with, and again with the rest."""
        found, start = [], 0
        while start < len(word) <= MAX_CHARACTERS:
            mark = GOES_ON if start else ""
            for end in range(min(len(word), start + self.longest), start, -1):
                if (piece := self.ids.get(mark + word[start:end])) is not None:
                    found.append(piece)
                    break
            else:
                break
            start = end
        return found if start == len(word) else [self.ids[UNK]]

    def decode(self, ids: Iterable[int]) -> str:
        """Words with a space between each two: where the text had spaces is not known any more.

        Raises:
            ValueError: a number is not in the vocabulary.
        """
        text = ""
        for i in getattr(ids, "tolist", lambda: ids)():
            if not isinstance(i, int) or not 0 <= i < self.vocab_size:
                raise ValueError(f"ids must be numbers from 0 to {self.vocab_size - 1}; {i!r} is given")
            piece = self.tokens[i]
            text += piece.removeprefix(GOES_ON) if piece.startswith(GOES_ON) else " " + piece
        return text.removeprefix(" ")

    def _state(self) -> dict[str, Any]:
        return {"pieces": self.tokens[len(self.special_tokens) :]}


def alphabet(words: Iterable[str]) -> list[str]:
    """All characters as beginnings, then those that go on within a word; each part in Unicode's order.

    >>> alphabet(["ab", "ca"])
    ['a', 'b', 'c', '##a', '##b']
    """
    words = list(words)
    goes_on = sorted({character for word in words for character in word[1:]})
    return sorted(set("".join(words))) + [GOES_ON + character for character in goes_on]


def learn(
    words: Mapping[str, int], tokens: Sequence[str], vocab_size: int, min_count: int = 1
) -> list[Merge]:
    """The merges of WordPiece, given counted words and the pieces to begin with."""
    return learn_merges(coded(words, tokens), tokens, vocab_size, min_count, join)


def coded(words: Mapping[str, int], tokens: Sequence[str]) -> dict[str, int]:
    """Words with one character ``chr(number)`` per piece, as ``learn_merges`` reads them."""
    number = {token: chr(i) for i, token in enumerate(tokens)}
    return {
        number[word[0]] + "".join(number[GOES_ON + character] for character in word[1:]): times
        for word, times in words.items()
    }


def check_special(special_tokens: Sequence[str], split: Split) -> tuple[str, ...]:
    """Special tokens, ``[UNK]`` among them."""
    special = check_special_tokens(special_tokens, split)
    if UNK not in special:
        raise ValueError(f"special_tokens are {list(special)}; WordPiece needs {UNK!r} among them")
    return special
