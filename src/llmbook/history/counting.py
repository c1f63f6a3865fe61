"""What counting can and cannot do: n-gram models by order and smoothing, and how much they have never seen.

The models are in ``ngram`` and ``smoothing``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmbook.history.ngram import NGram, Smoothing
from llmbook.history.plays import Text
from llmbook.history.scoring import surprises


def ngram_scores(
    corpus: Text, orders: Sequence[int], smoothings: dict[str, Smoothing]
) -> dict[str, list[float]]:
    """Bits per byte of unseen plays for each smoothing method and order, scored as every rung of the ladder is."""
    result: dict[str, list[float]] = {}
    for name, smoothing in smoothings.items():
        fitted = [NGram(n, corpus.vocab_size, smoothing).fit(corpus.train) for n in orders]
        result[name] = [
            corpus.bits_per_byte(surprises(m, corpus.unseen).double().mean().item()) for m in fitted
        ]
    return result


def unseen_share(corpus: Text, order: int) -> float:
    """The share of the unseen plays' n-grams that never occur in the training plays, 0 to 1.

    Raises ``ValueError`` for an order below 1, or above the number of unseen tokens.
    """
    n_train, n_unseen = len(corpus.train), len(corpus.unseen)
    if not 1 <= order <= n_unseen:
        raise ValueError(f"order is {order}; choose between 1 and {n_unseen}, the number of unseen tokens")
    ids = np.concatenate([t.numpy().astype(np.int64) for t in (corpus.train, corpus.unseen)])
    grams = ids  # a number for the n-gram that begins at each place
    for n in range(1, order):  # numbered anew at each order: n tokens packed into one would outgrow 64 bits
        grams = np.unique(grams[:-1] * corpus.vocab_size + ids[n:], return_inverse=True)[1]
    # n-grams that begin in one text and end in the other belong to neither
    return float(1 - np.isin(grams[n_train:], grams[: max(0, n_train - order + 1)]).mean())
