"""One way to score every rung of the ladder: the same windows, so the same context for every token.

A network reads windows; a table of counts could look back over the whole text. Where windows only meet, the first
tokens of each have nothing before them, which costs a network about 0.015 bits per byte and the table nothing. So all
go through :func:`surprises`: windows overlap, and what is scored has at least ``BLOCK - STRIDE`` tokens before it (only
the beginning of the text has fewer). No rung is told more, none less: the table too sees nothing but its window.

Shapes: N tokens of text, W windows, T tokens that a window predicts from, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmbook.core.run.runtime import evaluating
from llmbook.core.text.tokens import check_ids
from llmbook.history.ngram import NGram

BLOCK = 64  # tokens that a rung reads at a time, when it trains and when it is scored
STRIDE = 32  # tokens that each window scores: its last ones


def windows(ids: Tensor, block_size: int = BLOCK, stride: int = STRIDE) -> tuple[Tensor, Tensor]:
    """Cut a text into overlapping windows that together score every token but the first exactly once.

    Args:
        ids: (N,) token ids, at least 2.
        block_size: T; a text that is shorter than one window is a window of its own.
        stride: how far each window moves on; the last one ends where the text ends.

    Returns:
        Rows (W, T + 1), the last T of which are predicted, and (W,) how many of these, the last ones, are scored.

    Raises:
        ValueError: ids too short or not (N,); stride not between 1 and block_size.

    >>> rows, scored = windows(torch.arange(8), block_size=4, stride=2)
    >>> rows.tolist(), scored.tolist()
    ([[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [3, 4, 5, 6, 7]], [4, 2, 1])
    """
    ids = check_ids(ids, ndim=1, at_least=2)
    if not 1 <= stride <= block_size:
        raise ValueError(
            f"stride is {stride}; give 1 to {block_size}, the block_size, or tokens are left out"
        )
    block_size = min(block_size, len(ids) - 1)
    ends = [*range(block_size, len(ids) - 1, stride), len(ids) - 1]
    scored = [end - before for before, end in zip([0, *ends], ends, strict=False)]
    starts = torch.tensor(ends) - block_size
    return ids[starts[:, None] + torch.arange(block_size + 1)], torch.tensor(scored)


def surprises(
    model: nn.Module | NGram, ids: Tensor, block_size: int = BLOCK, stride: int = STRIDE, batch_size: int = 64
) -> Tensor:
    """How surprising each token of a text is to a network or an n-gram model, in nats: (N - 1,) float32.

    Both are shown the rows of :func:`windows` and nothing else.

    >>> model = NGram(2, 3).fit([0, 1, 2, 0, 1, 2, 0])
    >>> [round(nats, 2) for nats in surprises(model, torch.tensor([0, 1, 2]), 2, 1).tolist()]
    [0.41, 0.41]
    """
    rows, scored = windows(ids, block_size, stride)
    found = []
    for batch, n in zip(rows.split(batch_size), scored.split(batch_size), strict=True):
        nats = _of_counts(model, batch) if isinstance(model, NGram) else _of_network(model, batch)  # (B, T)
        found.append(nats[torch.arange(nats.shape[1]) >= nats.shape[1] - n[:, None]])
    return torch.cat(found)


def _of_counts(model: NGram, rows: Tensor) -> Tensor:
    return torch.from_numpy(-model.log_probs(rows)[:, 1:]).float()


def _of_network(model: nn.Module, rows: Tensor) -> Tensor:
    rows = rows.to(next(model.parameters()).device)
    with evaluating(model):
        logits = model(rows[:, :-1])  # (B, T, V)
    return (
        F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten(), reduction="none")
        .view_as(rows[:, 1:])
        .cpu()
    )
