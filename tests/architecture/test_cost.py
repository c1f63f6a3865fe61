"""What a Transformer costs: every formula against a count or a measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from llmbook.architecture import cost
from llmbook.core.models.attention import KVCache
from llmbook.core.models.config import Config
from llmbook.core.models.transformer import (
    Transformer,
    recorded_attention,
)

TINY = Config(64, 32, n_layer=2, n_head=4, n_embd=32)
CONFIGS = {
    "GPT-2": TINY,
    "three heads for one key": replace(TINY, n_head=6, n_embd=48, n_kv_head=2, head_dim=0, d_ff=0),
    "one key for all": replace(TINY, n_kv_head=1),
    "wide heads": replace(TINY, n_kv_head=2, head_dim=24),
    "LLaMA": replace(TINY, norm="rms", position="rope", activation="silu", gated=True, bias=False, d_ff=80,
                     tied=False),
    "nanoGPT without biases": replace(TINY, bias=False),
    "keys and values biased": replace(TINY, qkv_bias=True, qk_norm=True),
    "gated with bias": replace(TINY, gated=True, position="alibi", d_ff=56),
    "T5's decoder": replace(TINY, norm="rms", position="relative", activation="relu", bias=False),
    "post-norm, untied": replace(TINY, norm_first=False, position="sinusoidal", tied=False),
    "no positions": replace(TINY, position="none", n_layer=3, vocab_size=100, block_size=20),
}  # fmt: skip


def fresh(config: Config, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(config).eval()


@pytest.fixture(scope="module")
def smollm2():
    from llmbook.architecture import real_pair

    return real_pair("smollm2")


@pytest.mark.parametrize("n_token", [4, 20])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_flop_formula_is_within_one_percent_of_pytorchs_counter(config, n_token):
    counted = cost.measured_flops(fresh(config), torch.zeros(1, n_token, dtype=torch.long))
    assert sum(cost.flop_formula(config, n_token).values()) == pytest.approx(counted, rel=0.01)


def test_the_flop_formula_holds_for_smollm2(smollm2):
    ours, _ = smollm2
    counted = cost.measured_flops(ours, torch.zeros(1, 128, dtype=torch.long))
    formula = cost.flop_formula(ours.config, 128)
    assert sum(formula.values()) == pytest.approx(counted, rel=0.01)
    twice = cost.flop_formula(ours.config, 256)
    assert twice["weights"] == 2 * formula["weights"]
    assert twice["attention scores"] == 4 * formula["attention scores"]


def test_biases_cost_no_operations_in_the_formula():
    plain = cost.flop_formula(replace(TINY, bias=False), 8)
    assert plain == cost.flop_formula(TINY, 8) == cost.flop_formula(replace(TINY, qkv_bias=True), 8)


def test_the_flop_formula_refuses_what_is_no_transformer():
    with pytest.raises(ValueError, match="n_encoder_layer is 2; a Transformer is built with"):
        cost.flop_formula(replace(TINY, n_encoder_layer=2), 8)
    with pytest.raises(ValueError, match="sinks is True"):
        cost.flop_formula(replace(TINY, sinks=True), 8)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_cache_formula_is_what_the_cache_takes(config):
    cache = KVCache(config.n_layer, max_tokens=15)
    with torch.no_grad():
        fresh(config)(torch.zeros(1, 9, dtype=torch.long), cache=cache)
    assert cache.nbytes() == cost.cache_bytes(config, 15)
    assert cost.cache_bytes(config, 15, bytes_per_number=2) * 2 == cache.nbytes()


def test_sharing_keys_and_values_shrinks_the_cache_by_the_size_of_the_group():
    whole = cost.cache_bytes(replace(TINY, n_kv_head=4), 100)
    assert [whole // cost.cache_bytes(replace(TINY, n_kv_head=g), 100) for g in (4, 2, 1)] == [1, 2, 4]


def test_stored_attention_weights_grow_with_the_square_of_the_length_and_the_fused_kernel_does_not():
    model, lengths = (
        fresh(Config(256, 1024, n_layer=2, n_head=8, n_embd=64, position="rope")),
        (128, 256, 512),
    )
    fused = [cost.saved_bytes(model, torch.zeros(1, n, dtype=torch.long)) for n in lengths]
    with recorded_attention(model):
        stored = [cost.saved_bytes(model, torch.zeros(1, n, dtype=torch.long)) for n in lengths]
    assert fused[0] < fused[1] < fused[2] < 2.1 * fused[1]
    assert stored[2] > 3 * stored[1] > 3 * stored[0]
    assert stored[2] - fused[2] > 0.9 * cost.stored_score_bytes(8, 512, n_layer=2)


def test_saved_bytes_counts_activations_and_not_weights():
    """x -> x * w needs x and w for the backward pass; only x is an activation."""

    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1000))

        def forward(self, x):
            return x.exp() * self.w  # exp keeps its result, the product the same result and w

    assert cost.saved_bytes(Scale(), torch.zeros(1000, requires_grad=True)) == 4000


def test_the_fastest_call_is_the_one_that_counts(stop_clock):
    with stop_clock() as clock:
        takes = iter([5.0, 2.0, 3.0])

        def work():
            clock.now += next(takes)

        assert cost.seconds_per_call(work) == 2.0
    with pytest.raises(ValueError, match="repeat is 0"):
        cost.seconds_per_call(work, repeat=0)
