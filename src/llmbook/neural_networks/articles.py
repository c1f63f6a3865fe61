"""The news without copies: which articles say the same thing, and three parts that share none of it.

News is published, corrected, extended and published again, so a collection of it repeats itself. An article that a
network has learned by heart measures nothing when it comes back as a test. Two articles are near-copies when the
sets of their five-word runs overlap (shingles and their Jaccard index: Broder 1997,
doi:10.1109/SEQUEN.1997.666900). Here every pair is compared exactly.

Left out on purpose: MinHash and other estimates, which billions of documents need and two thousand do not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from llmbook.core.text import corpora
from llmbook.core.text.corpora import Article

# Of the pairs that share any run, most overlap by less than 0.05 (a quotation, a name with its title). Two reports of
# one event, with the same background paragraphs, reach 0.2; from there on one is the other's first or second version.
THRESHOLD = 0.2


def words(text: str) -> list[str]:
    """The words of a text in small letters, without digits and punctuation.

    >>> words("It's 5 o'clock: Shares FELL")
    ["it's", "o'clock", 'shares', 'fell']
    """
    return re.findall(r"[a-z']+", text.lower())


def shingles(text: str, size: int = 5) -> set[str]:
    """All runs of ``size`` words, as a set; a shorter text is one run.

    >>> sorted(shingles("to be or not to be", size=3))
    ['be or not', 'not to be', 'or not to', 'to be or']

    Raises ``ValueError`` when ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f"size is {size}; a shingle is at least one word")
    w = words(text)
    return {" ".join(w[i : i + size]) for i in range(max(1, len(w) - size + 1))} - {""}


def jaccard(a: set[str], b: set[str]) -> float:
    """What two sets share, of all that is in them: |A and B| / |A or B|, 0 to 1; 0 for two empty sets.

    >>> jaccard({"a", "b", "c"}, {"b", "c", "d"})
    0.5
    """
    return len(a & b) / max(1, len(a | b))


def near_copies(
    texts: Sequence[str], threshold: float = THRESHOLD, size: int = 5
) -> dict[tuple[int, int], float]:
    """All pairs of texts whose shingles have a Jaccard index of at least ``threshold``: (i, j), i < j -> index.

    Exact, and still quick: only pairs that share a shingle are looked at.

    >>> near_copies(["the cat sat on the mat today", "a dog", "the cat sat on the mat here"])
    {(0, 2): 0.5}

    Raises ``ValueError`` for a threshold that is not above 0 and at most 1, or a bare string.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; give a number above 0, at most 1")
    if isinstance(texts, str):
        raise ValueError(f"texts is the string {texts[:40]!r}; give a list of texts")
    runs = [shingles(text, size) for text in texts]
    once: set[str] = set()
    twice: set[str] = set()  # the few shingles that two texts have
    for run_set in runs:
        twice |= once & run_set
        once |= run_set
    where = defaultdict(list)
    for i, run_set in enumerate(runs):
        for run in run_set & twice:
            where[run].append(i)
    shared = Counter(pair for places in where.values() for pair in combinations(places, 2))
    index = {(i, j): n / (len(runs[i]) + len(runs[j]) - n) for (i, j), n in shared.items()}
    return {pair: value for pair, value in sorted(index.items()) if value >= threshold}


def without_copies(n: int, copies: Sequence[tuple[int, int]]) -> list[int]:
    """Which of ``n`` texts to keep, in order: each that is no copy of one kept before it.

    No pair of ``copies`` is left whole. A chain loses its middle:

    >>> without_copies(4, [(0, 1), (1, 2)])
    [0, 2, 3]
    """
    earlier = defaultdict(set)
    for i, j in copies:
        earlier[max(i, j)].add(min(i, j))
    kept: list[int] = []
    for k in range(n):
        if earlier[k].isdisjoint(kept):
            kept.append(k)
    return kept


@dataclass(frozen=True)
class Part:
    """Articles of one part of the news, and their topics as numbers: (N,)."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class News:
    """The news in three parts: learn from ``train``, choose on ``valid``, look at ``test`` once.

    ``n_exact`` articles repeated another word for word, ``n_near`` more were near-copies; both are left out.
    """

    train: Part
    valid: Part
    test: Part
    topics: tuple[str, ...]
    n_published: int
    n_exact: int
    n_near: int


@lru_cache(maxsize=1)
def distinct_articles() -> tuple[tuple[Article, ...], int, int]:
    """The articles of which no two are near-copies, and how many exact copies and near-copies were left out."""
    published = corpora.news()
    once = list({" ".join(words(a.text)): a for a in published}.values())
    kept = without_copies(len(once), list(near_copies([a.text for a in once])))
    return tuple(once[i] for i in kept), len(published) - len(once), len(once) - len(kept)


def split_news(seed: int = 0) -> News:
    """BBC news in five topics, shuffled: 70 % to train on, 10 % to choose on, 20 % to test on.

    No two articles of any two parts have shingles with a Jaccard index of ``THRESHOLD`` or more.
    """
    articles, n_exact, n_near = distinct_articles()
    topics = tuple(sorted({a.topic for a in articles}))
    order = np.random.default_rng(seed).permutation(len(articles))
    first, second = len(order) * 7 // 10, len(order) * 8 // 10

    def part(rows: np.ndarray) -> Part:
        chosen = [articles[i] for i in rows]
        return Part(tuple(a.text for a in chosen), np.array([topics.index(a.topic) for a in chosen]))

    parts = (part(order[:first]), part(order[first:second]), part(order[second:]))
    return News(*parts, topics, len(corpora.news()), n_exact, n_near)
