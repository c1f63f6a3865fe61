"""Published weights in our own Transformer against transformers: `llmbook.core.models.convert`.

First tiny random models of each family, with every option that changes the numbers; then the real SmolLM2 and
MiniLM, whose figures are printed at the end of the run ("parity: ...").
"""

import pytest
import torch

from llmbook.core.models import pretrained
from llmbook.core.models.attention import KVCache
from llmbook.core.models.convert import (
    LLAMA,
    build,
    compare,
    read_config,
    rename,
    to_ours,
)
from llmbook.core.models.transformer import EncoderDecoder

TOLERANCE = dict(atol=1e-5, rtol=1e-5)
IS_TOKEN = torch.arange(17)[None] < torch.tensor([[17], [9], [1]])  # (3, 17), padding on the right


def ours_of(reference):
    return build(reference.config.to_dict(), reference.state_dict())


def tiny(family, seed=0):
    reference = pretrained.tiny_reference(family, seed)
    return ours_of(reference), reference


def ids(seed=0, shape=(3, 17)):
    return torch.randint(2, 99, shape, generator=torch.Generator().manual_seed(seed))


def same(a, b):
    torch.testing.assert_close(a, b, **TOLERANCE)


# ------------------------------------------------------------------------------------ tiny random models


@torch.no_grad()
@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_decoders_agree_with_biases_and_padding(family, side):
    reference = pretrained.tiny_reference(family)
    is_token = IS_TOKEN if side == "right" else IS_TOKEN.flip(1)
    ours = ours_of(reference)(ids(), is_token=is_token.long())
    position_ids = (is_token.long().cumsum(1) - 1).clamp(min=0)  # what transformers' generate passes
    theirs = reference(ids(), attention_mask=is_token.long(), position_ids=position_ids).logits
    same(ours[is_token], theirs[is_token])
    assert ours.isfinite().all()


@torch.no_grad()
def test_bert_agrees_with_biases_padding_and_both_sentence_types():
    reference = pretrained.tiny_reference("bert")
    types = (torch.arange(17)[None] > 5).long().expand(3, 17)
    ours = ours_of(reference).hidden(ids(), is_token=IS_TOKEN, token_types=types)
    theirs = reference(ids(), attention_mask=IS_TOKEN.long(), token_type_ids=types).last_hidden_state
    same(ours[IS_TOKEN], theirs[IS_TOKEN])


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_berts_guesses_of_masked_words_equal_transformers(tied, activation):
    reference = variant("Bert", dict(tie_word_embeddings=tied, hidden_act=activation))
    ours = ours_of(reference)
    same(ours(ids()), reference(ids()).logits)
    assert (ours.head.weight is ours.embed.weight) == tied
    padded = ours(ids(), is_token=IS_TOKEN)
    same(padded[IS_TOKEN], reference(ids(), attention_mask=IS_TOKEN.long()).logits[IS_TOKEN])


@torch.no_grad()
def test_the_next_sentence_guess_of_a_pretraining_bert_is_left_out_and_the_rest_is_there():
    import transformers as hf

    reference = variant("Bert", {}, head="ForPreTraining")
    assert isinstance(reference, hf.BertForPreTraining)
    same(ours_of(reference)(ids()), reference(ids()).prediction_logits)


@torch.no_grad()
def test_a_bert_without_an_output_layer_has_hidden_states_and_says_that_it_has_no_logits():
    ours, reference = tiny("bert")
    same(ours.hidden(ids()), reference(ids()).last_hidden_state)
    with pytest.raises(ValueError, match=r"without an output layer.*use hidden\(ids\)"):
        ours(ids())


def test_a_missing_part_of_berts_output_layer_is_named():
    reference = variant("Bert", {})
    for name in ("transform.dense.weight", "transform.dense.bias", "transform.LayerNorm.weight"):
        state = {n: t for n, t in reference.state_dict().items() if n != f"cls.predictions.{name}"}
        with pytest.raises(ValueError, match=r"head\.(dense|norm)\.(weight|bias) is missing"):
            build(reference.config.to_dict(), state)
    state = {n: t for n, t in reference.state_dict().items() if not n.endswith(("decoder.bias", "ions.bias"))}
    with pytest.raises(ValueError, match=r"head\.bias is missing"):
        build(reference.config.to_dict(), state)


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "t5-gated"])
def test_t5_agrees_with_padding_in_the_source(family):
    reference, target = pretrained.tiny_reference(family), ids(7, (3, 11))
    model = ours_of(reference)
    theirs = reference(input_ids=ids(), attention_mask=IS_TOKEN.long(), decoder_input_ids=target)
    same(model.encode(ids(), IS_TOKEN)[IS_TOKEN], theirs.encoder_last_hidden_state[IS_TOKEN])
    same(model(ids(), target, IS_TOKEN), theirs.logits)


@torch.no_grad()
def test_t5_agrees_beyond_the_farthest_bucket():
    reference = pretrained.tiny_reference("t5")
    ours = ours_of(reference)
    source, target = ids(1, (1, 300)), ids(2, (1, 200))
    same(ours(source, target), reference(input_ids=source, decoder_input_ids=target).logits)


@torch.no_grad()
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_caches_agree_as_well(family):
    ours, reference = tiny(family)
    cache, past, pieces = KVCache(2, 17), None, []
    for piece in ids().split((9, 1, 7), dim=1):
        out = reference(piece, past_key_values=past, use_cache=True)
        past = out.past_key_values
        pieces.append((ours(piece, cache=cache), out.logits))
    for mine, theirs in pieces:
        same(mine, theirs)


VARIANTS = {
    "GPT-2, another width": ("GPT2", dict(n_inner=50, activation_function="relu")),
    "GPT-2, untied": ("GPT2", dict(tie_word_embeddings=False)),
    "LLaMA, tied": ("Llama", dict(tie_word_embeddings=True)),
    "LLaMA, multi-query": ("Llama", dict(num_key_value_heads=1)),
    "LLaMA, another base": ("Llama", dict(rope_parameters={"rope_type": "default", "rope_theta": 500.0})),
    "LLaMA, wide heads": ("Llama", dict(head_dim=20, rms_norm_eps=1e-3)),
    "T5, more decoder than encoder": ("T5", dict(num_layers=1, num_decoder_layers=3)),
    "T5, tied but unscaled": ("T5", dict(scale_decoder_outputs=False)),
    "T5, gated SiLU": ("T5", dict(feed_forward_proj="gated-silu")),
}


def variant(kind, options, head=None):
    import transformers as hf

    shape = {
        "GPT2": dict(n_embd=24, n_layer=2, n_head=4, n_positions=32, initializer_range=0.3),
        "Llama": dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                      max_position_embeddings=32, initializer_range=0.3),
        "Bert": dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                     max_position_embeddings=32, initializer_range=0.3),
        "T5": dict(d_model=24, d_kv=6, d_ff=40, num_layers=2, num_heads=4, initializer_factor=0.7),
    }[kind]  # fmt: skip
    common = {"vocab_size": 99, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    config = getattr(hf, kind + "Config")(**{**common, **shape, **options})
    torch.manual_seed(0)
    usual = {
        "GPT2": "LMHeadModel",
        "Llama": "ForCausalLM",
        "Bert": "ForMaskedLM",
        "T5": "ForConditionalGeneration",
    }
    return pretrained.randomise_norms(getattr(hf, kind + (head or usual[kind]))(config)).eval()


@torch.no_grad()
@pytest.mark.parametrize("name", VARIANTS)
def test_options_other_than_the_default_survive_conversion(name):
    reference = variant(*VARIANTS[name])
    ours = ours_of(reference)
    if isinstance(ours, EncoderDecoder):
        expected = reference(input_ids=ids(), decoder_input_ids=ids(3)).logits
        same(ours(ids(), ids(3)), expected)
    else:
        same(ours(ids()), reference(ids()).logits)


def test_a_tied_checkpoint_needs_no_output_layer_and_gets_one_shared_matrix():
    reference = pretrained.tiny_reference("gpt2")
    state = {name: t for name, t in reference.state_dict().items() if name != "lm_head.weight"}
    model = build(reference.config.to_dict(), state)
    assert model.head.weight is model.embed.weight
    assert (
        model.embed.weight.data_ptr() == state["transformer.wte.weight"].data_ptr()
    )  # taken over, not copied
    assert not model.training


def test_names_without_the_outer_models_prefix_are_known_too():
    import transformers as hf

    reference = pretrained.tiny_reference("gpt2")
    assert isinstance(reference, hf.GPT2LMHeadModel)
    bare = reference.transformer.state_dict()
    same(build(reference.config.to_dict(), bare)(ids()), reference(ids()).logits)


# -------------------------------------------------------------------------------------- types of numbers

# bfloat16 keeps 8 bits of a number and float16 11: errors of 0.4 % and 0.05 % per step, over two layers of a few steps.
PRECISION = {torch.bfloat16: 0.06, torch.float16: 0.008}


@torch.no_grad()
@pytest.mark.parametrize("dtype", PRECISION, ids=str)
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Bert", "T5"])
def test_every_family_runs_in_half_precision_padded_and_alone(kind, side, dtype, parity_report):
    model = ours_of(variant(kind, {}))
    is_token = IS_TOKEN if side == "right" else IS_TOKEN.flip(1)

    def logits(which, is_token=None):
        if isinstance(model, EncoderDecoder):
            return model(which, ids(3)[: len(which)], is_token)
        return model(which, is_token=is_token)

    exact = logits(ids(), is_token)
    model.to(dtype)
    half = logits(ids(), is_token)
    kept = (
        is_token if half.shape[1] == 17 and kind != "T5" else torch.ones_like(half[..., 0], dtype=torch.bool)
    )
    assert half.dtype == dtype and half.isfinite().all()
    error = float((half - exact)[kept].abs().max() / exact[kept].abs().max())
    parity_report(f"tiny {kind} in {dtype}, padded on the {side}: relative logit difference {error:.1e}")
    assert 0 < error < PRECISION[dtype]
    for i in (0, 1):  # rows alone, no padding
        alone = logits(ids()[i : i + 1, is_token[i]])[0] if kind != "T5" else model(
            ids()[i : i + 1, is_token[i]], ids(3)[i : i + 1])[0]  # fmt: skip
        error = float((half[i][kept[i]] - alone).abs().max() / exact[kept].abs().max())
        assert error < PRECISION[dtype]


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("family", ["mamba", None])
def test_an_unknown_family_names_the_known_ones(family):
    with pytest.raises(ValueError, match=f"{family!r}.*gpt2, bert, t5, llama"):
        read_config({"model_type": family} if family else {})
    with pytest.raises(ValueError, match=r"no table of names.*llama, gpt2, bert, t5"):
        to_ours(family, {})


@pytest.mark.parametrize(
    "option, value, problem",
    [
        ("attention_bias", True, "attention_bias is True"),
        ("mlp_bias", True, "mlp_bias is True"),
        ("hidden_act", "tanh", "activation is 'tanh'"),
        ("rope_parameters", {"rope_type": "llama3", "factor": 8.0}, "only the plain ones"),
    ],
)
def test_llama_options_that_this_model_lacks_are_refused(option, value, problem):
    config = {**pretrained.tiny_reference("llama").config.to_dict(), option: value}
    with pytest.raises(ValueError, match=problem):
        read_config(config)


@pytest.mark.parametrize(
    "family, option, value",
    [
        ("gpt2", "scale_attn_weights", False),
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("bert", "is_decoder", True),
        ("bert", "position_embedding_type", "relative_key"),
        ("t5", "relative_attention_max_distance", 64),
        ("t5", "relative_attention_num_buckets", 16),
    ],
)
def test_options_that_would_silently_give_other_numbers_are_refused(family, option, value):
    config = {**pretrained.tiny_reference(family).config.to_dict(), option: value}
    with pytest.raises(ValueError, match=f"{option} is {value!r}"):
        read_config(config)


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5", "t5-gated", "llama"])
def test_any_missing_tensor_is_named(family):
    reference = pretrained.tiny_reference(family)
    config, state = reference.config.to_dict(), dict(reference.state_dict())
    needed = [name for name in state if to_ours(config["model_type"], {name: state[name]})]
    for name in needed:
        ours = next(iter(to_ours(config["model_type"], {name: state[name]})))
        rest = {n: t for n, t in state.items() if n != name}
        if ours == "head.weight" and read_config(config).tied:
            build(config, rest)
            continue
        with pytest.raises(ValueError, match=f"{ours} is missing"):
            build(config, rest)


def test_a_tensor_without_a_place_is_refused():
    reference = pretrained.tiny_reference("llama")
    state = {**reference.state_dict(), "model.layers.0.self_attn.q_norm.weight": torch.ones(8)}
    with pytest.raises(ValueError, match=r"q_norm.weight' that this model has no place for"):
        build(reference.config.to_dict(), state)


def test_a_tensor_left_over_is_refused():
    reference = pretrained.tiny_reference("llama")
    state = {**reference.state_dict(), "model.layers.2.input_layernorm.weight": torch.ones(48)}
    with pytest.raises(ValueError, match=r"stack.blocks.2.norm1.weight is left over"):
        build(reference.config.to_dict(), state)


def test_a_tensor_of_another_shape_is_refused_with_both_shapes():
    reference = pretrained.tiny_reference("llama")
    state = {**reference.state_dict(), "model.norm.weight": torch.ones(47)}
    with pytest.raises(ValueError, match=r"stack.norm.weight is \(47,\), expected \(48,\)"):
        build(reference.config.to_dict(), state)


def test_compare_finds_nothing_in_a_models_own_weights():
    model, _ = tiny("t5")
    assert compare(model, model.state_dict()) == []


def test_a_name_of_another_family_has_no_translation():
    assert rename("transformer.wte.weight", LLAMA) is None
    assert rename("model.norm.weight", LLAMA) == "stack.norm.weight"
