"""All ways to cut thousands of words into pieces, scored together: the engine of Unigram's training.

The lattice of a word has a node before, between and after its characters, and an edge for each piece that spells the
characters between two nodes; a path from the first node to the last is a segmentation. What is computed here for all
words at once, node by node from left to right, is what ``llmbook.tokenization.unigram`` does for one word in plain
Python (and the tests hold them to be equal).

Shapes: W words, E edges, N nodes of all words together, P pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Level(NamedTuple):
    """The edges that meet at nodes of one place in their words."""

    edges: Ints  # sorted by that node
    nodes: Ints  # each once
    begins: Ints  # where the edges of each node begin in ``edges``


class Lattices:
    """The lattices of W words over P pieces; ``scores`` are log-probabilities (P,), -inf for a piece that is gone."""

    def __init__(
        self, words: Sequence[str], piece_numbers: Mapping[str, int], longest: int, whole: bool = True
    ) -> None:
        """Find every edge. ``whole=False`` leaves out the edges that are a whole word of several characters."""
        lengths = np.array([len(word) for word in words])
        self.first = np.cumsum(lengths + 1) - lengths - 1  # (W,) each word's first node
        self.last = self.first + lengths
        found = [
            (int(first) + start, int(first) + end, start, end, number)
            for first, word in zip(self.first, words, strict=True)
            for start in range(len(word))
            for end in range(start + 1, min(start + longest, len(word)) + 1)
            if (number := piece_numbers.get(word[start:end])) is not None
            and (whole or end - start < len(word) or len(word) == 1)
        ]
        edges = np.array(found, dtype=np.int64).reshape(-1, 5)
        self._set(edges)

    def _set(self, edges: Ints) -> None:
        self.edges = edges
        self.start, self.end, start_place, end_place, self.piece = edges.T
        self.forward = _levels(self.end, end_place)
        self.backward = _levels(self.start, -start_place)

    def keep(self, alive: NDArray[np.bool_]) -> None:
        """Drop the edges of pieces that are not ``alive`` (P,)."""
        self._set(self.edges[alive[self.piece]])

    def _sum(self, levels: list[Level], scores: Floats, ends: Ints, before: Ints) -> Floats:
        """(N,) the log of the summed probability of all paths from ``ends`` to each node."""
        total = np.full(self.last[-1] + 1, -np.inf)
        total[ends] = 0
        for level in levels:
            values = total[before[level.edges]] + scores[self.piece[level.edges]]
            total[level.nodes] = np.logaddexp.reduceat(values, level.begins)
        return total

    def expected(self, scores: Floats, times: Floats) -> tuple[Floats, float]:
        """How often each piece is expected in words that come ``times`` (W,), and the text's log-likelihood.

        Each segmentation counts by its share of the word's probability: the E step of Kudo 2018.
        """
        alpha = self._sum(self.forward, scores, self.first, self.start)
        beta = self._sum(self.backward, scores, self.last, self.end)
        word = np.searchsorted(self.first, self.start, side="right") - 1
        of_word = alpha[self.last]  # (W,)
        share = np.exp(alpha[self.start] + scores[self.piece] + beta[self.end] - of_word[word])
        counts: Floats = np.bincount(self.piece, times[word] * share, minlength=len(scores)).astype(float)
        return counts, float(times @ of_word)

    def best(self, scores: Floats) -> tuple[Floats, Ints]:
        """The log-probability of each word's best path (W,), and the edge by which it enters each node (N,).

        Of equal paths the one with the longer last piece is taken.
        """
        total, enters = np.full(self.last[-1] + 1, -np.inf), np.full(self.last[-1] + 1, -1)
        total[self.first] = 0
        for level in self.forward:
            values = total[self.start[level.edges]] + scores[self.piece[level.edges]]
            total[level.nodes] = np.maximum.reduceat(values, level.begins)
            best = np.flatnonzero((values == total[self.end[level.edges]]) & (values > -np.inf))[::-1]
            enters[self.end[level.edges[best]]] = level.edges[best]  # backwards: the first of equals stays
        return total[self.last], enters

    def walk(self, enters: Ints) -> Iterator[tuple[Ints, Ints]]:
        """The best paths from right to left, a step of all words at a time: (words still under way, their pieces)."""
        words = np.flatnonzero(enters[self.last] >= 0)
        nodes = self.last[words]
        while len(words):
            edges = enters[nodes]
            yield words, self.piece[edges]
            under_way = self.start[edges] > self.first[words]
            words, nodes = words[under_way], self.start[edges][under_way]


def _levels(node: Ints, place: Ints) -> list[Level]:
    """Edges grouped by the place of their node, in the order in which sums can be made."""
    order = np.lexsort((node, place))
    cuts = np.flatnonzero(np.diff(place[order])) + 1
    levels = []
    for edges in np.split(order, cuts) if len(order) else []:
        nodes, begins = np.unique(node[edges], return_index=True)
        levels.append(Level(edges, nodes, begins))
    return levels
