"""What counting can and cannot do: n-gram models by order and smoothing, and how much they have never seen.

The models are in ``ngram`` and ``smoothing``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from llmbook.history.ladder import (
    Text,
)
from llmbook.history.ngram import NGram, Smoothing


def ngram_scores(
    corpus: Text, orders: Sequence[int], smoothings: dict[str, Smoothing]
) -> dict[str, list[float]]:
    """Bits per byte of unseen plays for each smoothing method and order."""
    result: dict[str, list[float]] = {}
    for name, smoothing in smoothings.items():
        fitted = [NGram(n, corpus.vocab_size, smoothing).fit(corpus.train) for n in orders]
        result[name] = [corpus.bits_per_byte(-m.log_probs(corpus.unseen)[1:].mean()) for m in fitted]
    return result


def unseen_share(corpus: Text, order: int) -> float:
    """The share of the unseen plays' n-grams that never occur in the training plays, 0 to 1."""

    def grams(ids: Tensor) -> np.ndarray:
        rows = ids.unfold(0, order, 1).numpy().astype(np.int64)  # (N - n + 1, n)
        return rows @ (corpus.vocab_size ** np.arange(order, dtype=np.int64))

    return float(1 - np.isin(grams(corpus.unseen), grams(corpus.train)).mean())
