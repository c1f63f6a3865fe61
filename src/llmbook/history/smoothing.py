"""Smoothing of n-gram counts: how much to trust a count, and how much to leave to shorter contexts.

Papers: Jelinek & Mercer 1980 (interpolation); Kneser & Ney 1995 (continuation counts); Chen & Goodman 1999,
"An empirical study of smoothing techniques for language modeling", Computer Speech & Language 13:359-394,
doi 10.1006/csla.1999.0128 (the interpolated and the modified form of Kneser-Ney).

Every method is one recursion over the order n, with h the n-1 tokens before w, and h' the same without the
first: ``p_n(w|h) = alpha_n(hw) + gamma_n(h) * p_{n-1}(w|h')``, down to the uniform ``p_0 = 1/V``. In a
context never seen, alpha is 0 and gamma is 1. The methods differ only in alpha and gamma, which they set
level by level; ``llmbook.history.ngram`` counts and predicts. Left out: Good-Turing, Witten-Bell, backing off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Level:
    """The U distinct n-grams of one order, sorted by code, in C contexts (the n-grams of the order below)."""

    codes: Ints  # (U,) index of the context * V + last token
    contexts: Ints  # (U,) index of the context
    counts: Ints  # (U,) times seen
    n_contexts: int  # C
    adjusted: Ints  # (U,) Kneser-Ney's counts: distinct left neighbours; at the highest order `counts`
    alpha: Floats  # (U,)
    gamma: Floats  # (C,)

    def per_context(self, values: NDArray[Any]) -> Floats:
        """(U,) -> (C,): sums over the n-grams of each context."""
        return np.bincount(self.contexts, values, self.n_contexts).astype(np.float64)

    def find(self, codes: Ints) -> Ints:
        """Index of every code, -1 where it was never seen (codes with a context of -1 are negative)."""
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, at, -1)


class Smoothing:
    """What the methods share: they set ``alpha`` and ``gamma`` of every level."""

    recursive: ClassVar[bool] = True  # mix with the order below; otherwise with the uniform distribution

    def weigh(self, level: Level, n: int, vocab_size: int) -> None:
        """Set ``alpha`` and ``gamma`` of the level of order ``n``."""
        raise NotImplementedError


@dataclass(frozen=True)
class AddK(Smoothing):
    """Add ``k`` to every count of the highest order: ``(c(hw) + k) / (c(h) + k V)``; ``k=1`` is Laplace's.

    ``k=0`` is maximum likelihood, except that a context never seen gets the uniform distribution.
    """

    k: float = 1.0
    recursive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.k < float("inf"):
            raise ValueError(f"k must be a number of at least 0, got {self.k}")

    def weigh(self, level: Level, n: int, vocab_size: int) -> None:
        total = level.per_context(level.counts) + self.k * vocab_size
        level.alpha = level.counts / total[level.contexts]
        level.gamma = np.divide(self.k * vocab_size, total, out=np.ones_like(total), where=total > 0)


@dataclass(frozen=True)
class Interpolated(Smoothing):
    """Jelinek-Mercer: ``p_n(w|h) = lambda_n c(hw)/c(h) + (1 - lambda_n) p_{n-1}(w|h')``, one lambda an order.

    ``lambdas`` are given from order 1 up, or None: found by expectation-maximization on held-out text, which
    is what `NGram.fit` is handed or else the last ``held_out`` part of the training text (then not counted).
    """

    lambdas: tuple[float, ...] | None = None
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if self.lambdas is not None and not all(0 <= x <= 1 for x in self.lambdas):
            raise ValueError(f"every lambda must lie in [0, 1], got {self.lambdas}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is a fraction between 0 and 1, got {self.held_out}")

    def weigh(self, level: Level, n: int, vocab_size: int) -> None:
        weight = 1.0 if self.lambdas is None else self.lambdas[n - 1]
        total = level.per_context(level.counts)
        level.alpha = weight * level.counts / total[level.contexts]
        level.gamma = np.where(total > 0, 1 - weight, 1.0)


class Discounting(Smoothing):
    """Kneser-Ney's recursion: take a discount from every count, give what was taken to the order below."""

    def discounts(self, adjusted: Ints, n: int) -> Floats:
        """(4,): what is taken from counts of 0, 1, 2, and 3 or more, at order ``n``."""
        raise NotImplementedError

    def weigh(self, level: Level, n: int, vocab_size: int) -> None:
        taken = self.discounts(level.adjusted, n)[np.minimum(level.adjusted, 3)]  # (U,)
        total = level.per_context(level.adjusted)  # (C,)
        total[total == 0] = np.inf  # the stream's end, or its beginning only: leave it to the order below
        level.alpha = (level.adjusted - taken) / total[level.contexts]
        level.gamma = np.where(total < np.inf, level.per_context(taken) / total, 1.0)


@dataclass(frozen=True)
class KneserNey(Discounting):
    """Interpolated Kneser-Ney with one discount D an order.

    ``discount=None`` estimates it from how many n-grams were seen once and twice, ``D = n1 / (n1 + 2 n2)``.
    ``base="uniform"`` discounts single tokens too, so that unseen ones keep some probability;
    ``base="unigram"`` ends the recursion with undiscounted single tokens, as NLTK does.
    """

    discount: float | None = None
    base: Literal["uniform", "unigram"] = "uniform"

    def __post_init__(self) -> None:
        if self.discount is not None and not 0 <= self.discount <= 1:
            raise ValueError(f"discount must lie in [0, 1] or be None (estimated), got {self.discount}")
        if self.base not in ("uniform", "unigram"):
            raise ValueError(f"base must be 'uniform' or 'unigram', got {self.base!r}")

    def discounts(self, adjusted: Ints, n: int) -> Floats:
        n1, n2 = np.bincount(np.minimum(adjusted, 3), minlength=4)[1:3]
        estimate = n1 / (n1 + 2 * n2) if n1 else 0.5  # nothing seen once, nothing to estimate from
        discount = estimate if self.discount is None else self.discount
        return np.array([0.0, 1, 1, 1]) * (0 if n == 1 and self.base == "unigram" else discount)


@dataclass(frozen=True)
class ModifiedKneserNey(Discounting):
    """Interpolated Kneser-Ney with three discounts an order, for counts of 1, 2 and more.

    Where the numbers of n-grams seen 1 to 4 times give no usable estimate (a discount of 0 or less), they
    are 0.5, 1 and 1.5, the fallback of the toolkit KenLM.
    """

    def discounts(self, adjusted: Ints, n: int) -> Floats:
        n1, n2, n3, n4 = np.bincount(np.minimum(adjusted, 5), minlength=6)[1:5]
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
            if (found[1:] > 0).all():
                return found
        return np.array([0, 0.5, 1, 1.5])
