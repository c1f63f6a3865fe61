"""How good is a model? The loss that training minimizes, and the loss on unseen text.

Shapes: ``B`` windows in a batch, ``T`` tokens in a window, ``N`` tokens of text, ``V`` vocabulary.

A model is any callable ids (B, T) -> logits (B, T, V). Left out on purpose: task scores such as BLEU and chrF
(sacrebleu has those).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from llmbook.core.run.runtime import evaluating
from llmbook.core.text.tokens import check_ids

LanguageModel = Callable[[Tensor], Tensor]  # ids (B, T) -> logits (B, T, V)


# ---- A loss that adds up ----


class Loss(NamedTuple):
    """The loss of a batch as a sum and what to divide it by.

    Means of batches with different numbers of targets have no mean; totals and weights add up over batches,
    micro-batches and processes.

    `total` is a scalar tensor, the sum over the targets that count, and `weight` their number.
    """

    total: Tensor
    weight: Tensor | float

    @property
    def mean(self) -> Tensor:
        """Loss per target that counts; nan when there is none."""
        return self.total / self.weight


def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Loss:
    """Surprise, in nats, at targets (...) under logits (..., V); targets equal to `ignore_index` do not count.

    Of three targets the last does not count: the total is 2 ln 4, the weight 2, the mean ln 4.

    >>> cross_entropy(torch.zeros(1, 3, 4), torch.tensor([[0, 3, -100]]))
    Loss(total=tensor(2.7726), weight=tensor(2))
    """
    flat, y = logits.flatten(0, -2), targets.flatten()
    total = F.cross_entropy(flat, y, ignore_index=ignore_index, reduction="sum")
    return Loss(total, (y != ignore_index).sum())


# ---- Loss on unseen text ----


def token_losses(
    model: LanguageModel,
    ids: Tensor,
    *,
    block_size: int | None = None,
    batch_size: int = 16,
    stride: int | None = None,
) -> Tensor:
    """The model's surprise at each token of a text, in nats.

    Windows of `block_size` tokens cover the text. Each moves on by `stride` tokens, and only what it newly
    covers is scored, so every token counts once. `stride=block_size` (the default) is fastest; with a smaller
    stride tokens see more context, and their loss is usually lower. The last window ends where the text ends;
    a text shorter than one window is a window of its own.

    Args:
        model: ids (B, T) -> logits (B, T, V); a torch module runs in eval mode and without gradients.
        ids: (N,) token ids. The first has nothing before it, so it is context only.
        block_size: T, by default `model.block_size`.

    Returns:
        (N - 1,) float32 on the CPU: entry i is -ln p(ids[i + 1] | the tokens before it in its window).

    Raises:
        ValueError: ids too short or not 1-D integers; block_size, batch_size or stride out of range.

    >>> uniform = lambda ids: torch.zeros(*ids.shape, 4)  # four equally likely tokens: ln 4 = 1.3863 nats
    >>> token_losses(uniform, torch.tensor([0, 1, 2, 3, 0]), block_size=3)
    tensor([1.3863, 1.3863, 1.3863, 1.3863])
    """
    ids = check_ids(ids, ndim=1, at_least=2).to(_device(model))
    block_size = min(_block_size(model, block_size), len(ids) - 1)
    starts, new = _windows(len(ids) - 1, block_size, block_size if stride is None else stride)
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give at least 1")
    offsets = torch.arange(block_size)
    losses = []
    with evaluating(model):
        for b in range(0, len(starts), batch_size):
            at = (starts[b : b + batch_size, None] + offsets).to(ids.device)  # (B, T)
            logits = model(ids[at])  # (B, T, V)
            nats = F.cross_entropy(logits.flatten(0, 1).float(), ids[at + 1].flatten(), reduction="none")
            is_new = offsets >= block_size - new[b : b + batch_size, None]  # (B, T): the last `new` of each
            losses.append(nats.view_as(at).cpu()[is_new])
    return torch.cat(losses)  # (N - 1,)


def loss(
    model: LanguageModel,
    ids: Tensor,
    *,
    block_size: int | None = None,
    batch_size: int = 16,
    stride: int | None = None,
) -> float:
    """Mean of `token_losses`: nats per token, every token but the first counted exactly once.

    >>> uniform = lambda ids: torch.zeros(*ids.shape, 256)
    >>> round(loss(uniform, torch.arange(100), block_size=32), 4) == round(math.log(256), 4)
    True
    """
    nats = token_losses(model, ids, block_size=block_size, batch_size=batch_size, stride=stride)
    return nats.double().mean().item()


def bits_per_byte(nats_total: float, n_bytes: int) -> float:
    """Bits the model needs per byte of text: comparable between tokenizers, as nats per token are not.

    `nats_total` is the sum over tokens (loss × tokens), `n_bytes` the UTF-8 length of their text.
    Raises ValueError unless n_bytes is positive.

    >>> bits_per_byte(math.log(256) * 10, 10)  # uniform over bytes: eight bits each
    8.0
    """
    if n_bytes < 1:
        raise ValueError(f"n_bytes is {n_bytes}; give the UTF-8 length of the text, at least 1")
    return nats_total / math.log(2) / n_bytes


def perplexity(nats_per_token: float) -> float:
    """exp(loss): the number of equally likely tokens that would be as hard to guess between.

    >>> round(perplexity(math.log(4)), 6)
    4.0
    """
    return math.exp(nats_per_token)


def _windows(n_targets: int, block_size: int, stride: int) -> tuple[Tensor, Tensor]:
    """Where each window starts, and how many targets (its last ones) it is the first to cover."""
    if not 1 <= stride <= block_size:
        raise ValueError(
            f"stride is {stride}; give 1 to {block_size}, the block_size, or tokens are left out"
        )
    ends = [*range(block_size, n_targets, stride), n_targets]
    new = [end - before for before, end in zip([0, *ends], ends, strict=False)]
    return torch.tensor(ends) - block_size, torch.tensor(new)


def _block_size(model: Any, given: int | None) -> int:
    longest = getattr(model, "block_size", None)
    chosen = longest if given is None else given
    if chosen is None:
        raise ValueError("block_size is None and the model has none of its own; give block_size")
    if chosen < 1 or (longest is not None and chosen > longest):
        raise ValueError(f"block_size is {chosen}; give 1 to {longest or 'the longest context of the model'}")
    return int(chosen)


def _device(model: Any) -> torch.device:
    """Where the model's weights are; the CPU for one without weights."""
    weights = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    return next((p.device for p in weights), torch.device("cpu"))
