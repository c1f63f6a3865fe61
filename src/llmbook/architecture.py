"""The Transformer, measured: what the page ``architecture`` computes.

The models themselves are in ``core.attention`` and ``core.transformer``, the formulas of cost in ``core.cost``, the
three decoder families in ``core.families``, reading beyond the trained length in ``core.extrapolation``; here are the
other experiments. Source: Vaswani et al. 2017 (arXiv:1706.03762).

Left out on purpose: training at scale (see ``pretraining``) and the many variants of each part
(``popular_models``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core import convert, diagrams, evaluation, pretrained
from llmbook.core.attention import KVCache, attention_weights, causal_mask, padding_mask, rope_angles
from llmbook.core.attention import apply_rope as turn
from llmbook.core.cost import (
    cache_bytes,
    flop_formula,
    measured_flops,
    parameter_formula,
    saved_bytes,
    seconds_per_call,
    stored_score_bytes,
)
from llmbook.core.extrapolation import WindowScore, by_length, draw_by_length, extrapolation, grouped
from llmbook.core.families import (
    FamilyRun,
    Translator,
    exact_by_family,
    exact_match,
    family_run,
)
from llmbook.core.transformer import Block, EncoderDecoder, Transformer

__all__ = [
    "FAMILIES",
    "POSITIONS",
    "FamilyRun",
    "Translator",
    "WindowScore",
    "by_length",
    "cache_bytes",
    "diagrams",
    "draw_by_length",
    "exact_by_family",
    "exact_match",
    "extrapolation",
    "family_run",
    "five_steps",
    "flop_formula",
    "grouped",
    "influence",
    "logit_agreement",
    "measured_flops",
    "our_embeddings",
    "parameter_formula",
    "real_pair",
    "rope_score",
    "saved_bytes",
    "seconds_per_call",
    "softmax_health",
    "stored_score_bytes",
    "summary",
    "tiny_parity",
]

DATA = Path(__file__).parent / "data"
FAMILIES = DATA / "families.json"  # rows of FamilyRun, written by benchmarks/families.py
POSITIONS = DATA / "positions.json"  # rows of WindowScore, written by benchmarks/positions.py

# ----------------------------------------------------------------------- real weights in our own code


def real_pair(name: str = "smollm2", attn: str = "sdpa") -> tuple[Transformer, pretrained.Pretrained]:
    """Our model and transformers', sharing one copy of the published weights."""
    reference = pretrained.load(name, attn=attn)
    ours = convert.build(reference.config.to_dict(), reference.model.state_dict())
    assert isinstance(ours, Transformer)
    return ours, reference


@torch.no_grad()
def logit_agreement(ours: Transformer, reference: nn.Module, ids: Tensor) -> dict[str, float]:
    """Both models on ids (T,): the largest difference of logits, and the share of equal top tokens.

    Once whole and once through the cache, in two pieces, so that the cache is compared as well.
    """
    theirs = cast(Any, reference).base_model(ids[None]).last_hidden_state[0]  # (T, C)
    their_head = cast(nn.Module, cast(Any, reference).get_output_embeddings())
    cache, half = KVCache(ours.config.n_layer, len(ids)), len(ids) // 2
    whole = ours.hidden(ids[None])[0]
    pieces = torch.cat([ours.hidden(part[None], cache=cache)[0] for part in (ids[:half], ids[half:])])
    parts: dict[str, Tensor] = {"": whole, ", cache on": pieces}
    worst, same = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0)
    for rows in torch.arange(len(ids)).split(100):  # all logits at once would be 200 MB
        expected = their_head(theirs[rows])  # (100, V)
        for name, mine in parts.items():
            logits = ours.head(mine[rows])
            worst[name] = max(worst[name], float((logits - expected).abs().max()))
            same[name] += int((logits.argmax(-1) == expected.argmax(-1)).sum())
    result = {f"largest difference{name}": difference for name, difference in worst.items()}
    return result | {f"same top token{name}": n / len(ids) for name, n in same.items()}


@torch.no_grad()
def tiny_parity(seed: int = 0) -> dict[str, float]:
    """Largest difference of outputs between a tiny random transformers model and ours with its weights."""
    result = {}
    for family in ("gpt2", "bert", "t5", "t5-gated", "llama"):
        reference = pretrained.tiny_reference(family, seed)
        ours = convert.build(reference.config.to_dict(), reference.state_dict())
        ids, target = torch.randint(2, 99, (2, 3, 17), generator=torch.Generator().manual_seed(seed))
        if isinstance(ours, EncoderDecoder):
            difference = ours(ids, target) - reference(input_ids=ids, decoder_input_ids=target).logits
        elif family == "bert":
            difference = ours.hidden(ids) - reference(ids).last_hidden_state
        else:
            difference = ours(ids) - reference(ids).logits
        result[family] = float(difference.abs().max())
    return result


@torch.no_grad()
def our_embeddings(ours: Transformer, tokenizer: Any, sentences: Sequence[str]) -> Tensor:
    """Unit-length sentence vectors (N, C) by our own encoder: the mean over real tokens of its last layer."""
    batch = tokenizer(list(sentences), padding=True, truncation=True, max_length=256, return_tensors="pt")
    is_token = batch["attention_mask"].bool()  # (N, T)
    hidden = ours.hidden(batch["input_ids"], mask=padding_mask(is_token), token_types=batch["token_type_ids"])
    kept = is_token[..., None]  # (N, T, 1)
    return F.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)


# ------------------------------------------------------------------------------ attention, step by step


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
    rope = rope_angles(torch.arange(len(ids)), c.head_dim, c.rope_theta) if c.position == "rope" else None
    q, k, v = attn.project(x, x, rope)  # 1. project
    group = attn.n_head // attn.n_kv_head
    keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)  # (1, H, T, D)
    scores = q @ keys.mT  # 2. compare
    weights = attention_weights(q, keys, causal_mask(len(ids)), attn.scale)  # 3. scale, softmax
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
    """
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


# ------------------------------------------------------------------------------------------- positions


def rope_score(distance: Tensor, head_dim: int = 64) -> Tensor:
    """The score of a query and a key that point the same way, at each distance: (len,), 1 at zero."""
    one = torch.ones(1, 1, 1, head_dim)
    key = turn(one, *rope_angles(torch.zeros(1), head_dim))
    query = turn(one.expand(1, 1, len(distance), head_dim), *rope_angles(distance, head_dim))
    return (query @ key.mT).flatten() / head_dim


def influence(model: Transformer, mask: Tensor, seed: int = 0) -> Tensor:
    """Whose embedding can change whose output, measured by gradients: bool (T, T), rows are outputs."""
    ids = torch.randint(model.vocab_size, (1, len(mask)), generator=torch.Generator().manual_seed(seed))
    x = model.embed(ids).detach().requires_grad_()  # (1, T, C)
    out = model.stack(x, mask=mask)  # (1, T, C)
    probe = torch.randn(out.shape[-1], generator=torch.Generator().manual_seed(seed))
    rows = [
        torch.autograd.grad(out[0, i] @ probe, x, retain_graph=True)[0][0].abs().sum(-1) > 0
        for i in range(len(mask))
    ]
    return torch.stack(rows)


def summary(values: Mapping[str, Sequence[float]], seed: int = 0) -> dict[str, evaluation.Interval]:
    """A 95 % bootstrap interval per name."""
    return {name: evaluation.bootstrap_interval(list(v), seed=seed) for name, v in values.items()}
