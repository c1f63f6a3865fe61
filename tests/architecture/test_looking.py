"""Who looks at whom: the right rows and columns, both sentences of a pair, a test that knows how many were tried."""

from __future__ import annotations

import pytest
import torch
from letters import byte_lm

from llmbook.architecture import looking
from llmbook.architecture.looking import FRESH_PAIRS, MINIMAL_PAIRS, MinimalPair
from llmbook.core.models.config import Config
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer, recorded_attention


@pytest.fixture(scope="module")
def smollm2():
    return LanguageModel.load("smollm2")


@pytest.fixture(scope="module")
def at_it(smollm2):
    return looking.preferences(smollm2.model, smollm2.tokenizer, MINIMAL_PAIRS[:4], "it")


def tiny(mask="causal", seed=0):
    torch.manual_seed(seed)
    model = Transformer(Config(50, 32, n_layer=2, n_head=3, n_embd=12, mask=mask)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(8 if p.dim() == 2 else 1)
    return model


# --------------------------------------------------------------------------------------------- weights


def test_the_weight_is_that_of_the_query_on_the_key_and_of_a_word_the_sum_over_its_tokens():
    model, ids = tiny("full"), torch.arange(6)
    with torch.no_grad(), recorded_attention(model) as layers:
        model(ids[None])
    whole = torch.stack([layer.weights[0] for layer in layers])  # (2, 3, 6, 6)
    torch.testing.assert_close(looking.who_looks(model, ids, 4, 1), whole[:, :, 4, 1])
    torch.testing.assert_close(
        looking.who_looks(model, ids, 1, [3, 4]), whole[:, :, 1, 3] + whole[:, :, 1, 4]
    )


@pytest.mark.parametrize("mask", ["causal", "full"])
def test_texts_of_different_lengths_weigh_in_a_batch_as_they_do_alone(mask):
    model, rows = tiny(mask), [torch.arange(3), torch.arange(5, 12), torch.tensor([7])]
    for together, ids in zip(looking.all_weights(model, rows), rows, strict=True):
        torch.testing.assert_close(together, looking.all_weights(model, [ids])[0], atol=1e-6, rtol=1e-5)
        assert together.shape == (2, 3, len(ids), len(ids))


@pytest.mark.parametrize(("query", "key"), [(6, 0), (-1, 0), (0, 6), (0, []), (0, [1, -2])])
def test_a_place_outside_the_text_is_refused(query, key):
    with pytest.raises(ValueError, match="places from 0 to T - 1"):
        looking.who_looks(tiny(), torch.arange(6), query, key)


def test_a_word_is_found_where_it_stands_as_a_word_with_all_its_tokens(smollm2):
    tokenizer = smollm2.tokenizer
    ids, at = looking.tokens_of(tokenizer, "The animal saw it in its bit of antidisestablishment", "it")
    assert [tokenizer.decode([int(ids[i])]) for i in at] == [" it"] and at == [3]
    ids, at = looking.tokens_of(
        tokenizer, "The animal saw antidisestablishment there", "antidisestablishment"
    )
    assert (
        len(at) > 1 and "".join(tokenizer.decode([int(ids[i])]) for i in at).strip() == "antidisestablishment"
    )
    assert looking.tokens_of(tokenizer, "The cat", "The")[1] == [0]
    with pytest.raises(ValueError, match="'at' is no word"):
        looking.tokens_of(tokenizer, "The cat sat", "at")


# ------------------------------------------------------------------------------------------ minimal pairs


def test_all_pairs_differ_and_the_fresh_ones_share_no_sentence_and_no_two_nouns_with_the_others():
    everything = MINIMAL_PAIRS + FRESH_PAIRS
    assert len(MINIMAL_PAIRS) == len(FRESH_PAIRS) == 16
    assert len({p.start for p in everything}) == 32
    assert not {p.nouns for p in MINIMAL_PAIRS} & {p.nouns for p in FRESH_PAIRS}
    assert not {n for p in MINIMAL_PAIRS for n in p.nouns} & {n for p in FRESH_PAIRS for n in p.nouns} - {
        "hall"
    }
    for p in everything:
        words = p.start.split()
        assert words.index(p.nouns[0]) < words.index(p.nouns[1]) < words.index("it")


@pytest.mark.parametrize(
    "start", ["The cat left because", "The cat saw the cat and the dog so it", "A cat because it"]
)
def test_a_pair_without_it_or_its_nouns_is_refused(start):
    with pytest.raises(ValueError, match="have to stand there once"):
        MinimalPair(start, ("cat", "dog"), ("tired", "wide"))


@pytest.mark.parametrize(
    ("start", "match"),
    [
        ("The cat saw the dog and bit it", "words before and behind"),
        ("it was the cat or the dog that was too", "words before and behind"),
        ("The wide cat saw the dog so it was", "'wide' already"),
    ],
)
def test_a_pair_whose_it_cannot_be_replaced_or_whose_ending_stands_too_early_is_refused(start, match):
    """The places of *it* and of the ending are looked up as the first such words of the sentence."""
    with pytest.raises(ValueError, match=match):
        MinimalPair(start, ("cat", "dog"), ("tired", "wide"))


def test_an_ending_of_several_tokens_counts_with_all_of_them():
    """Letters are the tokens: the surprise of the whole ending decides, not that of its first letter."""
    differ = 0
    for seed in range(8):
        lm = byte_lm(seed=seed, tied=False)
        with torch.no_grad():
            for p in lm.model.parameters():
                p.mul_(4 if p.dim() == 2 else 1)
        pair = MinimalPair("The cat saw the dog so it was", ("cat", "dog"), ("tired", "wide"))
        whole, first = [], []
        for noun in pair.nouns:
            start = f"The cat saw the dog so the {noun} was"
            bits = [lm.surprise(f"{start} {ending}")[-len(ending) - 1 :] for ending in pair.endings]
            whole.append([float(b.sum()) for b in bits])
            first.append([float(b[0]) for b in bits])
        right = [(b[0][0] < b[1][0], b[1][1] < b[0][1]) for b in (whole, first)]
        assert looking.resolves(lm, pair) == right[0]
        differ += right[0] != right[1]
    assert differ  # or the test could not tell them apart


def test_weights_are_read_on_the_models_device(smollm2, monkeypatch):
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    model = tiny().to("meta")
    rows = [torch.arange(n, device="meta") for n in (3, 5)]
    assert [w.shape for w in looking.all_weights(model, rows)] == [(2, 3, 3, 3), (2, 3, 5, 5)]
    tokens_of = looking.tokens_of

    def few(tokenizer, text, word):  # ids that the tiny model knows
        ids, at = tokens_of(tokenizer, text, word)
        return ids % 50, at

    monkeypatch.setattr(looking, "tokens_of", few)
    found = looking.preferences(model, smollm2.tokenizer, MINIMAL_PAIRS[:2])
    assert found.device.type == "meta" and found.shape == (2, 2, 2, 3)


def test_a_decoders_it_weighs_the_nouns_the_same_whatever_follows(at_it):
    """It stands before the word that decides; no head can know."""
    assert at_it.shape == (4, 2, 30, 9)
    assert float(looking.follows(at_it).abs().max()) < 1e-5
    assert float(at_it.abs().max()) > 0.3  # and heads do have preferences


def test_the_preference_is_the_weight_on_the_first_noun_minus_that_on_the_second(smollm2, at_it):
    pair = MINIMAL_PAIRS[0]
    ids, (at,) = looking.tokens_of(smollm2.tokenizer, pair.sentences[1], "it")
    keys = [looking.tokens_of(smollm2.tokenizer, pair.sentences[1], noun)[1] for noun in ("animal", "street")]
    first, second = (looking.who_looks(smollm2.model, ids, at, key) for key in keys)
    torch.testing.assert_close(at_it[0, 1], first - second, atol=1e-5, rtol=1e-4)


def test_the_word_that_looks_is_it_or_the_last_word_and_the_control_has_no_sentence(smollm2):
    pair = MINIMAL_PAIRS[:1]
    assert [q[1] for q in looking.questions(pair, "last")] == ["tired", "wide"]
    assert [q[1] for q in looking.questions(pair, "it")] == ["it", "it"]
    (text, looks, nouns), _ = looking.questions(pair, "list")
    assert looks == "tired" and nouns == ("animal", "street") and "it" not in text.split()
    last = looking.preferences(smollm2.model, smollm2.tokenizer, pair, "last")
    assert float(looking.follows(last).abs().max()) > 0.05  # the last word sees what decides
    with pytest.raises(ValueError, match="query is 'was'"):
        looking.questions(pair, "was")


def test_a_head_that_always_looks_at_the_nearer_noun_follows_nothing():
    always = torch.full((5, 2, 1, 1), -0.4)
    assert looking.follows(always).abs().max() == 0
    right = torch.tensor([[0.1, -0.1], [-0.2, -0.3]])[:, :, None, None]
    assert looking.follows(right).flatten().tolist() == pytest.approx([0.2, 0.1])


def test_smollm2_is_asked_with_the_pronoun_replaced(smollm2):
    asked = []
    original = LanguageModel.encode

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            LanguageModel,
            "encode",
            lambda self, text, start=True: (asked.append(text), original(self, text, start))[1],
        )
        verdict = looking.resolves(smollm2, MINIMAL_PAIRS[0])
    start = "The animal didn't cross the street because the"
    assert {t for t in asked if len(t.split()) > 3} == {f"{start} animal was too", f"{start} street was too"}
    p = {n: smollm2.next_probabilities(f"{start} {n} was too") for n in ("animal", "street")}
    tired, wide = (smollm2.tokenizer(f" {w}")["input_ids"] for w in ("tired", "wide"))
    assert len(tired) == len(wide) == 1
    assert verdict == (
        bool(p["animal"][tired] > p["street"][tired]),
        bool(p["street"][wide] > p["animal"][wide]),
    )


# -------------------------------------------------------------------------------------------------- chance


def test_the_best_of_many_heads_that_follow_nothing_is_no_discovery():
    noise = torch.randn(16, 30, 9, generator=torch.Generator().manual_seed(1))
    best = looking.best_head(noise)
    assert best.p_alone < 0.05 < best.p_best and best.n_right >= 13


def test_a_head_that_always_follows_is_found_among_many_that_do_not():
    noise = torch.randn(16, 30, 9, generator=torch.Generator().manual_seed(1))
    noise[:, 7, 4] = noise[:, 7, 4].abs()
    best = looking.best_head(noise)
    assert (best.layer, best.head, best.n_right, best.n_pair) == (7, 4, 16, 16) and best.p_best < 0.05


def test_of_heads_with_as_many_right_the_one_with_the_larger_difference_is_chosen():
    follows = torch.tensor([[0.1, 0.4], [0.2, 0.5]])[:, :, None]
    assert (looking.best_head(follows).layer, looking.best_head(follows).head) == (1, 0)
    with pytest.raises(ValueError, match="two pairs at least"):
        looking.best_head(follows[:1])


def test_chance_alone_reaches_a_small_p_as_often_as_p_says():
    found = [
        looking.best_head(torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(s)), n_flip=300).p_best
        for s in range(60)
    ]
    assert sum(p < 0.2 for p in found) / 60 < 0.35 and sum(p < 0.05 for p in found) / 60 < 0.15
