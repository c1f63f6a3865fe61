"""Who may look at whom: causal, prefix and padding masks, and how they come together.

A mask is bool, True where looking is allowed, or a float bias that is added to the scores. Masks only ever take away:
what one of them forbids, no other gives back.

Left out on purpose: sliding windows.

Shapes: B batch, T queries, S keys, H heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def causal_mask(n_query: int, n_key: int | None = None, device: torch.device | str | None = None) -> Tensor:
    """Who may look at whom when nobody may look ahead: bool (T, S), True where looking is allowed.

    With more keys than queries, the queries are the last ``n_query`` positions (that is what a cache needs).

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    n_key = n_query if n_key is None else n_key
    return torch.ones(n_query, n_key, dtype=torch.bool, device=device).tril(n_key - n_query)


def prefix_mask(n_token: int, n_prefix: int) -> Tensor:
    """Everybody sees the prefix; after it, only the past: bool (T, T).

    Raises ``ValueError`` when the prefix is negative or longer than the sequence.

    >>> prefix_mask(4, 2).int().tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    """
    if not 0 <= n_prefix <= n_token:
        raise ValueError(f"n_prefix is {n_prefix}; it has to lie between 0 and n_token = {n_token}")
    mask = causal_mask(n_token)
    mask[:, :n_prefix] = True
    return mask


def padding_mask(is_token: Tensor) -> Tensor:
    """(B, S) True at real tokens -> (B, 1, 1, S), so that no query looks at padding."""
    return is_token[:, None, None, :].bool()


def restrict(mask: Tensor | None, allowed: Tensor) -> Tensor:
    """What of ``mask`` (bool, or a float bias) is left when queries may only look where ``allowed`` (bool) says.

    >>> restrict(torch.tensor([0.5, -1.0]), torch.tensor([True, False])).tolist()
    [0.5, -inf]
    """
    if mask is None:
        return allowed
    return mask & allowed if mask.dtype == torch.bool else mask.masked_fill(~allowed, -math.inf)


def restrict_to_past(
    mask: Tensor | None, n_query: int, n_key: int, device: torch.device
) -> tuple[Tensor | None, bool]:
    """Causality for the kernel: a mask that includes it, or None and the kernel's own flag where that is enough."""
    if n_query == 1:  # the last token may see everything before it
        return mask, False
    if mask is None and n_query == n_key:
        return None, True
    return restrict(mask, causal_mask(n_query, n_key, device)), False


def check_mask(mask: Tensor | None) -> None:
    """Raise ``ValueError`` for a mask that is neither bool nor floating: whole numbers would be added to the scores."""
    if mask is not None and mask.dtype != torch.bool and not mask.is_floating_point():
        raise ValueError(
            f"mask is of type {mask.dtype}; give bool (True: may look) or a floating-point bias to add. "
            "Zeros and ones become a mask with mask.bool()"
        )


def check_is_token(is_token: Tensor | None, x: Tensor) -> Tensor | None:
    """``is_token`` as bool (B, T); zeros and ones are welcome, as tokenizers give them. Raises ``ValueError``."""
    if is_token is not None and is_token.shape != x.shape[:2]:
        raise ValueError(
            f"is_token is {tuple(is_token.shape)}; it must be {tuple(x.shape[:2])}, True at each real token"
        )
    return None if is_token is None else is_token.bool()


def check_visible(mask: Tensor, n_query: int, n_key: int) -> Tensor:
    """``mask`` if it says who may look at whom; otherwise ``ValueError``."""
    shape = tuple(mask.shape)
    if (
        mask.dtype != torch.bool
        or mask.ndim not in (2, 4)
        or shape[-2] not in (1, n_query)
        or shape[-1] != n_key
    ):
        raise ValueError(
            f"mask is {mask.dtype} {shape}; it must be bool, True where looking is allowed, of shape "
            f"({n_query}, {n_key}) or (B, 1, {n_query}, {n_key}); what is padding is said by is_token"
        )
    return mask
