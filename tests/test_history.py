"""The history page's ladder: one text, one metric; gradients over distance; reversal; the stored results."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from llmbook import history
from llmbook.core import data, ngram, timeline
from llmbook.core.plotting import figure


@pytest.fixture(scope="module")
def corpus() -> history.Text:
    return history.text(vocab_size=512, unseen_chars=20_000)


@pytest.fixture(scope="module")
def small(corpus) -> history.Text:
    """The same with less to learn from, for tests that count or train."""
    return dataclasses.replace(
        corpus, train=corpus.train[:60_000], unseen=corpus.unseen[:4_000], unseen_bytes=9_000
    )


def test_tokens_spell_the_unseen_plays_and_none_of_them_is_trained_on(corpus):
    spelled = corpus.decode(corpus.unseen.tolist())
    assert spelled == "\n".join(play.text[:20_000] for play in data.plays("valid"))
    assert {p.title for p in data.plays("train")}.isdisjoint(p.title for p in data.plays("valid"))
    first = corpus.decode(corpus.unseen[:1].tolist())
    assert corpus.unseen_bytes == len(spelled.encode()) - len(first.encode())


def test_bits_per_byte_of_a_uniform_model_is_tokens_times_log_vocabulary_over_bytes(corpus):
    tokens = len(corpus.unseen) - 1
    assert corpus.bits_per_byte(np.log(512)) == pytest.approx(tokens * 9 / corpus.unseen_bytes)


def test_the_share_of_unseen_ngrams_is_that_of_a_set_of_tuples(small):
    for order in (1, 3):
        ids = small.train.tolist()
        grams = {tuple(ids[i : i + order]) for i in range(len(ids) - order + 1)}
        unseen = small.unseen.tolist()
        rows = [tuple(unseen[i : i + order]) for i in range(len(unseen) - order + 1)]
        expected = sum(row not in grams for row in rows) / len(rows)
        assert history.unseen_share(small, order) == pytest.approx(expected)


def test_ngram_scores_are_those_of_the_models_themselves(small):
    scores = history.ngram_scores(small, (1, 2), {"kn": ngram.ModifiedKneserNey()})
    climb, model = history.count_ngrams(small, 2)
    assert scores["kn"][1] == pytest.approx(climb.bits_per_byte)
    assert scores["kn"][1] < scores["kn"][0]
    nats = -model.log_probs(small.unseen)[1:].sum()
    assert climb.bits_per_byte == pytest.approx(nats / np.log(2) / small.unseen_bytes)
    assert climb.parameters == model.n_parameters


@pytest.mark.parametrize("rung", history.RUNGS, ids=lambda r: r.name)
def test_every_network_trains_on_the_ladder_and_beats_a_uniform_guess(rung, small):
    climb, model = history.climb(rung, small, seconds=1.5, seed=0)
    assert climb.bits_per_byte < small.bits_per_byte(np.log(small.vocab_size))
    assert climb.parameters == sum(p.numel() for p in model.parameters())
    assert climb.flops == 6.0 * history.matrix_parameters(model) * climb.tokens
    text = history.sample(model, small, "KING", 5, seed=1)
    assert text.startswith("KING") and text == history.sample(model, small, "KING", 5, seed=1)


@pytest.mark.parametrize("rung", history.RUNGS, ids=lambda r: r.name)
def test_no_network_of_the_ladder_sees_the_token_it_predicts(rung):
    torch.manual_seed(0)
    model = rung.make(64).eval()
    a = torch.randint(64, (1, 12))
    b = a.clone()
    b[0, 8:] = (b[0, 8:] + 1) % 64
    with torch.no_grad():
        assert torch.allclose(model(a)[:, :8], model(b)[:, :8], atol=1e-5)
        assert not torch.allclose(model(a)[:, 8:], model(b)[:, 8:], atol=1e-5)


def test_matrix_parameters_leave_out_what_is_only_looked_up():
    model = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 10))
    assert history.matrix_parameters(model) == 40


def test_the_gradient_of_an_lstm_reaches_further_than_that_of_an_rnn_for_any_seed():
    for seed in range(4):
        far = history.reach(("rnn", "gru", "lstm"), distance=48, seed=seed)
        assert all(len(g) == 48 and g[0] == pytest.approx(1.0) for g in far.values())
        assert far["lstm"][40] > 100 * far["rnn"][40]


def test_the_forget_gate_is_what_is_opened():
    from llmbook.core.recurrent import RecurrentLM

    torch.manual_seed(0)
    model = RecurrentLM("lstm", 8, 4, 6)
    before = {name: p.clone() for name, p in model.named_parameters()}
    history.open_forget_gate(model, 1.0)
    changed = {
        name: (p - before[name]) for name, p in model.named_parameters() if not torch.equal(p, before[name])
    }
    assert len(changed) == 1
    (difference,) = changed.values()
    assert torch.allclose(difference[6:12], torch.ones(6)) and difference.abs().sum().item() == pytest.approx(
        6.0
    )


def test_attention_helps_to_reverse_what_the_last_state_cannot_hold():
    right = {a: history.reverse_by_length(a, (2, 10), steps=220, n_test=100) for a in (True, False)}
    assert right[True][2] > 0.9
    assert right[True][10] > right[False][10]


def test_results_survive_saving(tmp_path, small):
    climb, _ = history.count_ngrams(small, 2)
    climb.curve = [(1.0, 3.0)]
    history.save([climb], tmp_path / "x.json", seconds=3)
    loaded, about = history.load(tmp_path / "x.json")
    assert loaded == [climb]
    assert about["seconds"] == 3 and about["hardware"]["cores"] >= 1


def test_the_stored_ladder_has_every_rung_three_times_and_names_its_machine():
    climbs, about = history.load(history.RESULTS)
    for rung in history.RUNGS:
        assert sorted(c.seed for c in climbs if c.name == rung.name) == [0, 1, 2]
        assert all(
            about["seconds"] <= c.seconds < about["seconds"] + 5 for c in climbs if c.name == rung.name
        )
    assert {"cpu", "cores"} <= about["hardware"].keys() and "torch" in about["versions"]
    assert json.loads(history.RESULTS.read_text())


def test_the_figures_and_the_table_show_every_row():
    climbs, _ = history.load(history.RESULTS)
    _, (ax, bx) = figure(2)
    assert len(history.draw_ladder(ax, climbs, "seconds").texts) == len({c.name for c in climbs})
    rows = timeline.milestones()
    history.draw_timeline(bx, rows)
    sized = [r for r in rows if r.size and r.day.year >= 2013]
    assert sum(len(c.get_offsets()) for c in bx.collections) == len(sized)
    shown = {t.get_text() for t in bx.texts}
    assert shown == set(history.NAMES_SHOWN)
    table = history.table_of_milestones(rows)
    assert table.count("<tr>") == len(rows) + 1 and table.count("<a href=") == len(rows)
