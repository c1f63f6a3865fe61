"""Statistical n-gram language models over token ids: count, smooth, predict.

Every smoothing method (``llmbook.history.smoothing``, with the papers) is one recursion over the order n:
``p_n(w|h) = alpha_n(hw) + gamma_n(h) * p_{n-1}(w|h')``, down to the uniform ``p_0 = 1/V``.

The text is one long stream: no sentence markers, no padding. The first tokens are predicted from the shorter
contexts there are. So the n-grams the stream begins with have no left neighbour, and one that never comes
again has continuation count 0; toolkits that mark sentence starts use its plain count instead. Left out:
pruning, backing off instead of interpolating, unknown words (an id that never occurred is simply unseen).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from llmbook.history.smoothing import (
    AddK,
    Floats,
    Interpolated,
    Ints,
    KneserNey,
    Level,
    ModifiedKneserNey,
    Smoothing,
)

__all__ = ["AddK", "Interpolated", "KneserNey", "Level", "ModifiedKneserNey", "NGram", "Smoothing"]


class NGram:
    """An n-gram model over ids ``0 .. vocab_size-1``, with contexts of up to ``order - 1`` tokens.

    By hand: bigrams, V = 3, the stream 0 1 0, D = 1/2. Single tokens: 0 follows one kind of token, so does 1:
    alpha = (1 - 1/2)/2 = 1/4 each, gamma = (1/2 + 1/2)/2 = 1/2, so p(0) = p(1) = 1/4 + 1/2 * 1/3 = 5/12 and
    p(2) = 1/6. After 0 came only 1, once: p(1|0) = 1/2 + 1/2 * 5/12 = 17/24.

    >>> model = NGram(2, 3, KneserNey(discount=0.5)).fit([0, 1, 0])
    >>> (24 * model.distribution([0])).round(9).tolist()
    [5.0, 17.0, 2.0]
    """

    def __init__(self, order: int, vocab_size: int, smoothing: Smoothing | None = None) -> None:
        for name, value in (("order", order), ("vocab_size", vocab_size)):
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        self.order, self.vocab_size = int(order), int(vocab_size)
        self.smoothing = ModifiedKneserNey() if smoothing is None else smoothing
        self.lambdas = getattr(self.smoothing, "lambdas", None)  # Interpolated's, given or found by fit
        if self.lambdas is not None and len(self.lambdas) != order:
            raise ValueError(f"order {order} needs {order} lambdas, order 1 first, got {len(self.lambdas)}")
        self.levels: list[Level] = []

    @property
    def block_size(self) -> int:
        """Tokens of context that can matter; at least 1, so that it can be fed like a neural model."""
        return max(1, self.order - 1)

    @property
    def n_parameters(self) -> int:
        """Stored counts: distinct n-grams of every order up to this one."""
        return sum(len(level.codes) for level in self.levels)

    def fit(self, ids: Any, held_out: Any = None) -> NGram:
        """Count the n-grams of ``ids`` (T,) and set the smoothing; forgets any earlier fit. Returns self.

        ``held_out`` is read by ``Interpolated(lambdas=None)`` only.

        Raises:
            ValueError: ids are not a 1-D run of integers in [0, V), or fewer than ``order``.
        """
        tokens, smoothing = self._ids(ids, "ids"), self.smoothing
        search = isinstance(smoothing, Interpolated) and smoothing.lambdas is None
        if isinstance(smoothing, Interpolated) and search and held_out is None:
            cut = len(tokens) - max(1, round(len(tokens) * smoothing.held_out))
            tokens, held_out = tokens[:cut], tokens[cut:]
        if len(tokens) < self.order:
            raise ValueError(
                f"order {self.order} needs at least {self.order} tokens, got {len(tokens)} to count"
            )
        self.levels = _count(tokens, self.order, self.vocab_size)
        self._weigh(smoothing)
        if search:
            self.lambdas = _expectation_maximization(self, self._ids(held_out, "held_out"))
            self._weigh(Interpolated(self.lambdas))
        return self

    def log_prob(self, token: int, context: Any = ()) -> float:
        """Natural logarithm of p(token | context), -inf for 0; only the last order-1 tokens matter."""
        return float(self.log_probs([*self._ids(context, "context")[-self.order :], token])[-1])

    def log_probs(self, ids: Any) -> Floats:
        """Natural logarithms, (T,) or (B, T) as ``ids``: each token given up to order-1 tokens before it in its row."""
        rows = torch.as_tensor(ids)
        flat = self._ids(rows.flatten() if rows.ndim == 2 else ids, "ids")
        with np.errstate(divide="ignore"):
            return np.log(self._probs(flat.reshape(rows.shape)))

    def perplexity(self, ids: Any) -> float:
        """exp of the mean negative log-probability per token. Raises ValueError when there is no token."""
        if not len(ids):
            raise ValueError("perplexity needs at least one token, got none")
        return float(np.exp(-self.log_probs(ids).mean()))

    def distribution(self, context: Any = ()) -> Floats:
        """(V,) probabilities of the next token; they sum to 1."""
        recent = self._ids(context, "context")[max(0, len(context) - self.order + 1) :]
        p = uniform = np.full(self.vocab_size, 1 / self.vocab_size)
        for n, level in enumerate(self._fitted()[: len(recent) + 1]):
            p = p if self.smoothing.recursive else uniform
            context_id = self._find(recent[len(recent) - n :])  # of the last n tokens
            if context_id >= 0:
                first = context_id * self.vocab_size
                low, high = np.searchsorted(level.codes, [first, first + self.vocab_size])
                p = level.gamma[context_id] * p
                p[level.codes[low:high] - first] += level.alpha[low:high]
        return p

    def sample(self, generator: torch.Generator, n: int, context: Any = ()) -> torch.Tensor:
        """(n,) tokens drawn one after the other, each given what came before it."""
        ids = self._ids(context, "context").tolist()
        for u in torch.rand(n, generator=generator, dtype=torch.float64).tolist():
            cumulated = self.distribution(ids[-self.block_size :]).cumsum()
            ids.append(int(np.searchsorted(cumulated, u * cumulated[-1], side="right")))
        return torch.tensor(ids[len(ids) - n :], dtype=torch.long)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V) log-probabilities of the next token: the interface of the neural models."""
        rows = [[self.distribution(row[: t + 1]) for t in range(len(row))] for row in ids]
        return torch.from_numpy(np.array(rows)).log().float()  # (B, T, V)

    def _weigh(self, smoothing: Smoothing) -> None:
        for n, level in enumerate(self.levels, 1):
            smoothing.weigh(level, n, self.vocab_size)

    def _fitted(self) -> list[Level]:
        if not self.levels:
            raise ValueError("the model has no counts yet; call fit(ids) first")
        return self.levels

    def _ids(self, ids: Any, name: str) -> Ints:
        tokens = ids.detach().cpu().numpy() if isinstance(ids, torch.Tensor) else np.asarray(ids)
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise ValueError(f"{name} must be 1-D integers, got shape {tokens.shape} of {tokens.dtype}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.vocab_size:
            span = f"{tokens.min()} to {tokens.max()}"
            raise ValueError(f"{name} must lie in [0, {self.vocab_size}), got {span}; is vocab_size right?")
        return tokens.astype(np.int64)

    def _find(self, gram: Ints) -> int:
        """Index of one n-gram among those of its order, 0 for the empty one, -1 if never seen."""
        found = 0
        for level, token in zip(self.levels, gram, strict=False):
            found = int(level.find(np.array([found * self.vocab_size + token]))[0])
        return found

    def _pieces(self, ids: Ints) -> Iterator[tuple[Floats, Floats]]:
        """Per order n, alpha and gamma of every token that has n-1 tokens before it: (..., T-n+1) each."""
        *rows, length = ids.shape
        grams = np.zeros(
            (*rows, length + 1), dtype=np.int64
        )  # the (n-1)-gram that ends just before each token
        for n, level in enumerate(self._fitted()[:length], 1):
            contexts = grams[..., : length - n + 1]
            grams = level.find(contexts * self.vocab_size + ids[..., n - 1 :])  # (..., T-n+1)
            yield np.where(grams < 0, 0, level.alpha[grams]), np.where(contexts < 0, 1, level.gamma[contexts])

    def _probs(self, ids: Ints) -> Floats:
        p = np.full(ids.shape, 1 / self.vocab_size)
        for n, (alpha, gamma) in enumerate(self._pieces(ids)):
            p[..., n:] = alpha + gamma * (p[..., n:] if self.smoothing.recursive else 1 / self.vocab_size)
        return p


def _count(ids: Ints, order: int, vocab_size: int) -> list[Level]:
    """Count level by level. An n-gram's code is (index of its first n-1 tokens) * V + its last token: below
    T * V whatever the order, so it fits 64 bits where n tokens of a large vocabulary packed would not."""
    levels: list[Level] = []
    grams = np.zeros(len(ids) + 1, dtype=np.int64)  # index of the (n-1)-gram that starts at each position
    n_contexts = 1
    for n in range(1, order + 1):
        every = grams[: len(ids) - n + 1] * vocab_size + ids[n - 1 :]
        codes, where, counts = _unique(every, n_contexts * vocab_size)
        if levels:  # every distinct n-gram is one distinct left neighbour of its last n-1 tokens
            start = np.empty(len(codes), dtype=np.int64)
            start[where] = np.arange(len(where))
            levels[-1].adjusted = np.bincount(grams[start + 1], minlength=n_contexts)
        levels.append(Level(codes, codes // vocab_size, counts, n_contexts, counts, np.empty(0), np.empty(0)))
        grams, n_contexts = where, len(codes)
    return levels


def _unique(codes: Ints, limit: int) -> tuple[Ints, Ints, Ints]:
    """Sorted distinct codes (U,), the index of every code among them (T,), their counts (U,)."""
    if limit > 1 << 22:
        return np.unique(codes, return_inverse=True, return_counts=True)
    table = np.bincount(codes, minlength=limit)  # few possible codes: no sorting
    distinct = np.flatnonzero(table)
    return distinct, (np.cumsum(table > 0) - 1)[codes], table[distinct]


def _expectation_maximization(model: NGram, ids: Ints, tolerance: float = 1e-5) -> tuple[float, ...]:
    """The lambdas that make ``ids`` likeliest, each with one imagined token for and one against it, so that
    none becomes 0 or 1. Expects a model weighed with every lambda 1: then alpha is the relative frequency,
    and gamma is 1 where the context was never seen."""
    if not len(ids):
        raise ValueError("held_out has no tokens to choose the lambdas by; pass some, or give the lambdas")
    pieces = list(model._pieces(ids))
    lambdas = np.full(model.order, 0.5)
    for _ in range(200):
        previous, p = lambdas.copy(), [np.full(len(ids), 1 / model.vocab_size)]
        for n, (frequency, unseen) in enumerate(pieces):
            weight = previous[n] * (1 - unseen)
            p.append(np.append(p[-1][:n], weight * frequency + (1 - weight) * p[-1][n:]))
        reached = np.ones(len(ids))  # the chance that no higher order explained the token
        for n, (frequency, unseen) in reversed(list(enumerate(pieces))):
            explained = reached[n:] * previous[n] * (1 - unseen) * frequency / p[n + 1][n:]
            chances = (reached[n:] * (1 - unseen)).sum()
            lambdas[n] = (explained.sum() + 1) / (chances + 2)
            reached[n:] -= explained
        if np.abs(lambdas - previous).max() < tolerance:
            break
    return tuple(lambdas.tolist())
