"""The page "Architecture": the Transformer, measured and compared with others' code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from transformers import BatchEncoding

from llmbook import architecture as arch
from llmbook.architecture import french
from llmbook.core.models import convert, pretrained
from llmbook.core.models.config import Config
from llmbook.core.models.masks import causal_mask, prefix_mask
from llmbook.core.models.positions import rope_angles
from llmbook.core.models.transformer import (
    Transformer,
    n_parameters,
    recorded_attention,
)
from llmbook.core.text import corpora

SENTENCE = "The animal didn't cross the street because it was too tired"
PAIRS = french.pairs()[:300]
TINY = Config(64, 32, n_layer=2, n_head=4, n_embd=32)


def fresh(config: Config, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(config).eval()


@pytest.fixture(scope="module")
def smollm2():
    return arch.real_pair("smollm2", attn="eager")


@pytest.fixture(scope="module")
def ids(smollm2):
    return torch.tensor(smollm2[1].tokenizer(SENTENCE)["input_ids"])


# -------------------------------------------------------------------------- real weights in our own code


def test_our_code_with_smollm2s_weights_gives_the_logits_of_transformers(smollm2):
    ours, reference = smollm2
    text = torch.tensor(reference.tokenizer(corpora.plays_text("test")[:1500])["input_ids"][:300])
    agreement = arch.logit_agreement(ours, reference.model, text)
    assert agreement["largest difference"] < 1e-3  # logits go up to about 30, in float32
    assert agreement["largest difference, cache on"] < 1e-3
    assert agreement["same top token"] == agreement["same top token, cache on"] == 1.0


def test_the_comparison_of_logits_notices_a_changed_weight():
    reference = pretrained.tiny_reference("llama")
    ours = fresh(replace(TINY, vocab_size=99, block_size=64))
    agreement = arch.logit_agreement(ours, reference, torch.randint(99, (20,)))
    assert agreement["largest difference"] > 1e-2 and agreement["same top token"] < 1


def test_both_models_share_one_copy_of_the_weights(smollm2):
    ours, reference = smollm2
    theirs = reference.model.model.layers[3].self_attn.q_proj.weight
    assert ours.stack.blocks[3].attn.q.weight.data_ptr() == theirs.data_ptr()
    assert n_parameters(ours) == sum(p.numel() for p in reference.model.parameters()) == 134_515_008


def test_our_encoder_with_minilms_weights_gives_the_embeddings_of_transformers():
    encoder, minilm = arch.real_pair("minilm")
    lines = [*[p.english for p in PAIRS[:12]], "naïve café, 日本", "one", "a long line " * 100]
    ours = arch.our_embeddings(encoder, minilm.tokenizer, lines)
    theirs = pretrained.sentence_embeddings(minilm, lines)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    singles = torch.cat([arch.our_embeddings(encoder, minilm.tokenizer, [line]) for line in lines[:3]])
    torch.testing.assert_close(ours[:3], singles, atol=1e-5, rtol=0)  # padding changes nothing


def test_our_embeddings_are_computed_on_the_encoders_device():
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    encoder = fresh(replace(TINY, mask="full", token_types=2)).to("meta")
    ids = torch.tensor([[1, 2, 3], [4, 0, 0]])
    batch = {"input_ids": ids, "attention_mask": (ids > 0).long(), "token_type_ids": 0 * ids}
    vectors = arch.our_embeddings(encoder, lambda texts, **options: BatchEncoding(batch), ["a b c", "d"])
    assert vectors.device.type == "meta" and vectors.shape == (2, TINY.n_embd)


@pytest.mark.parametrize("seed", range(3))
def test_gpt2_bert_t5_and_llama_blocks_equal_those_of_transformers(seed):
    difference = arch.tiny_parity(seed)
    assert set(difference) == {"gpt2", "bert", "t5", "t5-gated", "llama"}
    assert max(difference.values()) < 1e-5


# ------------------------------------------------------------------------------ attention, step by step


@pytest.mark.parametrize("layer", [0, 9, 29])
def test_the_five_steps_give_what_the_attention_layer_gives(smollm2, ids, layer):
    ours, _ = smollm2
    c, steps = ours.config, arch.five_steps(ours, ids, layer)
    rope = rope_angles(torch.arange(len(ids)), c.head_dim, c.rope_theta)
    with torch.no_grad():
        whole = ours.stack.blocks[layer].attn(steps["input"][None], causal=True, rope=rope)[0]
    torch.testing.assert_close(steps["output"], whole, atol=1e-4, rtol=1e-4)


def test_the_weights_of_the_five_steps_are_those_of_transformers(smollm2, ids):
    ours, reference = smollm2
    with torch.no_grad():
        theirs = reference.model(ids[None], output_attentions=True).attentions
    for layer in (0, 9, 29):
        torch.testing.assert_close(
            arch.five_steps(ours, ids, layer)["weights"], theirs[layer][0], atol=1e-4, rtol=1e-4
        )


def test_the_five_steps_have_the_shapes_that_the_page_names(smollm2, ids):
    ours, _ = smollm2
    c, n = ours.config, len(ids)
    shapes = {name: tuple(t.shape) for name, t in arch.five_steps(ours, ids, 9).items()}
    assert shapes == {
        "input": (n, c.n_embd),
        "queries": (c.n_head, n, c.head_dim),
        "keys": (c.n_kv_head, n, c.head_dim),
        "values": (c.n_kv_head, n, c.head_dim),
        "scores": (c.n_head, n, n),
        "weights": (c.n_head, n, n),
        "mixed": (c.n_head, n, c.head_dim),
        "output": (n, c.n_embd),
    }


@pytest.mark.parametrize(
    "change",
    [dict(), dict(position="sinusoidal", n_kv_head=2), dict(position="rope", qk_norm=True, scaled=False)],
    ids=["learned", "sinusoidal", "rope"],
)
def test_the_five_steps_hold_for_other_kinds_of_positions(change):
    model, text = fresh(replace(TINY, **change)), torch.arange(12)
    outputs = []
    hook = model.stack.blocks[1].attn.register_forward_hook(lambda module, args, out: outputs.append(out[0]))
    with torch.no_grad(), recorded_attention(model) as layers:
        model(text[None])
    hook.remove()
    steps = arch.five_steps(model, text, 1)
    torch.testing.assert_close(steps["output"], outputs[0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(steps["weights"], layers[1].weights[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("change", [dict(position="alibi"), dict(position="relative"), dict(mask="full")])
def test_the_five_steps_refuse_a_model_whose_attention_has_a_sixth(change):
    with pytest.raises(ValueError, match="need a causal model without biases"):
        arch.five_steps(fresh(replace(TINY, **change)), torch.arange(5), 0)


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_the_five_steps_and_the_probes_stay_on_the_models_device(position):
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    model = fresh(replace(TINY, position=position)).to("meta")
    steps = arch.five_steps(model, torch.arange(5, device="meta"), 1)
    assert {t.device.type for t in steps.values()} == {"meta"}
    assert arch.influence(model, causal_mask(5)).device.type == "meta"
    assert arch.rope_score(torch.arange(4.0, device="meta")).device.type == "meta"


@pytest.mark.parametrize("n_kv_head", [9, 3, 1])
def test_grouped_and_multi_query_attention_equal_pytorchs_fused_kernel(n_kv_head):
    g = torch.Generator().manual_seed(0)
    model = fresh(Config(20, 16, n_layer=1, n_head=9, n_embd=36, n_kv_head=n_kv_head, position="none"))
    attn, x = model.stack.blocks[0].attn, torch.randn(2, 10, 36, generator=g)
    with torch.no_grad():
        q, k, v = attn.project(x, x, None)
        assert k.shape[1] == n_kv_head
        fused = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        expected = attn.out(fused.transpose(1, 2).flatten(2))
        attn.record = True
        torch.testing.assert_close(attn(x, causal=True), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_without_the_division_by_root_d_the_softmax_saturates_and_its_gradient_dies(seed):
    widths = (4, 16, 64, 256)
    scaled, raw = (arch.softmax_health(widths, scaled=s, seed=seed) for s in (True, False))
    for what in ("entropy", "gradient"):
        assert all(0 <= v <= 1 for v in (*scaled[what], *raw[what]))
        assert max(scaled[what]) - min(scaled[what]) < 0.06  # the same at every width
        assert raw[what] == sorted(raw[what], reverse=True)  # worse and worse
    assert min(scaled["entropy"]) > 0.8 and min(scaled["gradient"]) > 0.9
    assert raw["entropy"][-1] < 0.2 and raw["gradient"][-1] < 0.3


def test_a_head_of_width_one_is_scaled_by_one():
    assert arch.softmax_health((1,), scaled=True) == arch.softmax_health((1,), scaled=False)


# --------------------------------------------------------------------------------------------- positions


def test_the_rotary_score_is_one_at_distance_zero_and_the_same_in_both_directions():
    distance = torch.arange(0, 200).float()
    score = arch.rope_score(distance)
    assert float(score[0]) == pytest.approx(1)
    assert score.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(arch.rope_score(-distance), score, atol=1e-5, rtol=0)
    assert score[:8].mean() > score[20:60].mean() > score[120:].mean()


@pytest.mark.parametrize("head_dim", [2, 16, 64])
def test_the_rotary_score_is_the_mean_cosine_of_its_angles(head_dim):
    distance = torch.tensor([0.0, 1.0, 7.0, 100.0])
    frequency = 10_000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)
    expected = torch.outer(distance, frequency).cos().mean(1)
    torch.testing.assert_close(arch.rope_score(distance, head_dim), expected, atol=1e-5, rtol=0)


# ------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("position", ["learned", "rope", "none", "alibi"])
def test_the_measured_influence_is_the_mask(position):
    model = fresh(Config(50, 8, n_layer=2, n_head=2, n_embd=16, position=position))
    for mask in (causal_mask(8), prefix_mask(8, 4), prefix_mask(8, 1), torch.ones(8, 8, dtype=torch.bool)):
        assert torch.equal(arch.influence(model, mask), mask)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_influence_is_measured_in_half_precision_too(dtype):
    model = fresh(Config(50, 8, n_layer=2, n_head=2, n_embd=16)).to(dtype)
    assert torch.equal(arch.influence(model, causal_mask(8)), causal_mask(8))


def test_influence_notices_a_model_that_ignores_its_mask():
    model = fresh(Config(50, 8, n_layer=1, n_head=2, n_embd=16))
    real = model.stack.forward
    model.stack.forward = lambda x, mask, causal: real(x, mask=torch.ones_like(mask), causal=causal)
    assert not torch.equal(arch.influence(model, causal_mask(8)), causal_mask(8))


# ------------------------------------------------------------------------------------------------- bad input


def test_a_comparison_of_fewer_than_two_tokens_is_refused():
    with pytest.raises(ValueError, match=r"ids have shape \(1,\)"):
        arch.logit_agreement(fresh(TINY), pretrained.tiny_reference("llama"), torch.tensor([3]))


@pytest.mark.parametrize("sentences", ["one string", []])
def test_our_embeddings_of_a_bare_string_or_of_nothing_are_refused(sentences):
    with pytest.raises(ValueError, match="non-empty list"):
        arch.our_embeddings(fresh(TINY), None, sentences)


def test_both_ways_of_comparing_logits_are_compared():
    """With the cache the second half is read behind the first one; a cache that forgets is noticed."""
    reference = pretrained.tiny_reference("llama")
    ours = convert.build(reference.config.to_dict(), reference.state_dict())
    ids = torch.randint(99, (20,), generator=torch.Generator().manual_seed(0))
    agreement = arch.logit_agreement(ours, reference, ids)
    assert max(agreement["largest difference"], agreement["largest difference, cache on"]) < 1e-4
    real, lengths = ours.hidden, []

    def forgetful(part, cache=None):
        lengths.append((part.shape[1], cache is not None))
        return real(part)

    ours.hidden = forgetful
    agreement = arch.logit_agreement(ours, reference, ids)
    assert lengths == [(20, False), (10, True), (10, True)]
    assert agreement["largest difference"] < 1e-4 < 1e-2 < agreement["largest difference, cache on"]


@pytest.mark.parametrize("row", [3, 130])
def test_a_difference_counts_wherever_in_the_text_it_is(row):
    """Logits are compared a hundred tokens at a time."""
    reference = pretrained.tiny_reference("llama")
    longer = reference.config.to_dict() | {"max_position_embeddings": 150}
    ours = convert.build(longer, reference.state_dict())
    ids, real = torch.arange(150) % 99, ours.hidden

    def off(part, cache=None):
        return real(part, cache=cache) + (torch.arange(part.shape[1]) == row)[:, None] * (cache is None)

    ours.hidden = off
    agreement = arch.logit_agreement(ours, reference, ids)
    assert agreement["largest difference"] > 1e-2 > 1e-4 > agreement["largest difference, cache on"]
