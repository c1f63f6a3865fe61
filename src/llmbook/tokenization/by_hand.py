"""BPE learnt on ten words, merge by merge, with every count that was compared: what the page draws.

Words are plain letters here, not bytes, so that each step can be followed with a pencil. A tie goes to the pair whose
pieces are older, as in ``llmbook.tokenization.merging``, of which this is the same algorithm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

TEN_WORDS = "low low low low lower lower newest newest newest widest"


@dataclass(frozen=True)
class Step:
    """One merge.

    Attributes:
        pair: the two pieces that become one.
        times: how often they stand side by side.
        counts: all pairs and their counts before the merge, the most frequent first, ties by age.
        words: the different words after the merge, in pieces, in the order of their first coming.
        vocabulary: the pieces after the merge, the oldest first.
        tokens: how many pieces the text has after the merge.
    """

    pair: tuple[str, str]
    times: int
    counts: dict[tuple[str, str], int]
    words: dict[str, tuple[str, ...]]
    vocabulary: tuple[str, ...]
    tokens: int


def learn_by_hand(text: str = TEN_WORDS, n_merges: int | None = None) -> list[Step]:
    """The first ``n_merges`` merges of a text that is cut at spaces; by default until no pair comes twice.

    Raises:
        ValueError: there is no word.

    >>> [("".join(step.pair), step.times) for step in learn_by_hand(n_merges=4)]
    [('lo', 6), ('low', 6), ('es', 4), ('est', 4)]
    """
    times = Counter(text.split())
    if not times:
        raise ValueError("the text has no word; give a few, with spaces between them")
    words: dict[str, tuple[str, ...]] = {word: tuple(word) for word in times}
    vocabulary = sorted(set("".join(times)))
    steps: list[Step] = []
    while n_merges is None or len(steps) < n_merges:
        counts = count_pairs(words, times, vocabulary)
        best = next(iter(counts), None)
        if best is None or (n_merges is None and counts[best] < 2):
            break
        words = {word: merge_pair(pieces, best) for word, pieces in words.items()}
        vocabulary.append("".join(best))
        tokens = sum(times[word] * len(pieces) for word, pieces in words.items())
        steps.append(Step(best, counts[best], counts, words, tuple(vocabulary), tokens))
    return steps


def count_pairs(
    words: dict[str, tuple[str, ...]], times: Counter[str], vocabulary: Sequence[str]
) -> dict[tuple[str, str], int]:
    """How often each two pieces stand side by side, the most frequent first, ties by the age of the pieces."""
    counts: Counter[tuple[str, str]] = Counter()
    for word, pieces in words.items():
        for pair in pairwise(pieces):
            counts[pair] += times[word]
    age = {piece: i for i, piece in enumerate(vocabulary)}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], age[item[0][0]], age[item[0][1]])))


def merge_pair(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Pieces with each ``pair`` joined, from the left.

    >>> merge_pair(("a", "a", "a"), ("a", "a"))
    ('aa', 'a')
    """
    merged: list[str] = []
    i = 0
    while i < len(pieces):
        together = pieces[i : i + 2] == pair
        merged.append("".join(pair) if together else pieces[i])
        i += 2 if together else 1
    return tuple(merged)
