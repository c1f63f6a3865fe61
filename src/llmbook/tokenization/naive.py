"""Learning merges in the plainest way: count all neighbours, merge the most frequent pair, begin again.

It finds the same merges as ``llmbook.tokenization.merging``, which remembers what did not change, and is there to be
read and to be timed beside it. Words are written as there: one character per piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from llmbook.tokenization.merging import Merge, concatenate, pairs

Score = Callable[[int, int, int], float]


def by_count(pair: int, left: int, right: int) -> float:
    """BPE's score: how often the two stand side by side."""
    return pair


def by_likelihood(pair: int, left: int, right: int) -> float:
    """How much more often than by chance, up to a factor: what a unigram model of the text gains by the merge.

    Schuster and Nakajima 2012 choose by the gain of a language model; no program of theirs is public, and this
    formula is how it is usually told. 🤗 tokenizers' trainer for WordPiece counts, like BPE.
    """
    return pair / (left * right)


def count_and_merge(
    words: Mapping[str, int],
    tokens: Sequence[str],
    vocab_size: int,
    score: Score = by_count,
    join: Callable[[str, str], str] = concatenate,
) -> list[Merge]:
    """The merges that make ``tokens`` grow to ``vocab_size``, all pairs counted anew for each.

    >>> count_and_merge({chr(0) + chr(1): 3, chr(1) + chr(2): 2}, ["a", "b", "c"], vocab_size=5)
    [Merge(left='a', right='b', times=3), Merge(left='b', right='c', times=2)]
    """
    tokens, merges, words = list(tokens), [], dict(words)
    while len(tokens) < vocab_size:
        singles, counts = Counter[str](), Counter[str]()
        for word, times in words.items():
            for piece in word:
                singles[piece] += times
            for pair in pairs(word):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda p: (-score(counts[p], singles[p[0]], singles[p[1]]), p))
        left, right = tokens[ord(best[0])], tokens[ord(best[1])]
        merges.append(Merge(left, right, counts[best]))
        if (new := join(left, right)) not in tokens:
            tokens.append(new)
        words = {word.replace(best, chr(tokens.index(new))): times for word, times in words.items()}
    return merges
