"""Prompts of different lengths as one batch: padding goes in front, so that all of them end, and go on, together.

Left out on purpose: packing several texts into one row.

Shapes: B prompts, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from llmbook.core.text.tokens import check_ids

IdLists = Sequence[Sequence[int]]


def left_pad(
    prompts: Tensor | IdLists,
    is_token: Tensor | None = None,
    *,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Prompts of different lengths, ending together: ids (B, T) and where they are real, None if everywhere.

    ``prompts`` is a list of lists of ids, or ids (B, T) with ``is_token`` False at padding, wherever that stands.
    Raises ``ValueError`` when a prompt has no tokens.

    >>> left_pad([[5], [7, 8]])
    (tensor([[0, 5],
            [7, 8]]), tensor([[False,  True],
            [ True,  True]]))
    """
    if not isinstance(prompts, Tensor):
        prompts, is_token = _pad_lists(prompts, device)
    prompts = check_ids(prompts, name="the prompt")
    if is_token is None:
        return prompts, None
    if is_token.shape != prompts.shape or not is_token.any(dim=1).all():
        raise ValueError(
            f"is_token is {tuple(is_token.shape)} for a prompt of {tuple(prompts.shape)}; it must have the same "
            "shape, and at least one token in each row"
        )
    is_token = is_token.bool()
    if is_token.all():
        return prompts, None
    order = is_token.long().argsort(dim=1, stable=True)  # padding first, tokens in their order
    return prompts.gather(1, order), is_token.gather(1, order)


def _pad_lists(prompts: IdLists, device: torch.device | str | None) -> tuple[Tensor, Tensor]:
    lists = [list(p) if isinstance(p, Sequence) else [] for p in prompts]
    if not lists or not all(p and all(isinstance(i, Integral) for i in p) for p in lists):
        raise ValueError("the prompts must be ids (B, T) or a list of lists of ids, at least one in each")
    longest = max(map(len, lists))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in lists], device=device)
    is_token = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in lists], device=device)
    return ids, is_token.bool()


def as_lists(ids: Tensor, is_token: Tensor | None, n_prompt: int, stop: int | None) -> list[list[int]]:
    """Rows without the padding in front of the prompt and without what follows the first ``stop`` behind it."""
    rows = []
    for i, row in enumerate(ids.tolist()):
        n_pad = 0 if is_token is None else int((~is_token[i]).sum())
        end = row.index(stop, n_prompt) + 1 if stop in row[n_prompt:] else len(row)
        rows.append(row[n_pad:end])
    return rows
