"""How many tokens the same sentence costs in different languages, and who pays for it.

The sentences are article 1 of the Universal Declaration of Human Rights (1948) as the United Nations publishes it:
they say the same in every language, so a language that needs three times the tokens pays three times the price, and
fits a third of the text into the context (Petrov et al. 2023, arXiv:2305.15425; Ahia et al. 2023, arXiv:2305.13707).
One article is no corpus: the numbers show the effect, not its exact size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent / "data" / "article1.json"
Encode = Callable[[str], Sequence[object]]


@dataclass(frozen=True)
class Article:
    """Article 1 in a language; ``spaces`` says whether its script sets words apart by them."""

    language: str
    code: str
    script: str
    spaces: bool
    text: str


@dataclass(frozen=True)
class Fertility:
    """What a sentence costs: its tokens, and the bytes, characters and words they stand for.

    Attributes:
        words: None where the script has no spaces to count words by.
        premium: tokens over those of the first language: how many times its price.
    """

    language: str
    tokens: int
    bytes: int
    characters: int
    words: int | None
    premium: float

    @property
    def per_word(self) -> float | None:
        """Tokens per word: what is called fertility."""
        return self.tokens / self.words if self.words else None

    @property
    def per_character(self) -> float:
        return self.tokens / self.characters

    @property
    def per_byte(self) -> float:
        return self.tokens / self.bytes


@lru_cache(maxsize=1)
def articles() -> tuple[Article, ...]:
    """The article in 14 languages, English first.

    >>> [article.code for article in articles()][:3]
    ['en', 'fr', 'de']
    """
    return tuple(Article(**one) for one in json.loads(DATA.read_text(encoding="utf-8"))["articles"])


def fertility(encode: Encode, texts: Iterable[Article] | None = None) -> list[Fertility]:
    """What each article costs when ``encode`` makes tokens of it, in the order given; the first sets the price.

    Raises:
        ValueError: there is no article, or the first has no token.

    >>> [(f.language, f.per_byte, round(f.premium, 2)) for f in fertility(str.encode)[:2]]
    [('English', 1.0, 1.0), ('French', 1.0, 1.12)]
    """
    chosen = list(articles() if texts is None else texts)
    counts = [len(encode(article.text)) for article in chosen]
    if not counts or not counts[0]:
        raise ValueError(
            "there is no article, or the first has no token; give a text to measure the others by"
        )
    return [
        Fertility(
            article.language,
            count,
            len(article.text.encode()),
            len(article.text),
            len(article.text.split()) if article.spaces else None,
            count / counts[0],
        )
        for article, count in zip(chosen, counts, strict=True)
    ]
