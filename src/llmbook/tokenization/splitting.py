"""Cutting text into words before any piece is learnt: the splits of GPT-2, SmolLM2 and BERT.

No piece ever crosses a cut made here, so a tokenizer needs to see each distinct word only once, with its count: five
million characters of plays become 35,000 words. A split also knows where a text can be cut in two without changing
its words, which is what lets a file be read in chunks.

The patterns are those of Radford et al. 2019 (GPT-2) and Devlin et al. 2019 (BERT). Left out: normalization
(lower-casing, stripping accents, Unicode forms).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

CONTRACTIONS = r"'(?:[sdmt]|ll|ve|re)"
# A letter before what is none, a digit likewise, anything before a space: no word of any split crosses these ends.
WORD_ENDS = r"(?r)(?:\p{L}(?=\P{L})|\p{N}(?=\P{N})|\S(?=\s))"
SPACE_AFTER = r"(?r)\S(?=\s)"
PUNCTUATION = r"\p{P}$+<=>^`|~"  # Unicode's punctuation, and the signs of ASCII that it does not count


@dataclass(frozen=True)
class Split:
    """A way to cut text into words.

    Attributes:
        name: what a saved tokenizer calls it.
        pattern: matches one word; what it skips (BERT's spaces) is lost.
        end: matches the last character before a place where a text may be cut in two, searched from the right.
    """

    name: str
    pattern: str
    end: str
    _word: Any = field(init=False, repr=False, compare=False)
    _end: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_word", regex.compile(self.pattern))
        object.__setattr__(self, "_end", regex.compile(self.end))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order.

        >>> GPT2.words("Who's there?  Nay")
        ['Who', "'s", ' there', '?', ' ', ' Nay']
        """
        return self._word.findall(text)

    def last_cut(self, text: str, limit: int) -> int:
        """The last place before ``limit`` where ``text`` may be cut in two; 0 when there is none.

        >>> GPT2.last_cut("to be, or n", 11)
        9
        """
        found = self._end.search(text, 0, max(0, limit))
        return found.end() if found else 0


GPT2 = Split("gpt2", rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+", WORD_ENDS)
# SmolLM2 cuts each digit off first; so the spaces before a digit are one word, however many they are.
SMOLLM2 = Split(
    "smollm2",
    rf"{CONTRACTIONS}| ?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|\s+(?=\p{{N}})|\s+(?!\S)|\s+",
    WORD_ENDS,
)
BERT = Split("bert", rf"[^\s{PUNCTUATION}]+|[{PUNCTUATION}]", SPACE_AFTER)
SPLITS = {split.name: split for split in (GPT2, SMOLLM2, BERT)}


def count_words(texts: str | Iterable[str], split: Split = GPT2) -> Counter[str]:
    """How often each word occurs in a text, or in several.

    Raises:
        ValueError: something else than text was given, or no word is in it.

    >>> count_words("to be or not to be").most_common(2)
    [(' be', 2), ('to', 1)]
    """
    counts: Counter[str] = Counter()
    for text in [texts] if isinstance(texts, str | bytes) else texts:
        counts.update(split.words(check_text(text)))
    if not counts:
        raise ValueError("the corpus is empty: there is no word to learn from; give a text with some words")
    return counts


def check_text(text: Any) -> str:
    """Return ``text`` if it is a string that UTF-8 can hold.

    Raises:
        ValueError: it is of another type, or has half a surrogate pair.
    """
    if not isinstance(text, str):
        hint = "; decode it first: data.decode('utf-8')" if isinstance(text, bytes | bytearray) else ""
        raise ValueError(f"the text is of type {type(text).__name__}; a str is needed{hint}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.start} is {text[error.start]!r}, half of a surrogate pair, which is no text; "
            "read the file with its right encoding"
        ) from error
    return text


def safe_chunks(chunks: Iterable[str], split: Split, special_tokens: Iterable[str] = ()) -> Iterator[str]:
    """The same text in other chunks, none of which ends within a word or a special token.

    Only as much is held back as may belong to the next word.

    >>> list(safe_chunks(["Who's the", "re? N", "ay"], GPT2))
    ["Who's", ' there?', ' Nay']
    """
    longest = max(map(len, special_tokens), default=0)
    special = special_pattern(special_tokens)
    held = ""
    for chunk in chunks:
        held += check_text(chunk)
        cut = split.last_cut(held, len(held) - longest)
        for found in special.finditer(held) if special and cut else ():
            if found.start() < cut < found.end():
                cut = found.start()
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def special_pattern(special_tokens: Iterable[str]) -> Any:
    """A pattern that finds special tokens, the longer first where one begins another; None without any."""
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")") if longest_first else None


def read_chunks(path: str | Path, encoding: str = "utf-8", size: int = 1 << 20) -> Iterator[str]:
    """A file as strings of about ``size`` characters, line ends as they are; the file may be larger than memory.

    Raises:
        ValueError: there is no such file, or it is not in ``encoding``.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}; give the path of a text file")
    with open(path, encoding=encoding, newline="") as file:
        try:
            while chunk := file.read(size):
                yield chunk
        except UnicodeDecodeError as error:
            bad = error.object[error.start]
            raise ValueError(
                f"{path} is not {encoding} text: it has a byte 0x{bad:02x} where none is allowed ({error.reason}); "
                "save it as UTF-8, or pass encoding='latin-1', 'utf-16', ..."
            ) from error
