"""Learning merges in the plainest way: count all neighbours, merge the best pair, begin again.

It finds the same merges as ``llmbook.tokenization.merging``, which remembers what did not change, and is there to be
read and to be timed beside it. Words are written as there: one character per piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from llmbook.tokenization.merging import Merge, concatenate, pairs

Words = Mapping[str, int]
Score = Callable[[Counter[str], Words], Mapping[str, float]]


def count_pairs(words: Words) -> Counter[str]:
    """How often each two pieces stand side by side.

    >>> count_pairs({"abab": 2})
    Counter({'ab': 4, 'ba': 2})
    """
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for pair in pairs(word):
            counts[pair] += times
    return counts


def by_count(counts: Counter[str], words: Words) -> Mapping[str, float]:
    """BPE's score: how often the two stand side by side."""
    return counts


def by_likelihood(counts: Counter[str], words: Words) -> Mapping[str, float]:
    """How much more often than by chance, up to a factor: count of the pair over the product of both pieces' counts.

    Schuster and Nakajima 2012 choose by what a language model of the text gains; no program of theirs is public, and
    this formula is how it is usually told. 🤗 tokenizers' trainer for WordPiece counts, like BPE.
    """
    singles: Counter[str] = Counter()
    for word, times in words.items():
        for piece in word:
            singles[piece] += times
    return {pair: count / (singles[pair[0]] * singles[pair[1]]) for pair, count in counts.items()}


def count_and_merge(
    words: Words,
    tokens: Sequence[str],
    vocab_size: int,
    score: Score = by_count,
    join: Callable[[str, str], str] = concatenate,
) -> list[Merge]:
    """The merges that make ``tokens`` grow to ``vocab_size``, all pairs counted anew for each.

    >>> count_and_merge({chr(0) + chr(1): 3, chr(1) + chr(2): 2}, ["a", "b", "c"], vocab_size=5)
    [Merge(left='a', right='b', times=3), Merge(left='b', right='c', times=2)]
    """
    tokens, merges = list(tokens), []
    while len(tokens) < vocab_size and (counts := count_pairs(words)):
        scores = score(counts, words)
        best = min(scores, key=lambda pair: (-scores[pair], pair))
        left, right = (tokens[ord(piece)] for piece in best)
        merges.append(Merge(left, right, counts[best]))
        words = {word.replace(best, chr(len(tokens))): times for word, times in words.items()}
        tokens.append(join(left, right))
    return merges
