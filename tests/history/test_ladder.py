"""The ladder: one text, one metric, equal operations; how its results are kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from llmbook import history
from llmbook.core.measure import records
from llmbook.core.show.plotting import figure
from llmbook.core.text import corpora
from llmbook.history import climbs as read
from llmbook.history import ladder, plays, rungs


@pytest.fixture(scope="module")
def corpus() -> plays.Text:
    return plays.text(vocab_size=512, unseen_chars=20_000)


@pytest.fixture(scope="module")
def small(corpus) -> plays.Text:
    """The same with less to learn from, for tests that count or train."""
    return dataclasses.replace(
        corpus, train=corpus.train[:60_000], unseen=corpus.unseen[:4_000], unseen_bytes=9_000
    )


def test_tokens_spell_the_unseen_plays_and_none_of_them_is_trained_on(corpus):
    spelled = corpus.decode(corpus.unseen.tolist())
    assert spelled == "\n".join(play.text[:20_000] for play in corpora.plays("test"))
    assert spelled.startswith("Macbeth\n") and "\nThe Tempest\n" in spelled
    others = {p.title for split in ("train", "valid") for p in corpora.plays(split)}
    assert others.isdisjoint(p.title for p in corpora.plays("test"))
    first = corpus.decode(corpus.unseen[:1].tolist())
    assert corpus.unseen_bytes == len(spelled.encode()) - len(first.encode())


def test_sizes_and_rates_are_chosen_on_other_plays_than_those_that_are_scored(corpus):
    chosen_on = plays.text(vocab_size=512, unseen_chars=20_000, split="valid")
    spelled = chosen_on.decode(chosen_on.unseen.tolist())
    assert spelled == "\n".join(play.text[:20_000] for play in corpora.plays("valid"))
    assert spelled.startswith("Twelfth Night\n") and "\nKing John\n" in spelled
    assert chosen_on.train.equal(corpus.train)
    with pytest.raises(ValueError, match="'train', which the models learn from"):
        plays.text(split="train")


def test_bits_per_byte_of_a_uniform_model_is_tokens_times_log_vocabulary_over_bytes(corpus):
    tokens = len(corpus.unseen) - 1
    assert corpus.bits_per_byte(np.log(512)) == pytest.approx(tokens * 9 / corpus.unseen_bytes)


@pytest.mark.parametrize("rung", rungs.RUNGS[::2], ids=lambda r: r.name)
def test_every_network_trains_on_the_ladder_and_beats_a_uniform_guess(rung, small):
    climb, model = ladder.climb(rung, small, flops=6e10, seed=0)
    # 1.3 bits a letter is what people needed (Shannon 1951): less, after a second, would be a leak
    assert 1.3 < climb.bits_per_byte < small.bits_per_byte(np.log(small.vocab_size))
    assert climb.bits_per_byte == pytest.approx(ladder.score(model, small))
    text = ladder.sample(model, small, "KING", 5, seed=1)
    assert text.startswith("KING") and text == ladder.sample(model, small, "KING", 5, seed=1)


@pytest.mark.parametrize("rung", rungs.RUNGS, ids=lambda r: f"{r.name} {r.size}")
def test_no_network_of_the_ladder_sees_the_token_it_predicts(rung):
    torch.manual_seed(0)
    model = rung.make(64).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)  # some start at zero
    a = torch.randint(64, (1, 12))
    b = a.clone()
    b[0, 8:] = (b[0, 8:] + 1) % 64
    with torch.no_grad():
        assert torch.allclose(model(a)[:, :8], model(b)[:, :8], atol=1e-5)
        assert not torch.allclose(model(a)[:, 8:], model(b)[:, 8:], atol=1e-5)


def test_recurrent_rungs_start_helped():
    for rung in rungs.RUNGS:
        if rung.name == "LSTM":
            model = rung.make(64)
            n = model.layers.hidden_size
            assert model.layers.bias_ih_l0[n : 2 * n].min() > 0.9 > model.layers.bias_ih_l0[2 * n :].max()
        if rung.name == "RNN":
            w = rung.make(64).layers.weight_hh_l0
            assert torch.allclose(w @ w.T, torch.eye(len(w)), atol=1e-5)


# ------------------------------------------------------------------------------------------------ the record


@pytest.fixture(scope="module")
def stored():
    return records.load(history.RECORD, ladder.Climb)


def test_the_stored_ladder_has_every_rung_three_times_per_budget_and_names_its_machine(stored):
    rows, about = stored
    assert len(about["budgets"]) == 3
    for name in rungs.NAMES:
        groups = read.by_budget(rows, name)
        assert list(groups) == about["budgets"]
        for budget, group in groups.items():
            assert [c.seed for c in group] == [0, 1, 2]
            assert all(0.9 * budget < c.flops <= budget for c in group)
            assert len({c.tokens for c in group}) == len({c.lr for c in group}) == 1
    assert [c.name for c in rows if not c.budget] == ["2-gram", "3-gram", "5-gram"]
    assert {"cpu", "cores"} <= about["hardware"].keys() and "torch" in about["versions"]


def test_the_stored_results_were_run_by_what_the_stored_trials_chose(stored):
    rows, about = stored
    for name in rungs.NAMES:
        tried = [c for c in rows if c.split == "valid" and c.name == name]
        first = [(c.size, c.optimizer, c.lr) for c in tried if c.budget == about["budgets"][0]]
        assert first == [(r.size, r.optimizer, r.lr) for r in rungs.grid(name)]
        assert len(tried) == len(first) + 2
        for budget in about["budgets"]:
            best = read.chosen(rows, budget)[name]
            for c in read.by_budget(rows, name)[budget]:
                assert (c.size, c.optimizer) == (best.size, best.optimizer) and c.lr == pytest.approx(best.lr)


# ------------------------------------------------------------------------------------------------ reading it


def one(name, seed, bits, budget, split="test", **more):
    return ladder.Climb(name, seed, bits, 7, 1.0, budget or 1.0, 1, budget, split=split, **more)


def test_scores_are_intervals_over_seeds_best_first_of_the_test_plays_alone():
    rows = [one("a", s, 2.0 + s, 10.0) for s in range(3)] + [one("b", s, 1.0 + s, 10.0) for s in range(3)]
    rows += [one("a", 0, 9.0, 30.0), one("5-gram", 0, 1.0, 0.0), one("a", 0, 0.0, 10.0, "valid")]
    scores = read.scores(rows, 10.0)
    assert list(scores) == ["b", "a"] and scores["a"].mean == 3.0 and scores["a"].n == 3
    assert len(read.results(rows)) == len(rows) - 1
    with pytest.raises(ValueError, match="no run had 7 operations; there are 10, 30"):
        read.scores(rows, 7)


def test_a_lead_is_positive_for_the_better_and_compares_the_same_seeds():
    rows = [one("a", s, 2.0 + s + 0.01 * s, 10.0) for s in (2, 0, 1)] + [
        one("b", s, 2.5 + s, 10.0) for s in (0, 1, 2)
    ]
    lead = read.lead(rows, "a", "b", 10.0)
    assert lead.mean == pytest.approx(0.49) and lead.low > 0.4
    assert read.lead(rows, "b", "a", 10.0).mean == pytest.approx(-0.49)
    for bad in (rows[1:], rows[:1] + rows[3:4]):
        with pytest.raises(ValueError, match="pairs need the same"):
            read.lead(bad, "a", "b", 10.0)


def test_what_was_chosen_is_the_best_trial_at_the_nearest_budget():
    sizes = {"feed-forward": "256 units", "RNN": "256 units", "LSTM": "384 units", "Transformer": "2 layers"}
    tried = ((10.0, 1e-2, 2.0), (10.0, 2e-2, 1.9), (90.0, 5e-3, 1.5), (90.0, 1e-2, 1.6))
    rows = [
        one(name, 0, bits, budget, "valid", size=size, optimizer="muon", lr=lr)
        for name, size in sizes.items()
        for budget, lr, bits in tried
    ]
    rows += [
        one("LSTM", 0, 0.5, 10.0, size="256 units", optimizer="adamw", lr=1.0)
    ]  # a result chooses nothing
    assert [read.chosen(rows)[n].lr for n in rungs.NAMES] == [2e-2] * 4
    rates = [read.chosen(rows, b)["LSTM"].lr for b in (1.0, 22.5, 31.0, 360.0)]
    assert rates == pytest.approx([2e-2, 2e-2 / 1.5, 5e-3, 2.5e-3])
    assert read.chosen(rows)["LSTM"].size == "384 units"
    assert [c.bits_per_byte for c in read.trials(rows, "RNN")] == [1.9, 2.0, 1.5, 1.6]
    with pytest.raises(ValueError, match="no trial of 'feed-forward' among 0 rows"):
        read.chosen([])
    with pytest.raises(ValueError, match="budget is 0"):
        read.chosen(rows, 0)


def test_an_unknown_network_or_size_is_refused():
    with pytest.raises(ValueError, match="name is 'GRU'; the networks are feed-forward, RNN"):
        list(rungs.grid("GRU"))
    with pytest.raises(ValueError, match="'LSTM' of size '9 units': there are feed-forward of 256 units"):
        rungs.rung("LSTM", "9 units", "muon", 0.1)


def test_the_figure_stands_at_the_mean_over_seeds_and_its_bars_at_the_interval():
    def run(seed, bits, seconds, budget, split="test"):
        return ladder.Climb("LSTM", seed, bits, 7, seconds, 100.0 * seconds, 1, budget, split=split)

    rows = [run(s, 2.0 + s, 10.0 + s, 10.0) for s in range(3)] + [
        run(0, 1.5, 40.0, 30.0),
        run(0, 0.1, 1, 10, "valid"),
    ]
    rows += [ladder.Climb("5-gram", 0, 2.5, 9, 3.0, 1.0, 1)]
    _, (ax,) = figure()
    read.draw_ladder(ax, rows)
    line, counted, level = ax.lines
    assert list(line.get_xdata()) == [1100.0, 4000.0] and list(line.get_ydata()) == [3.0, 1.5]
    assert list(counted.get_ydata()) == [2.5] and list(level.get_ydata()) == [2.5, 2.5]
    (segment,) = ax.collections[0].get_segments()  # one run alone has no interval
    interval = read.scores(rows, 10.0)["LSTM"]
    assert [y for _, y in segment] == pytest.approx([interval.low, interval.high])
    assert {at for at, _ in segment} == {1100.0}
    assert {t.get_text() for t in ax.texts} == {"LSTM", "5-gram"}
    with pytest.raises(ValueError, match="base is '7-gram'"):
        read.draw_ladder(ax, rows, base="7-gram")
