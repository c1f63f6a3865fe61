"""What a `Config` may say, and what it refuses: `llmbook.core.models.config`."""

import json
from dataclasses import asdict, fields, replace

import pytest
import torch

from llmbook.core.models.config import CHOICES, Config, Experts, Latent
from llmbook.core.models.transformer import EncoderDecoder, Transformer, make_norm, n_parameters

SMALL = Config(vocab_size=50, block_size=16, n_layer=2, n_head=4, n_embd=32)
PAIR = replace(SMALL, n_encoder_layer=3)
EXPERTS = Experts(n_expert=8, n_active=2, d_expert=16, n_shared=1, n_dense_layer=1, router_bias=True)
LATENT = Latent(q_rank=12, kv_rank=8, rope_dim=4, v_dim=6)
EVERYTHING = Config(
    50, 16, n_layer=2, n_head=4, n_embd=32, n_kv_head=4, head_dim=6, d_ff=7, norm="rms", norm_eps=1e-6,
    norm_first=False, embed_norm=True, position="rope", rope_theta=5e5, activation="silu", gated=True, bias=False,
    scaled=False, scale_output=True, mask="full", tied=False, token_types=2, zero_init=True, n_encoder_layer=3,
    norms_per_layer=4, final_norm=True, head_bias=True, position_rows=18, position_buckets=16, pooler=True,
    embedding_size=8, share_layers=True, experts=EXPERTS, latent=LATENT,
)  # fmt: skip
MLA = dict(latent=LATENT, position="rope", bias=False)


# ---------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_choice_names_the_known_ones(name):
    with pytest.raises(ValueError, match=f"{name} is 'other'; choose one of {CHOICES[name][0]}"):
        replace(SMALL, **{name: "other"})


@pytest.mark.parametrize("name", ["vocab_size", "block_size", "n_layer", "n_head", "n_embd"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}; it has to be at least 1"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize(
    "name",
    ["n_kv_head", "head_dim", "d_ff", "token_types", "n_encoder_layer", "position_rows", "embedding_size"],
)
def test_negative_sizes_are_refused_where_zero_has_a_meaning(name):
    with pytest.raises(ValueError, match=f"{name} is -1; it has to be at least 0"):
        replace(SMALL, **{name: -1})


@pytest.mark.parametrize("value", ["256", True, 256.0, None, torch.tensor(256)], ids=repr)
@pytest.mark.parametrize("name", [f.name for f in fields(Config) if f.type == "int"])
def test_what_is_no_whole_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is .*; it has to be a whole number"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("value", ["yes", 1, None])
@pytest.mark.parametrize("name", [f.name for f in fields(Config) if f.type == "bool"])
def test_what_is_neither_true_nor_false_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value!r}; it has to be true or false"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("value", [0.0, -1e-5, float("nan"), float("inf"), "1e-5", True])
@pytest.mark.parametrize("name", ["norm_eps", "rope_theta"])
def test_what_is_no_positive_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is .*; it has to be a positive number"):
        replace(SMALL, **{name: value})


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="n_embd = 30 is not a multiple of n_head = 4"):
        Config(50, 16, n_layer=1, n_head=4, n_embd=30)
    with pytest.raises(ValueError, match="n_head = 4 is not a multiple of n_kv_head = 3"):
        Config(50, 16, n_layer=1, n_head=4, n_embd=32, n_kv_head=3)
    with pytest.raises(ValueError, match="n_head = 4 is not a multiple of n_kv_head = 8"):
        Config(50, 16, n_layer=1, n_head=4, n_embd=32, n_kv_head=8)


def test_sizes_left_out_follow_from_the_others():
    c = Config(50, 16, n_layer=1, n_head=4, n_embd=32)
    assert (c.n_kv_head, c.head_dim, c.d_ff) == (4, 8, 128)
    c = Config(50, 16, n_layer=1, n_head=4, n_embd=30, head_dim=5, n_kv_head=2, d_ff=7)
    assert (c.n_kv_head, c.head_dim, c.d_ff) == (2, 5, 7)
    wider = replace(SMALL, n_embd=64)
    assert (wider.head_dim, wider.d_ff) == (8, 128), "sizes filled in are kept"
    wider = replace(SMALL, n_embd=64, head_dim=0, d_ff=0)
    assert (wider.head_dim, wider.d_ff) == (16, 256)


def test_rotary_positions_need_pairs_of_channels():
    with pytest.raises(ValueError, match="head_dim is 5; rotary positions turn pairs"):
        replace(SMALL, position="rope", head_dim=5)
    assert replace(SMALL, head_dim=5).head_dim == 5
    with pytest.raises(ValueError, match="rope_dim is 3; rotary positions turn pairs"):
        replace(SMALL, **MLA | {"latent": replace(LATENT, rope_dim=3)})
    assert replace(SMALL, **MLA, head_dim=5).head_dim == 5, "latent attention turns rope_dim channels only"


def test_sinusoids_need_pairs_of_channels():
    with pytest.raises(ValueError, match="n_embd is 33; sinusoidal positions need an even number"):
        Config(50, 16, n_layer=1, n_head=3, n_embd=33, position="sinusoidal")


# ------------------------------------------------------------------------------- options that belong together


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_expert": 0}, "n_expert is 0; it has to be at least 1"),
        ({"n_active": 0}, "n_active is 0; it has to be at least 1"),
        ({"n_active": 9}, "n_active is 9; at most n_expert = 8"),
        ({"d_expert": 0}, "d_expert is 0; it has to be at least 1"),
        ({"n_shared": -1}, "n_shared is -1"),
        ({"n_dense_layer": 1.0}, "n_dense_layer is 1.0; it has to be a whole number"),
        ({"router_bias": 1}, "router_bias is 1; it has to be true or false"),
    ],
)
def test_experts_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(EXPERTS, **change)


@pytest.mark.parametrize("name", ["q_rank", "kv_rank", "rope_dim", "v_dim"])
def test_latent_attention_needs_all_its_sizes(name):
    with pytest.raises(ValueError, match=f"{name} is 0; it has to be at least 1"):
        replace(LATENT, **{name: 0})
    with pytest.raises(ValueError, match=f"latent: missing {name}"):
        replace(SMALL, **MLA | {"latent": {k: v for k, v in asdict(LATENT).items() if k != name}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experts": replace(EXPERTS, n_dense_layer=3)}, "n_dense_layer is 3; at most n_layer = 2"),
        ({"experts": 8}, r"experts is 8; give Experts\(...\) or leave it out"),
        ({"experts": LATENT}, "experts is Latent"),
        ({"experts": {"n_expert": 8}}, "experts: missing n_active, d_expert"),
        ({"experts": asdict(EXPERTS) | {"n_active": 9}}, "experts: n_active is 9"),
        ({"latent": True}, r"latent is True; give Latent\(...\)"),
        ({"final_norm": "yes"}, "final_norm is 'yes'; it has to be true, false or left out"),
        ({"final_norm": 1}, "final_norm is 1"),
        ({"qk_norm_kind": "head"}, "qk_norm_kind is 'head', but qk_norm is false"),
        (MLA | {"n_kv_head": 2}, "n_kv_head is 2; latent attention has as many as n_head = 4"),
        (MLA | {"bias": True}, "bias is true; latent attention has none"),
        (MLA | {"qkv_bias": True}, "qkv_bias is true; latent attention has none"),
        (MLA | {"qk_norm": True}, "qk_norm is true; latent attention has none"),
        (MLA | {"sinks": True}, "sinks is true; latent attention has none"),
        (MLA | {"position": "alibi"}, "position is 'alibi'; latent attention needs 'rope'"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_the_family_follows_from_mask_and_encoder():
    assert SMALL.family == "decoder"
    assert replace(SMALL, mask="full").family == "encoder"
    assert PAIR.family == "encoder-decoder"


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_stack_ends_in_a_norm_when_it_normalises_first_unless_told_otherwise(norm_first):
    c = replace(SMALL, norm_first=norm_first)
    assert c.ends_in_norm is norm_first
    assert replace(c, final_norm=True).ends_in_norm and not replace(c, final_norm=False).ends_in_norm


# -------------------------------------------------------------------------------------------- no loss


def test_every_option_survives_replace_asdict_and_json():
    defaults = {f.name for f in fields(Config) if getattr(EVERYTHING, f.name) == f.default}
    assert defaults == {"qk_norm", "qk_norm_kind", "qkv_bias", "sinks"}, "latent attention has none of these"
    rest = replace(SMALL, bias=False, qk_norm=True, qk_norm_kind="full", qkv_bias=True, sinks=True)
    for config in (EVERYTHING, rest, SMALL):
        assert replace(config) == config == Config(**asdict(config))
        assert Config(**json.loads(json.dumps(asdict(config)))) == config
        assert hash(Config(**asdict(config))) == hash(config)
    assert replace(EVERYTHING, n_layer=3) != EVERYTHING
    assert replace(replace(EVERYTHING, n_layer=3), n_layer=2) == EVERYTHING


# ------------------------------------------------------------------------------------------- building


@pytest.mark.parametrize(
    "change",
    [
        {"experts": EXPERTS},
        MLA,
        {"sinks": True},
        {"pooler": True},
        {"head_bias": True},
        {"share_layers": True},
        {"embedding_size": 8},
        {"norms_per_layer": 1},
        {"position_rows": 18},
        {"position": "relative", "position_buckets": 16},
        {"position": "transformer-xl"},
        {"qk_norm": True, "qk_norm_kind": "head"},
        {"bias": False, "qkv_bias": True},
        {"final_norm": False},
        {"norm_first": False, "final_norm": True},
    ],
    ids=str,
)
def test_models_refuse_what_they_do_not_build(change):
    name = "latent" if "latent" in change else list(change)[-1]
    with pytest.raises(ValueError, match=f"{name} is .*; a Transformer is built with"):
        Transformer(replace(SMALL, **change))
    with pytest.raises(ValueError, match=f"{name} is .*; an EncoderDecoder is built with"):
        EncoderDecoder(replace(PAIR, **change))


def test_each_model_refuses_options_that_only_the_other_has():
    with pytest.raises(ValueError, match="n_encoder_layer of at least 1; for a decoder use Transformer"):
        EncoderDecoder(SMALL)
    with pytest.raises(
        ValueError, match="n_encoder_layer is 3; a Transformer is built with n_encoder_layer = 0"
    ):
        Transformer(PAIR)
    with pytest.raises(ValueError, match="scale_output is True; a Transformer is built with"):
        Transformer(replace(SMALL, scale_output=True))
    with pytest.raises(ValueError, match="token_types is 2; an EncoderDecoder is built with"):
        EncoderDecoder(replace(PAIR, token_types=2))
    with pytest.raises(ValueError, match="mask is 'full'; an EncoderDecoder is built with"):
        EncoderDecoder(replace(PAIR, mask="full"))


def test_what_only_repeats_a_default_is_built():
    Transformer(replace(SMALL, final_norm=True, qkv_bias=True))
    Transformer(replace(SMALL, norm_first=False, final_norm=False))


def test_without_bias_nothing_has_one_as_in_nanogpt():
    """nanoGPT's GPT(GPTConfig(block_size=8, vocab_size=11, n_layer=2, n_head=2, n_embd=8, bias=False)) has 1,728:

    tables (11 + 8) 8 = 152, two layers of 12 * 8 * 8 = 768, five norms of 8.
    """
    config = Config(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8, bias=False)
    model = Transformer(config)
    assert n_parameters(model) == 152 + 2 * 768 + 5 * 8 == 1_728
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert n_parameters(Transformer(replace(config, bias=True))) == 1_728 + 2 * (4 * 8 + 32 + 8) + 5 * 8


def test_a_norm_without_bias_still_centres_and_scales():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 32)
    norm = make_norm(replace(SMALL, bias=False))
    expected = torch.nn.functional.layer_norm(x, (32,), weight=norm.weight, eps=1e-5)
    torch.testing.assert_close(norm(x), expected)
    assert norm.bias is None and make_norm(SMALL).bias is not None
