"""Where a token stands: four ways to tell a Transformer the order of its input.

Sinusoidal (Vaswani et al. 2017, section 3.5, arXiv:1706.03762), rotary (RoPE, Su et al. 2021, arXiv:2104.09864),
linear biases (ALiBi, Press et al. 2021, arXiv:2108.12409) and T5's bucketed relative biases (Raffel et al. 2020,
section 2.1, arXiv:1910.10683). Learned positions are an embedding in ``transformer``.

Left out on purpose: what stretches positions beyond their training (position interpolation, YaRN).

Positions are counted per row where rows are padded: (B, T) instead of (T,), and what follows from them gains the
same B in front.

Shapes: B batch, T queries, S keys, C channels, H heads, D head size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def count_tokens(is_token: Tensor) -> Tensor:
    """Positions (B, S) that count real tokens only, from 0; padding in front stands at 0 too.

    >>> count_tokens(torch.tensor([[False, False, True, True]])).tolist()
    [[0, 0, 0, 1]]
    """
    return (is_token.long().cumsum(-1) - 1).clamp(min=0)


def sinusoidal(n_token: int, n_embd: int, base: float = 10_000.0) -> Tensor:
    """Sines on the even channels, cosines on the odd ones (Vaswani et al. 2017, section 3.5): (T, C).

    >>> sinusoidal(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    return sinusoids(torch.arange(n_token), n_embd, base)


def sinusoids(positions: Tensor, n_embd: int, base: float = 10_000.0) -> Tensor:
    """The rows of ``sinusoidal`` at any ``positions``: (..., T) -> (..., T, C), in float32.

    Raises ``ValueError`` for an odd number of channels.
    """
    if n_embd % 2:
        raise ValueError(f"n_embd is {n_embd}; sinusoidal positions need an even number of channels")
    frequencies = rope_frequencies(n_embd, base).to(positions.device)  # (C/2,)
    angle = positions[..., None].float() * frequencies  # (..., T, C/2)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)  # (..., T, C)


def rope_frequencies(head_dim: int, base: float = 10_000.0) -> Tensor:
    """How fast each pair of channels turns, in radians per token: (D/2,), from 1 down to about 1/base."""
    return 1.0 / base ** (torch.arange(0, head_dim, 2).float() / head_dim)


def rope_angles(positions: Tensor, head_dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position's turn: (..., T) -> two tensors (..., T, D), always in float32."""
    frequencies = rope_frequencies(head_dim, base).to(positions.device)  # (D/2,)
    angle = positions[..., None].float() * frequencies  # (..., T, D/2)
    angle = torch.cat((angle, angle), dim=-1)  # (..., T, D): channel i is paired with channel i + D/2
    return angle.cos(), angle.sin()


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys (B, H, T, D) by an angle that grows with position; lengths stay what they were.

    Channel i turns together with channel i + D/2, as LLaMA's weights expect. ``cos`` and ``sin`` broadcast to
    (B, H, T, D). The turn is computed in their float32 and rounded once, to the type of ``x``.

    >>> x = torch.randn(1, 1, 5, 8)
    >>> turned = apply_rope(x, *rope_angles(torch.arange(5), 8))
    >>> torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)
    True
    """
    left, right = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-right, left), dim=-1) * sin).to(x.dtype)


def alibi_slopes(n_head: int) -> Tensor:
    """The penalty per token of distance, one per head (Press et al. 2021, section 3): (H,).

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    closest = 2 ** math.floor(math.log2(n_head))
    slopes = [2 ** (-8 * (i + 1) / closest) for i in range(closest)]
    extra = [2 ** (-4 * (i + 1) / closest) for i in range(0, 2 * (n_head - closest), 2)]
    return torch.tensor(slopes + extra)


def alibi_bias(n_head: int, query: Tensor, key: Tensor) -> Tensor:
    """Minus slope times distance, added to scores: (1, H, T, S); positions ``query`` (T,), ``key`` (S,).

    Positions per row, (B, T) and (B, S), give (B, H, T, S).
    """
    distance = (query[..., :, None] - key[..., None, :]).abs().unsqueeze(-3)  # (1, T, S) or (B, 1, T, S)
    return -alibi_slopes(n_head).to(query.device)[None, :, None, None] * distance


def relative_bucket(
    relative: Tensor, bidirectional: bool, n_bucket: int = 32, max_distance: int = 128
) -> Tensor:
    """T5's coarse distances: exact for near tokens, logarithmic for far; ``relative`` is key minus query.

    >>> relative_bucket(torch.tensor([0, -1, -7, -20, -500]), bidirectional=False).tolist()
    [0, 1, 7, 17, 31]
    """
    offset = torch.zeros_like(relative)
    if bidirectional:  # half of the buckets for each direction
        n_bucket //= 2
        offset = (relative > 0).long() * n_bucket
        distance = relative.abs()
    else:
        distance = (-relative).clamp(min=0)
    exact = n_bucket // 2
    far = (
        exact
        + (
            torch.log(distance.float().clamp(min=1) / exact)
            / math.log(max_distance / exact)
            * (n_bucket - exact)
        ).long()
    )
    return offset + torch.where(distance < exact, distance, far.clamp(max=n_bucket - 1))
