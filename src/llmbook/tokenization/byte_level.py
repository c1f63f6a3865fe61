"""The 256 bytes as an alphabet: what every text is made of, so that no text is out of vocabulary.

Bytes that are no visible sign are written as one (a space as ``Ġ``), so that a piece can stand in a text file. Which
sign stands for which byte, and that the signs' order numbers the bytes, is GPT-2's choice (Radford et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llmbook.tokenization.interface import Tokenizer, check_special_tokens, check_vocab_size
from llmbook.tokenization.splitting import Split

VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]
SIGN_OF = {byte: chr(byte) for byte in VISIBLE} | {byte: chr(256 + i) for i, byte in enumerate(HIDDEN)}
BYTE_OF = {sign: byte for byte, sign in SIGN_OF.items()}
ALPHABET = sorted(BYTE_OF)  # the order of the numbers


def to_signs(data: bytes) -> str:
    """Bytes, each as its visible sign.

    >>> to_signs(" naïve".encode())
    'ĠnaÃ¯ve'
    """
    return data.decode("latin-1").translate(SIGN_OF)


def from_signs(signs: str) -> bytes:
    """The bytes that signs stand for.

    Raises:
        ValueError: a character stands for no byte.

    >>> from_signs('ĠnaÃ¯ve').decode()
    ' naïve'
    """
    try:
        return bytes(BYTE_OF[sign] for sign in signs)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} in {signs!r} stands for no byte") from error


def to_text(data: bytes) -> str:
    """Any bytes as a string, out of which ``word_bytes`` makes them again; what is no UTF-8 becomes surrogates."""
    return data.decode("utf-8", "surrogateescape")


def word_bytes(word: str) -> bytes:
    """The bytes of a word, also of one that ``to_text`` made."""
    return word.encode("utf-8", "surrogateescape")


class ByteLevel(Tokenizer):
    """A tokenizer whose pieces are runs of bytes: it encodes any bytes, and decoding gives exactly these."""

    def __init__(self, tokens: Sequence[str], special_tokens: Sequence[str], split: Split) -> None:
        super().__init__(tokens, special_tokens, split)
        n = len(self.special_tokens)
        self._bytes = {
            i: token.encode() if i < n else from_signs(token) for i, token in enumerate(self.tokens)
        }

    def encode_bytes(self, data: bytes) -> list[int]:
        """The numbers of any bytes, UTF-8 or not; special tokens are text like any other.

        Raises:
            ValueError: ``data`` is no bytes.
        """
        if not isinstance(data, bytes | bytearray):
            raise ValueError(f"data is of type {type(data).__name__}; give bytes, or call encode with a str")
        return self._encode_ordinary(to_text(bytes(data)))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes that numbers stand for.

        Raises:
            ValueError: a number is not in the vocabulary.
        """
        try:
            return b"".join(map(self._bytes.__getitem__, getattr(ids, "tolist", lambda: ids)()))
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"ids must be a flat sequence of numbers from 0 to {self.vocab_size - 1}; {error.args[0]!r} is given: "
                "was it made by another tokenizer?"
            ) from error

    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers; what is no UTF-8, such as half a character, becomes U+FFFD.

        Raises:
            ValueError: a number is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")


def check_options(
    vocab_size: Any, special_tokens: Iterable[str], split: Split
) -> tuple[int, tuple[str, ...]]:
    """``vocab_size`` and special tokens of a byte-level tokenizer, checked before the long work starts."""
    special = check_special_tokens(special_tokens, split)
    why = f"one for each of the 256 bytes and {len(special)} for special tokens"
    return check_vocab_size(vocab_size, 256 + len(special), why), special
