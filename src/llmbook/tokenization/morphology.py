"""Tokenization by morphemes: prefixes and suffixes are taken off a word as long as a stem is left.

English has few endings, Turkish stacks them: *evlerimizden*, "from our houses", is house-plural-our-from. The two lists
of affixes below are toys, small enough to be read, and wrong as rules without exceptions are: *red* and *bring* have
no ending. A real analyser is a transducer with a lexicon (Koskenniemi 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Affixes:
    """A language's affixes: prefixes, and suffixes by place, the outermost first; one of each place may be taken off.

    A stem keeps at least ``min_stem`` letters, a vowel among them.
    """

    prefixes: tuple[str, ...]
    suffixes: tuple[tuple[str, ...], ...]
    min_stem: int
    vowels: str


ENGLISH = Affixes(
    prefixes=("un", "re", "dis", "mis", "over", "under", "non"),
    suffixes=(
        ("s", "es", "'s", "ly", "ness"),
        ("ing", "ed", "er", "est", "ment", "ness", "ity"),
        ("ful", "less", "able", "ize"),
    ),
    min_stem=3,
    vowels="aeiouy",
)
TURKISH = Affixes(
    prefixes=(),
    suffixes=(
        ("dir", "dır", "dur", "dür", "tir", "tır", "tur", "tür"),  # is
        (
            "den",
            "dan",
            "ten",
            "tan",
            "de",
            "da",
            "te",
            "ta",
            "e",
            "a",
            "i",
            "ı",
            "u",
            "ü",
        ),  # from, in, to, the
        (
            "imiz",
            "ımız",
            "umuz",
            "ümüz",
            "iniz",
            "ınız",
            "unuz",
            "ünüz",
            "im",
            "ım",
            "um",
            "üm",
        ),  # our, your, my
        ("ler", "lar"),  # more than one
        ("lik", "lık", "luk", "lük", "ci", "cı", "cu", "cü", "siz", "sız", "suz", "süz"),  # -ness, -er, -less
    ),
    min_stem=2,
    vowels="aeıioöuü",
)


def morphemes(word: str, affixes: Affixes) -> list[str]:
    """A word in morphemes: prefixes, stem, suffixes; the longest affix is tried first, outside in.

    >>> morphemes("unhelpfulness", ENGLISH), morphemes("evlerimizden", TURKISH)
    (['un', 'help', 'ful', 'ness'], ['ev', 'ler', 'imiz', 'den'])
    >>> morphemes("bring", ENGLISH), morphemes("during", ENGLISH)  # rules know no words
    (['bring'], ['dur', 'ing'])
    """
    before, after = [], []
    for place in affixes.suffixes:
        if ending := _longest(place, word, affixes, str.endswith):
            after.append(word[len(word) - len(ending) :])
            word = word[: len(word) - len(ending)]
    while start := _longest(affixes.prefixes, word, affixes, str.startswith):
        before.append(word[: len(start)])
        word = word[len(start) :]
    return [*before, word, *after[::-1]]


def _longest(choices: Sequence[str], word: str, affixes: Affixes, has) -> str | None:  # type: ignore[no-untyped-def]
    """The longest affix that the word has, if a stem is left without it."""
    for affix in sorted(choices, key=len, reverse=True):
        stem = word.lower().removesuffix(affix) if has is str.endswith else word.lower().removeprefix(affix)
        if has(word.lower(), affix) and len(stem) >= affixes.min_stem and set(stem) & set(affixes.vowels):
            return affix
    return None
