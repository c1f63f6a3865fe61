"""Attention: queries look at keys and take what the values hold.

Scaled dot-product attention is Vaswani et al. 2017, section 3.2 (arXiv:1706.03762). Key/value heads can
be shared (MQA, Shazeer 2019, arXiv:1911.02150; GQA, Ainslie et al. 2023, arXiv:2305.13245). Who may look at whom is
in ``masks``, the sense of position in ``positions``.

Left out on purpose: dropout, sliding windows, and kernels that never store the T x S matrix
(``F.scaled_dot_product_attention`` does that when nobody asks to see the weights).

Shapes: B batch, T queries, S keys, C channels, H heads, G key/value heads, D head size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core.models.masks import causal_mask, check_mask, restrict_to_past
from llmbook.core.models.positions import apply_rope


def attention_weights(
    q: Tensor,
    k: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """How much each query looks at each key: softmax(q k^T / sqrt(D)), (B, H, T, S).

    Rows sum to 1 (to 0 where a query may look nowhere, as on padding). ``mask`` is bool
    (True: may look) or a float bias to add; anything that broadcasts to (B, H, T, S). The weights have the type of
    ``q``. Raises ``ValueError`` for a mask of whole numbers.
    """
    check_mask(mask)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.mT * scale  # (B, H, T, D) @ (B, H, D, S) -> (B, H, T, S)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -math.inf)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(dim=-1).to(q.dtype)
    return weights.masked_fill(scores == -math.inf, 0.0)  # where all is forbidden: not NaN


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Scaled dot-product attention: the weighted mean of the values, (B, H, T, D).

    >>> q, k = torch.zeros(1, 1, 1, 2), torch.randn(1, 1, 3, 2)
    >>> v = torch.tensor([[[[0.0], [3.0], [6.0]]]])
    >>> attend(q, k, v).item()  # a query of zeros likes all keys the same: the mean
    3.0
    """
    return attention_weights(q, k, mask, scale) @ v  # (B, H, T, S) @ (B, H, S, D)


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """PyTorch's kernel: the numbers of ``attend``, without ever storing the (T, S) weights.

    Keys and values may have fewer heads, (B, G, S, D): the kernel shares them among queries without copying.
    On a CPU under autocast it gets float32: its backward pass in bfloat16 is several times slower there.
    """
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return fused(q.float(), k.float(), v.float(), mask, causal, scale)
    check_mask(mask)
    if mask is not None and mask.is_floating_point():
        mask = mask.to(q.dtype)  # the kernels for GPUs accept no other
    shared = k.shape[1] != q.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=shared
    )


class KVCache:
    """Keys and values of the tokens seen so far, so that each new token is computed once.

    Memory: 2 (keys and values) x n_layer x B x G x S x D x bytes per number. ``G`` is all that MQA and GQA
    change. Which of the tokens are padding is kept as well, so that a prompt's padding is said only once.
    """

    def __init__(self, n_layer: int, max_tokens: int):
        self.max_tokens, self.length = max_tokens, 0
        self.keys: list[Tensor | None] = [None] * n_layer
        self.values: list[Tensor | None] = [None] * n_layer
        self.cross: list[tuple[Tensor, Tensor] | None] = [
            None
        ] * n_layer  # of the encoder's output, made once
        self.is_token: Tensor | None = None  # (B, S), None while there is no padding

    def check_rows(self, n_row: int) -> None:
        """Raise ``ValueError`` for another number of rows than the cache was filled with."""
        if self.keys[0] is not None and len(self.keys[0]) != n_row:
            raise ValueError(
                f"the cache was filled with a batch of {len(self.keys[0])} rows and now gets {n_row}: "
                "give the same rows, or a new cache"
            )

    def with_new(self, is_token: Tensor | None, n_row: int, n_new: int) -> Tensor | None:
        """Real tokens among those kept and the (B, T) new ones: (B, S); None on either side means all."""
        self.check_rows(n_row)
        if is_token is None and self.is_token is None:
            return None
        device = (is_token if is_token is not None else self.is_token).device  # type: ignore[union-attr]
        kept, new = (
            torch.ones(n_row, n, dtype=torch.bool, device=device) if part is None else part
            for part, n in ((self.is_token, self.length), (is_token, n_new))
        )
        return torch.cat((kept, new), dim=1)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, G, T, D) behind what is there; return everything so far, (B, G, S, D).

        Raises ``ValueError`` when there is no room, or for another number of rows.
        """
        self.check_rows(len(k))
        end = self.length + k.shape[2]
        if end > self.max_tokens:
            raise ValueError(f"the cache holds {self.max_tokens} tokens and {end} are needed; make it larger")
        if self.keys[layer] is None:
            room = (k.shape[0], k.shape[1], self.max_tokens, k.shape[3])
            self.keys[layer], self.values[layer] = k.new_empty(room), v.new_empty(room)
        keys, values = self.keys[layer], self.values[layer]
        assert keys is not None and values is not None
        keys[:, :, self.length : end], values[:, :, self.length : end] = k, v
        return keys[:, :, :end], values[:, :, :end]

    def nbytes(self) -> int:
        """Bytes reserved for keys and values."""
        return sum(t.numel() * t.element_size() for t in [*self.keys, *self.values] if t is not None)


class Attention(nn.Module):
    """Multi-head attention; with ``n_kv_head < n_head`` grouped-query, with ``n_kv_head = 1`` multi-query.

    Args:
        n_embd: channels C in and out. n_head: heads H. n_kv_head: key/value heads G (default H); G divides H.
        head_dim: head size D (default C / H). bias: whether the four projections add one.
        qk_norm: RMS-normalise queries and keys per head (Henry et al. 2020, arXiv:2010.04245).
        scaled: divide the scores by sqrt(D); T5 does not and makes up for it in its initialisation.

    ``weights`` holds the last (B, H, T, S) attention when ``record`` is True; then the readable ``attend``
    runs instead of PyTorch's fused kernel. Both give the same numbers (tests/core/models/test_attention.py).
    """

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        n_kv_head: int | None = None,
        head_dim: int | None = None,
        *,
        bias: bool = True,
        qk_norm: bool = False,
        scaled: bool = True,
    ):
        super().__init__()
        self.n_head, self.n_kv_head = n_head, n_kv_head or n_head
        if self.n_head % self.n_kv_head:
            raise ValueError(f"n_head = {n_head} is not a multiple of n_kv_head = {n_kv_head}")
        if head_dim is None and n_embd % n_head:
            raise ValueError(
                f"n_embd = {n_embd} is not a multiple of n_head = {n_head}; give head_dim yourself"
            )
        self.head_dim = head_dim or n_embd // n_head
        self.scale = self.head_dim**-0.5 if scaled else 1.0
        self.q = nn.Linear(n_embd, self.n_head * self.head_dim, bias=bias)
        self.k = nn.Linear(n_embd, self.n_kv_head * self.head_dim, bias=bias)
        self.v = nn.Linear(n_embd, self.n_kv_head * self.head_dim, bias=bias)
        self.out = nn.Linear(self.n_head * self.head_dim, n_embd, bias=bias)
        self.qk_norm, self.record = qk_norm, False
        self.weights: Tensor | None = None

    def heads(self, x: Tensor, n: int) -> Tensor:
        """(B, T, n*D) -> (B, n, T, D)."""
        return x.view(x.shape[0], x.shape[1], n, self.head_dim).transpose(1, 2)

    def project(
        self, x: Tensor, source: Tensor, rope: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries from ``x`` (B, T, C); keys and values from ``source`` (B, S, C), of which ``x`` is the end."""
        q = self.heads(self.q(x), self.n_head)  # (B, H, T, D)
        k = self.heads(self.k(source), self.n_kv_head)  # (B, G, S, D)
        v = self.heads(self.v(source), self.n_kv_head)  # (B, G, S, D)
        if self.qk_norm:
            q, k = F.rms_norm(q, (self.head_dim,)), F.rms_norm(k, (self.head_dim,))
        if rope is not None:
            q = apply_rope(q, *(turn[..., -q.shape[2] :, :] for turn in rope))
            k = apply_rope(k, *rope)
        return q, k, v

    def mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """Attend in every head, then concatenate the heads and project: (B, T, C)."""
        if causal:
            mask, causal = restrict_to_past(mask, q.shape[2], k.shape[2], q.device)
        if self.record:
            group = self.n_head // self.n_kv_head  # each key/value head serves `group` query heads
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)  # (B, H, S, D)
            if causal:
                mask = causal_mask(q.shape[2], device=q.device)
            self.weights = attention_weights(q, k, mask, self.scale)
            y = self.weights @ v  # (B, H, T, D)
        else:
            y = fused(q, k, v, mask, causal, self.scale)
        return self.out(y.transpose(1, 2).flatten(2))  # heads side by side: (B, T, H*D) -> (B, T, C)

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        rope: tuple[Tensor, Tensor] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
        last_only: bool = False,
    ) -> Tensor:
        """Self-attention over ``x`` (B, T, C). ``causal`` forbids the future, besides what ``mask`` forbids.

        ``last_only``: only the last token looks, (B, 1, C); keys and values are still everybody's.
        """
        if last_only and mask is not None:
            mask = mask[..., -1:, :]
        q, k, v = self.project(x[:, -1:] if last_only else x, x, rope)
        if cache is not None:
            k, v = cache.append(layer, k, v)
        return self.mix(q, k, v, mask, causal)

    def cross(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Queries from the decoder ``x`` (B, T, C), keys and values from the encoded ``memory`` (B, S, C)."""
        if cache is not None and cache.cross[layer] is not None:
            q, (k, v) = self.heads(self.q(x), self.n_head), cache.cross[layer]  # type: ignore[misc]
        else:
            q, k, v = self.project(x, memory, None)
        if cache is not None:
            cache.cross[layer] = (k, v)
        return self.mix(q, k, v, mask, causal=False)
