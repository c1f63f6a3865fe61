"""Do words that behave alike get vectors alike? The hope of Bengio et al. 2003, asked of the ladder's network.

The feed-forward network is trained as on the ladder, with its middle budget and in float32. ``PAIRS`` was written down
before any vector was looked at, by kinds of words and not by results: pronouns, possessives, auxiliaries, verbs, nouns,
and the same word at the beginning of a verse. For each pair: the cosine of the two vectors, and the partner's rank
among all frequent tokens. Two controls: the vectors before training, and for each partner its *match*, the token that
is nearest to it in frequency among those that begin a word and are in no pair, since frequency alone draws vectors
together.

Left out: other networks, other measures than the cosine of raw vectors.

Shapes: V tokens of the vocabulary, C channels of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from llmbook.core.measure.intervals import Interval, seed_interval
from llmbook.core.measure.records import Record, load
from llmbook.history import ladder
from llmbook.history.climbs import chosen
from llmbook.history.ladder import Climb
from llmbook.history.plays import Text, text

SEEN = 50  # times in the training plays, from which on a token is ranked: a rare one has hardly moved
N_NEAREST = 5
PAIRS = (  # each word one token, with the space before it
    (" he", " she"), (" we", " they"), (" him", " them"), (" me", " us"),
    (" my", " thy"), (" your", " his"), (" our", " their"),
    (" will", " shall"), (" would", " should"), (" must", " might"), (" is", " was"), (" are", " were"),
    (" have", " had"), (" this", " that"), (" from", " with"), (" go", " come"), (" see", " hear"),
    (" day", " night"), (" father", " brother"), (" lord", " king"),
    (" the", "The"), (" and", "And"), (" but", "But"), (" my", "My"),
)  # fmt: skip
SHOWN = (" he", " she", " thy", " shall", " was", " this", " with", " come", " night", " king", "The")


@dataclass(frozen=True)
class Near:
    """How near ``other`` is to ``word``: the cosine of their vectors, and its rank, 1 for the nearest.

    ``what`` is "partner" (a pair), "match" (as frequent as the partner) or "nearest" (one of the five nearest).
    """

    seed: int
    trained: bool
    what: str
    word: str
    other: str
    cosine: float
    rank: int


def token(corpus: Text, word: str) -> int:
    """The id of a word that is one token. Raises ``ValueError`` for one that is not."""
    ids = corpus.tokenizer.encode(word).ids
    if len(ids) != 1:
        raise ValueError(f"{word!r} is {len(ids)} tokens; give a word that is one")
    return int(ids[0])


class Ranking(NamedTuple):
    """Cosines (V, V) and ranks (V, V), 1 for the nearest; 0 for a token itself and for one that is not ranked."""

    cosine: Tensor
    rank: Tensor


def ranking(vectors: Tensor, ranked: Tensor) -> Ranking:
    """Cosines and ranks of ``vectors`` (V, C), among the tokens for which ``ranked`` (V,) is True.

    >>> vectors = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [9.0, 1.0]])
    >>> ranking(vectors, torch.tensor([True, True, True, False])).rank[0].tolist()
    [0, 1, 2, 0]
    """
    unit = F.normalize(vectors.double(), dim=1)
    cosine = unit @ unit.T
    allowed = ranked[None] & ~torch.eye(len(vectors), dtype=torch.bool)  # (V, V)
    order = cosine.masked_fill(~allowed, -2.0).argsort(dim=1, descending=True)
    rank = order.argsort(dim=1) + 1
    return Ranking(cosine, rank.masked_fill(~allowed, 0))


def matches(corpus: Text, pairs: Sequence[tuple[str, str]] = PAIRS) -> dict[str, str]:
    """For each word of the pairs the token nearest in frequency that begins a word and is in no pair."""
    counts = torch.bincount(corpus.train, minlength=corpus.vocab_size)
    words = sorted({word for pair in pairs for word in pair})
    taken = {token(corpus, word) for word in words}
    spelled = [corpus.decode([i]) for i in range(corpus.vocab_size)]
    free = [i for i, s in enumerate(spelled) if s[:1] == " " and s[1:].isalpha() and i not in taken]
    nearest = {w: min(free, key=lambda i: abs(int(counts[i] - counts[token(corpus, w)]))) for w in words}
    return {word: spelled[i] for word, i in nearest.items()}


def near(corpus: Text, vectors: Tensor, seed: int, trained: bool) -> Iterator[Near]:
    """The rows of one network with these ``vectors`` (V, C): partners and matches both ways, then the nearest."""
    ranked = torch.bincount(corpus.train, minlength=corpus.vocab_size) >= SEEN
    found, like = ranking(vectors, ranked), matches(corpus)

    def row(what: str, a: int, b: int) -> Near:
        words = corpus.decode([a]), corpus.decode([b])
        return Near(seed, trained, what, *words, round(found.cosine[a, b].item(), 4), int(found.rank[a, b]))

    for one, two in PAIRS:
        for word, other in ((one, two), (two, one)):
            yield row("partner", token(corpus, word), token(corpus, other))
            yield row("match", token(corpus, word), token(corpus, like[other]))
    for a in (token(corpus, word) for word in SHOWN):
        by_rank = found.rank[a].masked_fill(found.rank[a] == 0, corpus.vocab_size).argsort()
        yield from (row("nearest", a, int(b)) for b in by_rank[:N_NEAREST])


def measure(budget: float, seeds: int, bfloat16: bool) -> Iterator[Near]:
    """The vectors of the ladder's feed-forward network, before training and after ``budget`` operations."""
    rung = chosen(load(ladder.RECORD, Climb)[0], budget)["feed-forward"]
    with ladder.one_thread():
        for seed in range(seeds):
            torch.manual_seed(seed)
            start = rung.make(text().vocab_size)  # what `climb` starts from
            yield from near(text(), start.get_parameter("embedding.weight").detach(), seed, False)
            model = ladder.climb(rung, text(), budget, seed, amp=bfloat16)[1]
            yield from near(text(), model.get_parameter("embedding.weight").detach(), seed, True)


RECORD = Record(  # rows of Near
    "vectors",
    measure,
    {"budget": 1.4e12, "seeds": 3, "bfloat16": False},
    seconds=110,
    path=Path(__file__).parent / "data" / "vectors.json",
)
ARTEFACTS = (RECORD,)


def median_ranks(rows: Sequence[Near], what: str = "partner", trained: bool = True) -> Interval:
    """The median rank over all pairs, both ways: mean and 95 % interval over seeds.

    Raises ``ValueError`` when there is no such row.
    """
    mine = [r for r in rows if (r.what, r.trained) == (what, trained)]
    if not mine:
        raise ValueError(f"no row of {what!r} among {len(rows)}; there are partner, match and nearest")
    seeds = sorted({r.seed for r in mine})
    return seed_interval([float(np.median([r.rank for r in mine if r.seed == seed])) for seed in seeds])


def nearest(rows: Sequence[Near], word: str, seed: int = 0, trained: bool = True) -> dict[str, float]:
    """The five tokens nearest to ``word`` with their cosines, nearest first.

    Raises ``ValueError`` for a word whose neighbours were not stored.
    """
    mine = [r for r in rows if (r.what, r.word, r.seed, r.trained) == ("nearest", word, seed, trained)]
    if not mine:
        raise ValueError(
            f"no neighbours of {word!r} with seed {seed}; there are those of {', '.join(map(repr, SHOWN))}"
        )
    return {r.other: r.cosine for r in sorted(mine, key=lambda r: r.rank)}
