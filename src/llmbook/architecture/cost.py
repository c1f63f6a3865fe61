"""What a Transformer costs: operations and memory, by formula and by measurement.

Operations: two per weight and token, the output layer's too, plus both products of attention over the whole T x T.
(Kaplan et al. 2020, arXiv:2001.08361, table 1, count half of the latter, as a causal kernel may, and leave the output
layer out of N.) Left out: optimizer state, and what communication between several devices costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from llmbook.core.models.config import Config
from llmbook.core.models.parameters import parameters_by_part
from llmbook.core.models.transformer import check_buildable, recorded_attention


def flop_formula(c: Config, n_token: int) -> dict[str, int]:
    """Floating-point operations of one forward pass over ``n_token`` tokens; a multiply-add counts as two.

    Two per weight and token in every matrix (the embedding is a look-up), plus the T x T part of attention.
    Raises ``ValueError`` for what is no ``Transformer``: an encoder-decoder reads two texts of two lengths.
    """
    check_buildable(c, "a Transformer", n_encoder_layer=0)
    matrices = parameters_by_part(replace(c, bias=False, qkv_bias=False, tied=False))
    weights = matrices["attention"] + matrices["feed-forward"] + matrices["output"]
    return {
        "weights": 2 * n_token * weights,
        "attention scores": 4 * c.n_layer * n_token**2 * c.n_head * c.head_dim,
    }


def measured_flops(model: nn.Module, ids: Tensor) -> int:
    """What PyTorch counts while ``model`` reads ids (B, T).

    With attention written out: the counter does not know the fused kernel for CPUs and would count it as
    nothing.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), recorded_attention(model), counter:
        model(ids)
    return counter.get_total_flops()


def cache_bytes(c: Config, n_token: int, bytes_per_number: int = 4) -> int:
    """Keys and values of one sequence: 2 x layers x key/value heads x head size x tokens x bytes."""
    return 2 * c.n_layer * c.n_kv_head * c.head_dim * n_token * bytes_per_number


def stored_score_bytes(n_head: int, n_token: int, n_layer: int, bytes_per_number: int = 4) -> int:
    """What the T x T weights of all heads and layers take when they are kept for the backward pass."""
    return n_layer * n_head * n_token**2 * bytes_per_number


def saved_bytes(model: nn.Module, ids: Tensor) -> int:
    """Bytes that autograd really keeps for the backward pass, weights not counted: the activations."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    seen: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(ids).sum()
    return sum(seen.values())


def seconds_per_call(function: Callable[[], object], repeat: int = 3) -> float:
    """The fastest of ``repeat`` calls: the one least disturbed by whatever else the machine does.

    Raises ``ValueError`` when ``repeat`` is below 1.
    """
    if repeat < 1:
        raise ValueError(f"repeat is {repeat}; there is no fastest of fewer than one call")
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best
