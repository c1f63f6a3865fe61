"""The batches of a run: random contexts of a text or what a function draws, and the fixed ones of validation.

Shapes: ``B`` sequences in a batch (of all processes together), ``T`` tokens of context, ``N`` tokens of text. Left
out on purpose: datasets larger than memory, and loading in the background.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from llmbook.core.text.tokens import check_ids
from llmbook.core.train.distributed import Batch, check_shares, own_rows
from llmbook.core.train.optim import Recipe

Draw = Callable[[torch.Generator], Batch]


def batches(
    ids: Tensor,
    *,
    batch_size: int,
    block_size: int,
    generator: torch.Generator,
    device: str | torch.device = "cpu",
) -> Iterator[Batch]:
    """Endless random contexts x (B, T), and the same moved on by one token y (B, T), from ids (N,).

    Raises ValueError unless ids are 1-D integers and hold at least block_size + 1 tokens.

    >>> generator = torch.Generator().manual_seed(0)
    >>> x, y = next(batches(torch.arange(9), batch_size=2, block_size=3, generator=generator))
    >>> x.shape, bool((y == x + 1).all())
    (torch.Size([2, 3]), True)
    """
    ids = check_ids(ids, ndim=1, at_least=block_size + 1)
    offsets = torch.arange(block_size)

    def draw(generator: torch.Generator) -> Batch:
        starts = torch.randint(len(ids) - block_size, (batch_size, 1), generator=generator)  # (B, 1)
        at = starts + offsets  # (B, T)
        return ids[at], ids[at + 1]

    return endless(draw, generator, device)


def endless(draw: Draw, generator: torch.Generator, device: str | torch.device) -> Iterator[Batch]:
    """Batches of `draw`, without end. Each process draws the whole batch and keeps its own rows."""
    while True:
        yield tuple(
            own_rows(part).to(device) if isinstance(part, Tensor) else part for part in draw(generator)
        )


def micro_batches(batch: Batch, n: int) -> list[Batch]:
    """The rows of a batch in `n` equal parts; what is no tensor goes into each.

    Raises ValueError when the rows cannot be shared evenly.

    >>> micro_batches((torch.arange(4), "a note"), 2)
    [(tensor([0, 1]), 'a note'), (tensor([2, 3]), 'a note')]
    """
    if n == 1:
        return [batch]
    for part in batch:
        if isinstance(part, Tensor) and len(part) % n:
            raise ValueError(
                f"{len(part)} rows of a process cannot be shared evenly by {n} micro-batches (accumulate={n}); "
                f"draw a multiple of them"
            )
    chunks = [part.chunk(n) if isinstance(part, Tensor) else [part] * n for part in batch]
    return list(zip(*chunks, strict=True))


def make_stream(
    model: nn.Module, data: Any, recipe: Recipe, generator: torch.Generator, device: torch.device
) -> Iterator[Batch]:
    """The batches of a run, from token ids or from a function that makes batches."""
    if not isinstance(data, Tensor) and callable(data):
        return endless(data, generator, device)
    longest = getattr(model, "block_size", None)
    if longest is not None and recipe.block_size > longest:
        raise ValueError(
            f"block_size is {recipe.block_size}, but the model sees at most {longest} tokens; "
            f"lower it in the recipe or build the model with a larger one"
        )
    check_shares(recipe.batch_size, recipe.accumulate)
    ids = _check_text(data, model, recipe, "data")
    b, t = recipe.batch_size, recipe.block_size
    return batches(ids, batch_size=b, block_size=t, generator=generator, device=device)


def make_valid_batches(model: nn.Module, valid: Any, recipe: Recipe, device: torch.device) -> list[Batch]:
    """The batches on which validation is measured: the same ones every time, so that losses compare."""
    if valid is None or isinstance(valid, list):
        pairs = valid or []
    else:
        t, ids = recipe.block_size, _check_text(valid, model, recipe, "valid_ids")
        n = min(recipe.eval_windows, (len(ids) - 1) // t)
        starts = torch.linspace(0, len(ids) - 1 - t, n, dtype=torch.float64).long()
        at = (starts[:, None] + torch.arange(t)).split(recipe.batch_size // recipe.accumulate)  # each (B, T)
        pairs = [(ids[i], ids[i + 1]) for i in at]
    return [tuple(p.to(device) if isinstance(p, Tensor) else p for p in pair) for pair in pairs]


def fingerprint(data: Any) -> dict[str, Any] | None:
    """What tells one text from another, for a checkpoint: length and SHA-256; None for a function.

    >>> fingerprint(torch.arange(3))["n_tokens"], fingerprint(lambda generator: ())
    (3, None)
    >>> fingerprint(torch.arange(3)) == fingerprint(torch.arange(3, dtype=torch.uint8))
    True
    """
    if not isinstance(data, Tensor):
        return None
    content = data.detach().cpu().long().contiguous().numpy().tobytes()
    return {"n_tokens": len(data), "sha256": hashlib.sha256(content).hexdigest()}


def _check_text(ids: Any, model: nn.Module, recipe: Recipe, name: str) -> Tensor:
    """Token ids (N,) that hold a context and its next token, all of them in the model's vocabulary."""
    ids = check_ids(ids, ndim=1, at_least=recipe.block_size + 1, name=name)
    v = getattr(model, "vocab_size", None)
    for extreme in (int(ids.min()), int(ids.max())):
        if v is not None and not 0 <= extreme < v:
            raise ValueError(
                f"{name} holds id {extreme}, but vocab_size is {v}: was it made by another tokenizer?"
            )
    return ids
