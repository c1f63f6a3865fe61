"""Parameters by formula equal those of the models that are built: `llmbook.core.models.parameters`."""

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from llmbook.core.models.config import Config, Experts, Latent
from llmbook.core.models.parameters import (
    active_parameter_count,
    parameter_count,
    parameters_by_part,
    training_flops,
)
from llmbook.core.models.transformer import EncoderDecoder, Transformer, n_parameters

GPT2 = Config(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
TINY = Config(64, 32, n_layer=2, n_head=4, n_embd=32)
CONFIGS = {
    "GPT-2": TINY,
    "three heads for one key": replace(TINY, n_head=6, n_embd=48, n_kv_head=2, head_dim=0, d_ff=0),
    "one key for all": replace(TINY, n_kv_head=1),
    "wide heads": replace(TINY, n_kv_head=2, head_dim=24),
    "LLaMA": replace(TINY, norm="rms", position="rope", activation="silu", gated=True, bias=False, d_ff=80,
                     tied=False),
    "gated with bias": replace(TINY, gated=True, position="alibi", d_ff=56),
    "nanoGPT without biases": replace(TINY, bias=False),
    "BERT": replace(TINY, mask="full", norm_first=False, embed_norm=True, token_types=2),
    "T5's decoder": replace(TINY, norm="rms", position="relative", activation="relu", bias=False),
    "T5": replace(TINY, norm="rms", position="relative", activation="relu", bias=False, n_encoder_layer=3),
    "2017": replace(TINY, norm_first=False, position="sinusoidal", n_encoder_layer=2),
    "BART": replace(TINY, norm_first=False, embed_norm=True, n_encoder_layer=1),
    "post-norm, untied": replace(TINY, norm_first=False, position="sinusoidal", tied=False),
    "no positions": replace(TINY, position="none", n_layer=3, vocab_size=100, block_size=20),
}  # fmt: skip


def drawn(seed: int) -> Config:
    """Any configuration that one of the two models builds."""
    r = random.Random(seed)

    def flag() -> bool:
        return r.random() < 0.5

    n_kv_head = r.choice((1, 2, 3))
    n_encoder_layer = r.choice((0, 0, 1, 2, 3))
    return Config(
        vocab_size=r.randint(1, 60), block_size=r.randint(1, 40), n_layer=r.randint(1, 4),
        n_head=n_kv_head * r.choice((1, 2, 3)), n_kv_head=n_kv_head, n_embd=2 * r.randint(1, 20),
        head_dim=2 * r.randint(1, 6), d_ff=r.randint(1, 50), norm=r.choice(("layer", "rms")), norm_first=flag(),
        embed_norm=flag(), gated=flag(), bias=flag(), qk_norm=flag(), scaled=flag(), tied=flag(), zero_init=flag(),
        position=r.choice(("learned", "sinusoidal", "rope", "alibi", "relative", "none")),
        n_encoder_layer=n_encoder_layer, token_types=0 if n_encoder_layer else r.choice((0, 1, 2)),
        mask="causal" if n_encoder_layer else r.choice(("causal", "full")),
    )  # fmt: skip


def built(config: Config) -> nn.Module:
    """The model itself, without memory for its weights."""
    with torch.device("meta"):
        model = EncoderDecoder(config) if config.n_encoder_layer else Transformer(config)
        if config.tied:
            model.head.weight = model.embed.weight
    return model


def of(model: nn.Module, *endings: str) -> int:
    """Parameters of the modules whose names end like that."""
    return sum(n_parameters(m) for name, m in model.named_modules() if name.endswith(endings))


def counted(model: nn.Module) -> dict[str, int]:
    """The parts of ``parameters_by_part``, read off the modules."""
    tied = model.head.weight is model.embed.weight
    parts = {
        "embedding": model.embed.weight.numel(),
        "positions": of(model, ".position", ".relative"),
        "attention": of(model, ".attn"),
        "feed-forward": of(model, ".ff"),
        "norms": sum(n_parameters(m) for m in model.modules() if isinstance(m, nn.LayerNorm | nn.RMSNorm)),
        "output": 0 if tied else n_parameters(model.head),
        "token types": of(model, "token_type"),
        "cross-attention": of(model, ".cross"),
    }
    return {name: n for name, n in parts.items() if n or name in parameters_by_part(TINY)}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_part_has_as_many_parameters_as_in_the_model(config):
    model = built(config)
    assert parameters_by_part(config) == counted(model)
    assert parameter_count(config) == n_parameters(model)


@pytest.mark.parametrize("seed", range(200))
def test_every_part_of_any_model_that_can_be_built_is_counted_exactly(seed):
    config = drawn(seed)
    model = built(config)
    assert parameters_by_part(config) == counted(model), config
    assert parameter_count(config) == active_parameter_count(config) == n_parameters(model), config


def test_the_configurations_drawn_differ_in_every_option():
    configs = [drawn(seed) for seed in range(200)]
    for name in ("norm", "norm_first", "embed_norm", "gated", "bias", "qk_norm", "tied", "position", "mask"):
        assert len({getattr(c, name) for c in configs}) >= 2, name
    assert {c.family for c in configs} == {"decoder", "encoder", "encoder-decoder"}
    assert {c.n_layer != c.n_encoder_layer for c in configs if c.n_encoder_layer} == {True, False}
    assert {c.token_types for c in configs} == {0, 1, 2}


def test_the_parts_that_are_always_there_come_first_and_others_only_where_they_are():
    always = ["embedding", "positions", "attention", "feed-forward", "norms", "output"]
    assert list(parameters_by_part(replace(TINY, position="none"))) == always
    assert parameters_by_part(TINY)["positions"] == TINY.block_size * TINY.n_embd
    more = replace(
        TINY,
        token_types=2,
        embedding_size=8,
        pooler=True,
        n_encoder_layer=1,
        experts=Experts(4, 1, d_expert=5),
    )
    assert list(parameters_by_part(more)) == [
        *always, "token types", "embedding projection", "cross-attention", "pooler", "experts", "router",
    ]  # fmt: skip


# ----------------------------------------------------------------------------------- by hand, one at a time


def test_counting_by_hand_a_network_with_two_channels():
    """V=3, T=4, C=2, F=5: tables 6 + 8; attention 4(4+2)=24; MLP 15+12=27; three norms of 4."""
    tiny = replace(
        GPT2, n_layer=1, n_embd=2, n_head=1, n_kv_head=0, head_dim=0, d_ff=5, vocab_size=3, block_size=4
    )
    assert parameter_count(tiny) == 6 + 8 + 24 + 27 + 12


def test_untying_adds_one_embedding_table():
    assert parameter_count(replace(GPT2, tied=False)) - parameter_count(GPT2) == 50257 * 768


@pytest.mark.parametrize(
    ("part", "change", "more"),
    [  # TINY: V=64, T=32, C=32, H=G=4, D=8, F=128, two layers
        ("attention", {"bias": False, "qkv_bias": True}, -2 * 32),  # the output map has none
        ("attention", {"bias": False}, -2 * (32 + 2 * 32 + 32)),
        ("attention", {"qk_norm": True}, 0),  # as this book's models have it: without weights
        ("attention", {"qk_norm": True, "qk_norm_kind": "head"}, 2 * 2 * 8),
        ("attention", {"qk_norm": True, "qk_norm_kind": "full", "n_kv_head": 2},
         2 * (32 + 16) - 2 * 2 * 16 * (32 + 1)),
        ("attention", {"sinks": True}, 2 * 4),
        ("attention", {"position": "transformer-xl"}, 2 * (32 * 32 + 2 * 32)),
        ("attention", {"share_layers": True}, -4 * (32 * 32 + 32)),
        ("feed-forward", {"share_layers": True}, -(2 * 32 * 128 + 128 + 32)),
        ("positions", {"position_rows": 34}, 2 * 32),
        ("positions", {"position": "relative", "position_buckets": 16}, 16 * 4 - 32 * 32),
        ("positions", {"embedding_size": 8}, -32 * 24),
        ("norms", {"norms_per_layer": 1}, -2 * 64),
        ("norms", {"norms_per_layer": 4}, 4 * 64),
        ("norms", {"final_norm": False}, -64),
        ("norms", {"norm": "rms"}, -5 * 32),
        ("norms", {"bias": False}, -5 * 32),
        ("norms", {"embed_norm": True, "embedding_size": 8}, 16),
        ("embedding", {"embedding_size": 8}, -64 * 24),
        ("output", {"head_bias": True}, 64),
        ("output", {"tied": False, "embedding_size": 8}, 64 * 8),
        ("embedding projection", {"embedding_size": 8}, 8 * 32 + 32),
        ("token types", {"token_types": 2, "embedding_size": 8}, 16),
        ("pooler", {"pooler": True}, 32 * 32 + 32),
        ("cross-attention", {"n_encoder_layer": 5}, 2 * 4 * (32 * 32 + 32)),
    ],
    ids=str,
)  # fmt: skip
def test_each_option_changes_its_part_by_what_it_adds(part, change, more):
    after, before = (parameters_by_part(c).get(part, 0) for c in (replace(TINY, **change), TINY))
    assert after - before == more


def test_latent_attention_is_counted_by_its_matrices():
    """C=32, H=4, D=8; ranks 12 and 10, R=4, V=6: queries 32*12 + 12*4*(8+4), keys and values
    32*(10+4) + 10*4*(8+6), out 4*6*32; two norms of 12 and 10."""
    config = replace(
        TINY, bias=False, position="rope", latent=Latent(q_rank=12, kv_rank=10, rope_dim=4, v_dim=6)
    )
    layer = 32 * 12 + 12 + 12 * 48 + 32 * 14 + 10 + 10 * 56 + 24 * 32
    assert parameters_by_part(config)["attention"] == 2 * layer


MOE = replace(
    TINY, bias=False, gated=True, n_layer=5, tied=False,
    experts=Experts(n_expert=8, n_active=2, d_expert=16, n_shared=1, n_dense_layer=2, router_bias=True),
)  # fmt: skip


def test_experts_stand_in_the_layers_that_are_not_dense():
    parts = parameters_by_part(MOE)
    assert parts["feed-forward"] == 2 * 3 * 32 * 128
    assert parts["experts"] == 3 * (8 + 1) * 3 * 32 * 16
    assert parts["router"] == 3 * (32 * 8 + 8)


def test_the_number_of_active_experts_changes_only_the_active_count():
    one, two = (replace(MOE, experts=replace(MOE.experts, n_active=n)) for n in (1, 2))
    assert parameter_count(one) == parameter_count(two)
    assert active_parameter_count(two) - active_parameter_count(one) == 3 * 3 * 32 * 16
    every = replace(MOE, experts=replace(MOE.experts, n_active=8))
    assert active_parameter_count(every) == parameter_count(every)


def test_the_input_embedding_can_be_left_out_of_the_active_parameters_unless_it_is_the_output_too():
    assert active_parameter_count(MOE) - active_parameter_count(MOE, embedding=False) == 64 * 32
    tied = replace(MOE, tied=True)
    assert active_parameter_count(tied) == active_parameter_count(tied, embedding=False)


def test_a_dense_model_uses_all_its_parameters():
    assert active_parameter_count(GPT2) == parameter_count(GPT2) == 124_439_808


# ------------------------------------------------------------------------------------ transformers' networks


def theirs(model_type: str, **settings: object) -> int:
    """Parameters of transformers' own network without a head, built without memory."""
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(model_type, **settings)
    with torch.device("meta"):
        return n_parameters(transformers.AutoModel.from_config(config))


def test_minilm_count_is_exact():
    minilm = Config(
        vocab_size=30522, block_size=512, n_layer=6, n_head=12, n_embd=384, d_ff=1536, mask="full",
        norm_first=False, embed_norm=True, token_types=2, pooler=True,
    )  # fmt: skip
    assert parameter_count(minilm) == 22_713_216 == theirs(
        "bert", hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )  # fmt: skip


def test_transformer_xl_attention_equals_xlnet_layer_for_layer():
    """XLNet uses Gopher's relative positions, plus 3C segment weights and minus the four biases."""
    layers, width, heads = 3, 64, 4
    ours = parameter_count(
        Config(
            100, 1024, n_layer=layers, n_head=heads, n_embd=width, position="transformer-xl", final_norm=False
        )
    )
    xlnet = theirs("xlnet", n_layer=layers, d_model=width, n_head=heads, d_inner=256, vocab_size=100)
    segments, biases, mask_embedding = 3 * width * layers, 4 * width * layers, width
    assert xlnet == ours + segments - biases + mask_embedding


# -------------------------------------------------------------------------------------------- compute


def test_training_compute_grows_with_size_and_text():
    assert training_flops(2e9, 3e9) == 36e18


@pytest.mark.parametrize(("parameters", "tokens"), [(0, 1), (1, 0), (-1, 1)])
def test_impossible_compute_is_refused(parameters, tokens):
    with pytest.raises(ValueError, match="must be positive"):
        training_flops(parameters, tokens)
