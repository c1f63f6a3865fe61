"""One interface for every tokenizer of the page: ``train``, ``encode``, ``decode``, ``save``, ``load``.

A tokenizer is a list of pieces, whose places are their numbers, and a rule that cuts a word into them. What all have in
common stands here: special tokens, the cache of words, reading a file in chunks, the file format. Who writes another
tokenizer writes ``train``, ``_encode_word``, ``decode``, ``_state`` and a constructor.

Left out: padding, truncation of long texts, and where in the text a piece stood, which 🤗 tokenizers all has.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

from llmbook.core.run.files import atomic_path
from llmbook.tokenization.splitting import (
    SPLITS,
    Split,
    check_text,
    read_chunks,
    safe_chunks,
    special_pattern,
)

FORMAT, VERSION = "llmbook tokenizer", 1
CACHED_WORDS = 200_000  # more distinct words than this, and the cache begins anew


class Tokenizer(ABC):
    """Pieces with numbers, and a rule that cuts text into them.

    Attributes:
        tokens: the pieces, as they are written in a file; the place in the list is the number.
        special_tokens: the first of them: marks that no text contains, such as ``<|endoftext|>``.
        split: how text is cut into words first.
    """

    kind: ClassVar[str]  # the name in a saved file

    def __init__(self, tokens: Sequence[str], special_tokens: Sequence[str], split: Split) -> None:
        self.tokens, self.special_tokens, self.split = list(tokens), tuple(special_tokens), split
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self._special = special_pattern(self.special_tokens)
        self._cache = _Cache(self._encode_word)

    # ---- what each tokenizer has of its own

    @classmethod
    @abstractmethod
    def train(cls, texts: str | Iterable[str], vocab_size: int) -> Self:
        """Learn pieces from a text or several; ``vocab_size`` counts them all, special ones too."""

    @abstractmethod
    def _encode_word(self, word: str) -> list[int]:
        """The numbers of the pieces of one word."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What a file has to keep beside the special tokens and the split: the constructor's other arguments."""

    # ---- what all share

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The numbers of a text's pieces.

        Args:
            special: whether special tokens in the text count as such. By default they are text like any other, so
                that nobody who may write text can end a document or speak for the system.

        Raises:
            ValueError: ``text`` is no string, or not one that UTF-8 can hold.
        """
        text = check_text(text)
        if not (special and self._special):
            return self._encode_ordinary(text)
        parts = self._special.split(text)  # text, special token, text, special token, ..., text
        both = ([self.ids[part]] if i % 2 else self._encode_ordinary(part) for i, part in enumerate(parts))
        return list(chain.from_iterable(both))

    def _encode_ordinary(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._cache.__getitem__, self.split.words(text))))

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text as they are written in a file."""
        return [self.tokens[i] for i in self.encode(text)]

    def encode_stream(self, chunks: Iterable[str], *, special: bool = False) -> Iterator[list[int]]:
        """The numbers of a text that comes in chunks: the same as of the whole, wherever the chunks end.

        Raises:
            ValueError: a chunk is no string.
        """
        for chunk in safe_chunks(chunks, self.split, self.special_tokens if special else ()):
            yield self.encode(chunk, special=special)

    def encode_file(
        self, path: str | Path, *, encoding: str = "utf-8", special: bool = False
    ) -> Iterator[list[int]]:
        """The numbers of a file's text, some at a time, so that the file may be larger than memory.

        Raises:
            ValueError: there is no such file, or it is not in ``encoding``.
        """
        yield from self.encode_stream(read_chunks(path, encoding), special=special)

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as JSON; a kill leaves the old file or the new one, never half of it."""
        state = {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "split": self.split.name,
            "special_tokens": self.special_tokens,
            **self._state(),
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(state, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a tokenizer that ``save`` wrote.

        Raises:
            ValueError: the file is missing, truncated, of another version or kind, or its parts do not fit together.
        """
        state = _read(Path(path))
        if (kind := state.pop("kind", None)) != cls.kind:
            raise ValueError(
                f"{path} holds a tokenizer of kind {kind!r}, not {cls.kind!r}; load it with its own class"
            )
        try:
            return cls(split=SPLITS[state.pop("split")], **state)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"the parts of {path} do not fit together ({error}); save the tokenizer again"
            ) from error


class _Cache(dict[str, list[int]]):
    """Word -> its numbers, found when first asked for. Texts repeat their words: nearly all answers are here."""

    def __init__(self, encode_word: Callable[[str], list[int]]) -> None:
        super().__init__()
        self.encode_word = encode_word

    def __missing__(self, word: str) -> list[int]:
        if len(self) >= CACHED_WORDS:
            self.clear()
        self[word] = found = self.encode_word(word)
        return found


def _read(path: Path) -> dict[str, Any]:
    """A saved tokenizer without its format and version, once these are right."""
    if not path.is_file():
        raise ValueError(f"there is no tokenizer file {path}; make it with save(path)")
    try:
        state = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is truncated or no JSON ({error}); save the tokenizer again") from error
    if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
        raise ValueError(f"{path} is no file of a {FORMAT}; give one that save(path) wrote")
    if (version := state.pop("version", None)) != VERSION:
        raise ValueError(
            f"{path} has version {version!r}; this code reads version {VERSION}: train and save it again"
        )
    return state


def check_special_tokens(special_tokens: Iterable[str], split: Split) -> tuple[str, ...]:
    """Return special tokens once they are distinct, and such that no text's piece can be one of them.

    Raises:
        ValueError: one is empty, comes twice, or is a single word.
    """
    if isinstance(special_tokens, str):
        raise ValueError(
            f"special_tokens is the string {special_tokens!r}; give a list: [{special_tokens!r}]"
        )
    found = tuple(map(check_text, special_tokens))
    for token in found:
        if not token.strip():
            raise ValueError(f"the special token {token!r} is empty; give it a name such as '<|endoftext|>'")
        if found.count(token) > 1:
            raise ValueError(f"the special token {token!r} is given {found.count(token)} times; give it once")
        if len(split.words(token)) < 2:
            raise ValueError(
                f"the special token {token!r} is a word that a text may hold; give it brackets such as '<|{token}|>'"
            )
    return found


def check_vocab_size(vocab_size: Any, at_least: int, why: str) -> int:
    """Return ``vocab_size`` if it is a whole number of ``at_least`` ..., which is explained by ``why``.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(vocab_size, int) or isinstance(vocab_size, bool):
        raise ValueError(f"vocab_size is {vocab_size!r}; give a whole number of at least {at_least}")
    if vocab_size < at_least:
        raise ValueError(f"vocab_size is {vocab_size}; at least {at_least} are needed: {why}")
    return vocab_size
