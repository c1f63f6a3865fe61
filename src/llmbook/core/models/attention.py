"""Attention, its masks and its sense of position.

Scaled dot-product attention is Vaswani et al. 2017, section 3.2 (arXiv:1706.03762). Positions come in four
kinds: sinusoidal (the same paper), rotary (RoPE, Su et al. 2021, arXiv:2104.09864), linear biases (ALiBi,
Press et al. 2021, arXiv:2108.12409) and T5's bucketed relative biases (Raffel et al. 2020, section 2.1,
arXiv:1910.10683). Key/value heads can be shared (MQA, Shazeer 2019, arXiv:1911.02150; GQA, Ainslie et al.
2023, arXiv:2305.13245).

Left out on purpose: dropout, sliding windows, and kernels that never store the T x S matrix
(``F.scaled_dot_product_attention`` does that when nobody asks to see the weights).

Shapes: B batch, T queries, S keys, C channels, H heads, G key/value heads, D head size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core.models.positions import apply_rope

# ---------------------------------------------------------------------------------------------- masks


def causal_mask(n_query: int, n_key: int | None = None) -> Tensor:
    """Who may look at whom when nobody may look ahead: bool (T, S), True where looking is allowed.

    With more keys than queries, the queries are the last ``n_query`` positions (that is what a cache needs).

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    n_key = n_query if n_key is None else n_key
    return torch.ones(n_query, n_key, dtype=torch.bool).tril(n_key - n_query)


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


# ------------------------------------------------------------------------------------------ attention


def attention_weights(
    q: Tensor,
    k: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """How much each query looks at each key: softmax(q k^T / sqrt(D)), (B, H, T, S).

    Rows sum to 1 (to 0 where a query may look nowhere, as on padding). ``mask`` is bool
    (True: may look) or a float bias to add; anything that broadcasts to (B, H, T, S).
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.mT * scale  # (B, H, T, D) @ (B, H, D, S) -> (B, H, T, S)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -math.inf)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(dim=-1)
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

    On a CPU under autocast it gets float32: its backward pass in bfloat16 is several times slower there.
    """
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return fused(q.float(), k.float(), v.float(), mask, causal, scale)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale)


class KVCache:
    """Keys and values of the tokens seen so far, so that each new token is computed once.

    Memory: 2 (keys and values) x n_layer x B x G x S x D x bytes per number. ``G`` is all that MQA and GQA
    change.
    """

    def __init__(self, n_layer: int, max_tokens: int):
        self.max_tokens, self.length = max_tokens, 0
        self.keys: list[Tensor | None] = [None] * n_layer
        self.values: list[Tensor | None] = [None] * n_layer
        self.cross: list[tuple[Tensor, Tensor] | None] = [
            None
        ] * n_layer  # of the encoder's output, made once

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, G, T, D) behind what is there; return everything so far, (B, G, S, D)."""
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
        """Queries from ``x`` (B, T, C); keys and values from ``source`` (B, S, C), perhaps ``x`` too."""
        q = self.heads(self.q(x), self.n_head)  # (B, H, T, D)
        k = self.heads(self.k(source), self.n_kv_head)  # (B, G, S, D)
        v = self.heads(self.v(source), self.n_kv_head)  # (B, G, S, D)
        if self.qk_norm:
            q, k = F.rms_norm(q, (self.head_dim,)), F.rms_norm(k, (self.head_dim,))
        if rope is not None:
            q, k = apply_rope(q, *rope), apply_rope(k, *rope)
        return q, k, v

    def mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """Attend in every head, then concatenate the heads and project: (B, T, C)."""
        group = self.n_head // self.n_kv_head
        if group > 1:  # each key/value head serves `group` query heads
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)  # (B, H, S, D)
        if causal and (self.record or q.shape[2] != k.shape[2]):  # the kernel's own flag is for T = S only
            mask, causal = causal_mask(q.shape[2], k.shape[2]).to(q.device), False
        if self.record:
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
    ) -> Tensor:
        """Self-attention over ``x`` (B, T, C). ``causal`` is the fast way to say ``mask=causal_mask(T)``."""
        q, k, v = self.project(x, x, rope)
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
