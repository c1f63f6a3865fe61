"""The loop that BPE and WordPiece share: merge the most frequent neighbours into one piece, again and again.

Counting all neighbours anew after each merge would be the whole algorithm (``llmbook.tokenization.naive`` is that, in a
dozen lines). This is the same with three things remembered: the count of each pair, the words that hold it, and a heap
with the most frequent pair on top. A merge then touches the words with that pair only (Sennrich et al. 2016, whose own
program does the same).

A word is a string with one character per piece, ``chr(number)``. So a pair is a string of two, merging is ``replace``,
and of pairs that are equally frequent the smaller string comes first, which is the one whose pieces are older: the
rule of 🤗 tokenizers. Left out: dropout, and a greatest length of pieces.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Merge(NamedTuple):
    """Two pieces that become one, and how often they stood side by side at that time."""

    left: str
    right: str
    times: int


def concatenate(left: str, right: str) -> str:
    """The piece that BPE makes of two."""
    return left + right


def pairs(word: str) -> list[str]:
    """The neighbours in a word.

    >>> pairs("abcb")
    ['ab', 'bc', 'cb']
    """
    return [word[i : i + 2] for i in range(len(word) - 1)]


def learn_merges(
    words: Mapping[str, int],
    tokens: Sequence[str],
    vocab_size: int,
    min_count: int = 1,
    join: Callable[[str, str], str] = concatenate,
) -> list[Merge]:
    """The merges that make ``tokens`` grow to ``vocab_size``, the first learnt first.

    Args:
        words: word, one character ``chr(number)`` per piece -> how often it occurs.
        tokens: the pieces to begin with.
        min_count: no pair that is rarer is merged; so there may be fewer merges than asked for.
        join: the piece that two become.

    By hand: in three "ab" and two "bc" the pair a b comes first. If it is merged, b c is left, twice.

    >>> learn_merges({chr(0) + chr(1): 3, chr(1) + chr(2): 2}, ["a", "b", "c"], vocab_size=5)
    [Merge(left='a', right='b', times=3), Merge(left='b', right='c', times=2)]
    """
    corpus = _Corpus(words)
    tokens, merges = list(tokens), []
    while len(tokens) < vocab_size and (pair := corpus.most_frequent(min_count)):
        left, right = tokens[ord(pair[0])], tokens[ord(pair[1])]
        merges.append(Merge(left, right, corpus.counts[pair]))
        corpus.merge(pair, chr(len(tokens)))
        tokens.append(join(left, right))
    return merges


class _Corpus:
    """Words, the counts of their pairs, and where these are."""

    def __init__(self, words: Mapping[str, int]) -> None:
        self.words, self.times = list(words), list(words.values())
        self.counts: Counter[str] = Counter()
        self.where: defaultdict[str, set[int]] = defaultdict(set)
        for index, (word, times) in enumerate(words.items()):
            for pair in pairs(word):
                self.counts[pair] += times
                self.where[pair].add(index)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def most_frequent(self, min_count: int) -> str | None:
        """The pair to merge next; None when all are too rare.

        Counts in the heap may be out of date, but only too high: whoever comes up with a wrong one goes back in.
        """
        while self.heap:
            count, pair = self.heap[0]
            if -count == self.counts[pair]:
                return pair if -count >= max(1, min_count) else None
            heapq.heapreplace(self.heap, (-self.counts[pair], pair))
        return None

    def merge(self, pair: str, token: str) -> None:
        """Write ``token`` for ``pair`` in all words that hold it, and count their pairs anew."""
        born = set()
        for index in self.where.pop(pair):
            old, times = self.words[index], self.times[index]
            new = self.words[index] = old.replace(pair, token)
            for gone in pairs(old):
                self.counts[gone] -= times
            for come in pairs(new):
                self.counts[come] += times
                if token in come:
                    born.add(come)
                    self.where[come].add(index)
        for come in born:
            heapq.heappush(self.heap, (-self.counts[come], come))
