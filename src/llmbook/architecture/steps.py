"""Self-attention taken apart: every intermediate result of one layer, and what the division by √D is for.

Vaswani et al. 2017, section 3.2 (arXiv:1706.03762).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from llmbook.core.models.attention import attention_weights
from llmbook.core.models.masks import causal_mask
from llmbook.core.models.positions import rope_angles
from llmbook.core.models.transformer import Block, Transformer


@torch.no_grad()
def five_steps(model: Transformer, ids: Tensor, layer: int) -> dict[str, Tensor]:
    """Self-attention of one layer on ids (T,), every intermediate result by name.

    input (T, C); queries (H, T, D), keys and values (G, T, D); scores, weights (H, T, T); mixed (H, T, D);
    output (T, C), which is what the model's own attention returns.
    Raises ``ValueError`` unless the model is causal and adds no bias to its scores (ALiBi and T5 do).
    """
    if model.config.position in ("alibi", "relative") or model.config.mask != "causal":
        raise ValueError("the five steps need a causal model without biases on its scores; this one has "
                         f"position={model.config.position!r}, mask={model.config.mask!r}")  # fmt: skip
    inputs: list[Tensor] = []
    block = model.stack.blocks[layer]
    assert isinstance(block, Block)
    attn = block.attn
    hook = attn.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    model(ids[None])
    hook.remove()
    x = inputs[0]  # (1, T, C)
    c = model.config
    places, past = torch.arange(len(ids), device=x.device), causal_mask(len(ids), device=x.device)
    rope = rope_angles(places, c.head_dim, c.rope_theta) if c.position == "rope" else None
    q, k, v = attn.project(x, x, rope)  # 1. project
    group = attn.n_head // attn.n_kv_head
    keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)  # (1, H, T, D)
    scores = q @ keys.mT  # 2. compare
    weights = attention_weights(q, keys, past, attn.scale)  # 3. scale, softmax
    mixed = weights @ values  # 4. mix
    output = attn.out(mixed.transpose(1, 2).flatten(2))  # 5. concatenate the heads, project
    named = dict(
        input=x, queries=q, keys=k, values=v, scores=scores, weights=weights, mixed=mixed, output=output
    )
    return {name: t[0] for name, t in named.items()}


def softmax_health(
    head_dims: Sequence[int], scaled: bool, n_token: int = 64, seed: int = 0
) -> dict[str, list[float]]:
    """Random queries and keys of variance 1: how spread out the weights are, how much gradient gets through.

    entropy: mean over queries, as a share of ln T (1: all keys alike, 0: one key takes all).
    gradient: mean size of d(weights)/d(scores), as a share of what it is when all keys are alike.
    Raises ``ValueError`` for a head without a dimension, or fewer than two tokens to choose between.
    """
    if n_token < 2 or any(d < 1 for d in head_dims):
        raise ValueError(
            f"head_dims {list(head_dims)}, n_token {n_token}; heads are at least 1 wide, tokens 2"
        )
    generator = torch.Generator().manual_seed(seed)
    result: dict[str, list[float]] = {"entropy": [], "gradient": []}
    for d in head_dims:
        q, k = (torch.randn(256, n_token, d, generator=generator) for _ in range(2))
        p = attention_weights(q, k, scale=d**-0.5 if scaled else 1.0)  # (N, T, T)
        entropy = -(p * p.clamp(min=1e-30).log()).sum(-1).mean()
        slope = (p * (1 - p)).sum(-1).mean()  # the diagonal of the softmax's Jacobian, summed
        result["entropy"].append(float(entropy / torch.tensor(n_token).log()))
        result["gradient"].append(float(slope / (1 - 1 / n_token)))
    return result
