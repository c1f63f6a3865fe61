"""Three families of translators: who may look where, what they learn, and how their runs are kept."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from llmbook.architecture import families, french
from llmbook.architecture.families import FamilyRun, Translator
from llmbook.core.measure import records
from llmbook.core.measure.metrics import exact_match
from llmbook.core.models.masks import causal_mask, prefix_mask
from llmbook.core.models.transformer import EncoderDecoder, recorded_attention
from llmbook.core.text import tokens

PAIRS = french.pairs()[:300]


@pytest.fixture(scope="module")
def translators():
    """One per family, trained for a moment, so that its translations have words in them."""
    made = {f: Translator(f, PAIRS, n_embd=32, seed=0) for f in Translator.FAMILIES}
    for t in made.values():
        t.train(steps=25, batch_size=32)
    return made


@pytest.fixture(params=Translator.FAMILIES)
def translator(request, translators):
    return translators[request.param]


def changed(t, ids, where):
    """The same ids with another French word in one place; padding stays padding."""
    nine, eleven = len(t.english) + 9, len(t.english) + 11
    word, other = ids[:, where], ids.clone()
    other[:, where] = torch.where(word == tokens.PAD, word, torch.where(word == nine, eleven, nine))
    return other


@torch.no_grad()
def test_no_family_looks_ahead_in_the_target(translator):
    source, target, _ = translator.encode(PAIRS[:5])
    before = translator.logits(translator.model, source, target)
    for where in range(1, target.shape[1]):
        after = translator.logits(translator.model, source, changed(translator, target, where))
        torch.testing.assert_close(after[:, :where], before[:, :where], atol=1e-5, rtol=0)
        real = target[:, where] != tokens.PAD
        assert (after[real, where] - before[real, where]).abs().amax(-1).min() > 1e-3


def seen_by_the_source(t, pair):
    """bool (S, S): which source word's embedding can change what the model makes of which source word."""
    source, target, _ = t.encode([pair])
    kept = {}
    hook = t.model.embed.register_forward_hook(lambda module, args, out: kept.update(x=out.requires_grad_()))
    last = t.model.stack.norm.register_forward_hook(lambda module, args, out: kept.update(h=out))
    t.logits(t.model, source, target)
    hook.remove(), last.remove()
    n, x, h = source.shape[1], kept["x"], kept["h"]
    probe = torch.randn(h.shape[-1], generator=torch.Generator().manual_seed(0))
    rows = [
        torch.autograd.grad(h[0, i] @ probe, x, retain_graph=True)[0][0].abs().sum(-1) > 0
        for i in range(h.shape[1])
    ]
    return torch.stack(rows), n  # fmt: skip


def test_the_prefix_decoder_sees_its_whole_prefix_and_after_it_only_the_past(translators):
    seen, n = seen_by_the_source(translators["prefix"], PAIRS[0])
    assert torch.equal(seen, prefix_mask(len(seen), n))
    assert seen[:n, :n].all() and not seen[:n, n:].any()


def test_the_causal_decoder_sees_only_the_past_in_source_and_target(translators):
    seen, _ = seen_by_the_source(translators["causal"], PAIRS[0])
    assert torch.equal(seen, causal_mask(len(seen)))


@torch.no_grad()
def test_every_family_reads_every_source_word(translator):
    source, target, _ = translator.encode(PAIRS[:1])
    before = translator.logits(translator.model, source, target)
    for where in range(source.shape[1]):
        other = source.clone()
        other[0, where] = 7 if source[0, where] != 7 else 8
        assert (translator.logits(translator.model, other, target) - before).abs().max() > 1e-5


@torch.no_grad()
def test_padding_changes_no_logit_of_a_translator(translator):
    pairs = sorted(PAIRS[:40], key=lambda p: len(p.english))[::8]
    source, target, _ = translator.encode(pairs)
    assert (source == tokens.PAD).any() and (target == tokens.PAD).any()
    batch = translator.logits(translator.model, source, target)
    for row, pair in enumerate(pairs):
        alone_source, alone_target, _ = translator.encode([pair])
        alone = translator.logits(translator.model, alone_source, alone_target)[0]
        torch.testing.assert_close(batch[row, : len(alone)], alone, atol=1e-4, rtol=1e-4)


def test_a_batch_of_translations_equals_the_single_ones(translator):
    sentences = [p.english for p in sorted(PAIRS[:60], key=lambda p: len(p.english))[::6]]
    together = translator.translate(sentences)
    assert together == [translator.translate([s])[0] for s in sentences]
    assert any(together)


@torch.no_grad()
def test_greedy_translation_takes_the_likeliest_word_each_time(translator):
    """Fed its own translation, the model prefers each word of it."""
    source = translator.encode(PAIRS[:1]).source
    shift, ids = len(translator.english), [tokens.BOS + len(translator.english)]
    for _ in range(24):
        ids.append(int(translator.logits(translator.model, source, torch.tensor([ids]))[0, -1].argmax()))
        if ids[-1] == tokens.EOS + shift:
            break
    expected = translator.french.decode([max(i - shift, 0) for i in ids[1:]])
    assert translator.translate([PAIRS[0].english]) == [expected]


def test_english_words_and_padding_in_a_translation_are_left_out(translator, monkeypatch):
    """A model that knows little may write an English word; its id stands for no French one."""
    shift = len(translator.english)
    row = torch.tensor([[tokens.BOS + shift, 5, tokens.PAD, 9 + shift, shift - 1, tokens.EOS + shift]])
    monkeypatch.setattr(families, "translate", lambda *args, **options: row)
    monkeypatch.setattr(
        families, "generate", lambda step, ids, *args, **options: torch.cat((ids[:, :-1], row), 1)
    )
    assert translator.translate([PAIRS[0].english]) == [translator.french.decode([9])]


@pytest.mark.parametrize("family", Translator.FAMILIES)
def test_training_lowers_the_loss_and_the_same_seed_repeats_it(family):
    def run(seed):
        t = Translator(family, PAIRS, n_embd=16, seed=seed)
        history = t.train(steps=12, batch_size=16)
        with torch.no_grad():
            return float(t.loss(t.model, t.encode(PAIRS[:50])).mean), history

    loss, _ = run(1)
    assert loss == run(1)[0] != run(2)[0]
    start = Translator(family, PAIRS, n_embd=16, seed=1)
    with torch.no_grad():
        assert loss < float(start.loss(start.model, start.encode(PAIRS[:50])).mean) - 0.3


def test_the_loss_counts_french_words_and_no_padding(translator):
    batch = translator.encode(PAIRS[:6])
    with torch.no_grad():
        log_p = translator.logits(translator.model, batch.source, batch.target_in).log_softmax(-1)
        words = [
            -log_p[i, j, word]
            for i, row in enumerate(batch.target_out.tolist())
            for j, word in enumerate(row)
            if word != tokens.PAD
        ]
        assert float(translator.loss(translator.model, batch).mean) == pytest.approx(
            float(sum(words)) / len(words)
        )


def test_encoding_and_decoding_give_both_sentences_back(translator):
    batch, shift = translator.encode(PAIRS[:40]), len(translator.english)
    for row, pair in enumerate(PAIRS[:40]):
        assert translator.english.decode(batch.source[row].tolist()) == pair.english
        for ids in (batch.target_in[row], batch.target_out[row]):
            assert translator.french.decode((ids - shift).clamp(min=0).tolist()) == pair.french


def test_english_and_french_words_never_share_an_id(translator):
    batch, shift = translator.encode(PAIRS), len(translator.english)
    assert batch.source.max() < shift
    for target in (batch.target_in, batch.target_out):
        assert target[target != tokens.PAD].min() > shift
        assert target.max() < translator.model.vocab_size == shift + len(translator.french)


def test_the_three_families_are_about_equally_large(translators):
    sizes = {family: t.n_parameters for family, t in translators.items()}
    assert sizes["prefix"] == sizes["causal"]
    assert abs(sizes["prefix"] / sizes["encoder-decoder"] - 1) < 0.1
    full = [Translator(f, PAIRS).n_parameters for f in ("encoder-decoder", "causal")]
    assert abs(full[0] / full[1] - 1) < 0.1


def test_only_the_encoder_decoder_has_cross_attention_and_its_rows_are_distributions(translators):
    t = translators["encoder-decoder"]
    assert isinstance(t.model, EncoderDecoder)
    written, read, weights = t.cross_attention(french.WORKED_EXAMPLE.english)
    assert weights.shape == (len(written), len(read))
    assert written[-1] == read[-1] == "<eos>"
    assert len(read) == len(french.tokenize(french.WORKED_EXAMPLE.english)) + 1
    torch.testing.assert_close(weights.sum(1), torch.ones(len(written)), atol=1e-5, rtol=0)
    for family in ("prefix", "causal"):
        with pytest.raises(ValueError, match="no cross-attention; use an encoder-decoder"):
            translators[family].cross_attention("Hello.")


def test_an_encoder_decoder_learns_sentences_and_translates_them():
    """Four sentences, learned by heart: nothing between reading English and writing French is broken."""
    few = [*PAIRS[:3], french.WORKED_EXAMPLE]
    t = Translator("encoder-decoder", few, n_embd=32, seed=0)
    t.train(steps=60, batch_size=8)
    assert t.translate([p.english for p in few]) == [p.french for p in few]


def test_bad_translators_and_empty_batches_are_refused(translator):
    with pytest.raises(ValueError, match="'rnn'; choose one of encoder-decoder, prefix, causal"):
        Translator("rnn", PAIRS)
    with pytest.raises(ValueError, match="at least one"):
        translator.translate([])


def test_exact_match_counts_letter_by_letter():
    assert exact_match(["Ça va ?", "ça va ?"], ["Ça va ?", "Ça va ?"]) == [1.0, 0.0]
    with pytest.raises(ValueError):
        exact_match(["a"], ["a", "b"])


def test_the_same_seed_repeats_a_run_that_knows_nothing_yet():
    run = families.family_run("causal", 3, seed=1, n_test=20)
    assert (run.family, run.steps, run.seed) == ("causal", 3, 1)
    assert 0 <= run.exact < 0.5  # three steps teach nobody French
    assert run == families.family_run("causal", 3, seed=1, n_test=20)


@pytest.fixture
def watched(monkeypatch):
    """What a run's translator learns from, what it is made for, and what it is asked; it answers from the grammar."""
    seen = SimpleNamespace(learned=[], asked=[], made=[], wrong=0)

    def train(self, steps, *args):
        drawn, real = [], Translator.encode
        with monkeypatch.context() as patch:
            patch.setattr(
                Translator, "encode", lambda self, pairs: (drawn.extend(pairs), real(self, pairs))[1]
            )
            real_train(self, steps, *args)
        seen.learned.append(drawn)
        seen.made.append(self)

    def translate(self, sentences):
        seen.asked.append(list(sentences))
        right = {pair.english: pair.french for pair in french.pairs()}
        return ["?" if i < seen.wrong else right[s] for i, s in enumerate(sentences)]

    real_train = Translator.train
    monkeypatch.setattr(Translator, "train", train)
    monkeypatch.setattr(Translator, "translate", translate)
    return seen


@pytest.mark.parametrize("family", Translator.FAMILIES)
def test_a_run_is_scored_on_sentences_that_it_has_not_learned_from(family, watched):
    families.family_run(family, 2, seed=1, n_test=300)
    (translator,), (learned,), (asked,) = watched.made, watched.learned, watched.asked
    could_learn = {pair.english for pair in translator.pairs}
    assert len(learned) == 2 * 64 and {pair.english for pair in learned} <= could_learn
    assert len(set(asked)) == 300 and could_learn.isdisjoint(asked)
    words = {word for pair in translator.pairs for word in french.tokenize(pair.english)}
    assert words.issuperset(
        word for sentence in asked for word in french.tokenize(sentence)
    )  # new, but possible


def test_the_score_of_a_run_is_the_share_of_its_sentences_that_are_right(watched):
    assert families.family_run("causal", 1, seed=0, n_test=40).exact == 1.0
    watched.wrong = 10
    assert families.family_run("causal", 1, seed=0, n_test=40).exact == 0.75
    watched.wrong = 40
    assert families.family_run("causal", 1, seed=0, n_test=40).exact == 0.0


def test_another_seed_draws_other_sentences(watched):
    for seed in (0, 1):
        families.family_run("causal", 1, seed=seed, n_test=40)
    one, other = watched.made
    assert {p.english for p in one.pairs} != {p.english for p in other.pairs}
    assert watched.asked[0] != watched.asked[1] and watched.learned[0] != watched.learned[1]
    assert (one.seed, other.seed) == (0, 1)


@pytest.mark.parametrize("n_test", [0, -1, 401])
def test_a_number_of_sentences_that_were_not_held_out_is_refused_before_training(n_test, watched):
    with pytest.raises(ValueError, match=f"n_test is {n_test}; choose between 1 and 400"):
        families.family_run("causal", 1, seed=0, n_test=n_test)
    assert not watched.made


@pytest.mark.parametrize("family", Translator.FAMILIES)
def test_every_family_is_trained_by_the_same_recipe(family, updates):
    """Muon for hidden matrices, AdamW for the rest; 1e-2, warmed up over a twentieth, down a cosine to a tenth."""
    t = Translator(family, PAIRS, n_embd=16, seed=0)
    t.train(steps=40, batch_size=4)
    assert updates.optimizers() == {"Muon", "AdamW"} and updates.weight_decay() == {0.0}
    embeddings = {
        id(p) for m in t.model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()
    }
    hidden = {id(p) for p in t.model.parameters() if p.dim() == 2} - embeddings
    assert updates.parameters("Muon") == hidden
    assert updates.parameters("AdamW") == {id(p) for p in t.model.parameters()} - hidden
    for optimizer in ("Muon", "AdamW"):
        rates = updates.lr(optimizer)
        assert len(rates) == 40 and rates[0] < 0.8e-2 and max(rates) == pytest.approx(1e-2, rel=0.01)
        for step in (10, 20, 30, 39):
            wave = 0.1 + 0.9 * (1 + math.cos(math.pi * (step / 40 - 0.05) / 0.95)) / 2
            assert rates[step] == pytest.approx(1e-2 * wave, abs=0.05e-2)  # a step more or less


def test_at_one_seed_every_family_learns_from_the_same_pairs_and_at_another_from_others(watched):
    for family in Translator.FAMILIES:
        Translator(family, PAIRS, n_embd=16, seed=3).train(2)
    Translator("causal", PAIRS, n_embd=16, seed=4).train(2)
    one, two, three, other = watched.learned
    assert one == two == three != other


@pytest.mark.parametrize("family", Translator.FAMILIES)
def test_a_translator_lives_on_its_device_before_it_is_trained(family):
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    t = Translator(family, PAIRS, n_embd=16, device="meta")
    source = t.encode(PAIRS[:2]).source
    places = {p.device.type for p in (*t.model.parameters(), *t.model.buffers())}
    assert places == {source.device.type} == {"meta"}
    if family == "encoder-decoder":
        assert t.model.encode(source).device.type == "meta"
    assert {
        p.device.type
        for p in Translator(family, PAIRS, n_embd=16, device=torch.device("cpu")).model.parameters()
    } == {"cpu"}


def test_a_bare_string_is_not_translated_letter_by_letter(translator):
    with pytest.raises(ValueError, match=r"sentences is the string 'Hello\.'; give a list"):
        translator.translate("Hello.")


def test_a_translator_of_no_pairs_is_refused():
    with pytest.raises(ValueError, match="pairs is empty"):
        Translator("causal", [])


def test_the_cross_attention_shown_is_the_mean_head_of_the_last_layer(translators):
    t = translators["encoder-decoder"]
    _, _, weights = t.cross_attention(PAIRS[0].english)
    batch = t.encode([french.Pair(PAIRS[0].english, t.translate([PAIRS[0].english])[0])])
    with torch.no_grad(), recorded_attention(t.model):
        t.model(batch.source, batch.target_in)
        layers = [block.cross.weights[0] for block in t.model.decoder.blocks]  # each (H, T, S)
    torch.testing.assert_close(weights, layers[-1].mean(0), atol=1e-6, rtol=1e-5)
    assert len(layers) == 2 and (layers[0].mean(0) - weights).abs().max() > 1e-3
    assert (layers[-1][0] - layers[-1][1]).abs().max() > 1e-3  # heads differ, so a mean is not one of them


def test_runs_become_intervals_over_seeds():
    runs = [
        FamilyRun(f, steps, s, 0.1 * s, 7)
        for steps in (90, 10)
        for f in ("prefix", "causal")
        for s in (1, 2, 3)
    ]
    found = families.exact_by_family(runs)
    assert list(found) == [10, 90] and list(found[10]) == ["prefix", "causal"]
    assert found[90]["causal"].mean == pytest.approx(0.2) and found[90]["causal"].n == 3
    assert found[90]["causal"].low < 0.2 < found[90]["causal"].high


def test_the_stored_comparison_has_every_family_five_times():
    from llmbook import architecture

    runs, about = records.load(architecture.FAMILIES, FamilyRun)
    for steps in {r.steps for r in runs}:
        for family in Translator.FAMILIES:
            assert sorted(r.seed for r in runs if (r.steps, r.family) == (steps, family)) == list(range(5))
    assert {"cpu", "cores"} <= about["hardware"].keys()
