"""The ladder: one text, one metric, equal time; how its results are kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from llmbook import history
from llmbook.core.measure import records
from llmbook.core.show.plotting import figure
from llmbook.core.text import corpora
from llmbook.history import ladder


@pytest.fixture(scope="module")
def corpus() -> ladder.Text:
    return ladder.text(vocab_size=512, unseen_chars=20_000)


@pytest.fixture(scope="module")
def small(corpus) -> ladder.Text:
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
    chosen_on = ladder.text(vocab_size=512, unseen_chars=20_000, split="valid")
    spelled = chosen_on.decode(chosen_on.unseen.tolist())
    assert spelled == "\n".join(play.text[:20_000] for play in corpora.plays("valid"))
    assert spelled.startswith("Twelfth Night\n") and "\nKing John\n" in spelled
    assert chosen_on.train.equal(corpus.train)
    with pytest.raises(ValueError, match="'train', which the models learn from"):
        ladder.text(split="train")


def test_bits_per_byte_of_a_uniform_model_is_tokens_times_log_vocabulary_over_bytes(corpus):
    tokens = len(corpus.unseen) - 1
    assert corpus.bits_per_byte(np.log(512)) == pytest.approx(tokens * 9 / corpus.unseen_bytes)


@pytest.mark.parametrize("rung", ladder.RUNGS, ids=lambda r: r.name)
def test_every_network_trains_on_the_ladder_and_beats_a_uniform_guess(rung, small):
    climb, model = ladder.climb(rung, small, seconds=1.5, seed=0)
    # 1.3 bits a letter is what people needed (Shannon 1951): less, after a second and a half, would be a leak
    assert 1.3 < climb.bits_per_byte < small.bits_per_byte(np.log(small.vocab_size))
    assert climb.parameters == sum(p.numel() for p in model.parameters())
    assert climb.flops == 6.0 * ladder.matrix_parameters(model) * climb.tokens
    text = ladder.sample(model, small, "KING", 5, seed=1)
    assert text.startswith("KING") and text == ladder.sample(model, small, "KING", 5, seed=1)


@pytest.mark.parametrize("rung", ladder.RUNGS, ids=lambda r: r.name)
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


def test_matrix_parameters_leave_out_what_is_only_looked_up():
    model = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 10))
    assert ladder.matrix_parameters(model) == 40


def test_the_stored_ladder_has_every_rung_three_times_per_budget_and_names_its_machine():
    climbs, about = records.load(history.RECORD, ladder.Climb)
    assert len(about["seconds"]) >= 2
    for rung in ladder.RUNGS:
        groups = ladder.by_budget(climbs, rung.name)
        assert list(groups) == about["seconds"]
        for budget, group in groups.items():
            assert sorted(c.seed for c in group) == [0, 1, 2]
            assert all(budget <= c.seconds < budget + 5 for c in group)
    assert {"cpu", "cores"} <= about["hardware"].keys() and "torch" in about["versions"]


def test_scores_are_intervals_over_seeds_best_first():
    def one(name, seed, bits, budget):
        return ladder.Climb(name, seed, bits, 1, budget, 1.0, 1, budget)

    climbs = [one("a", s, 2.0 + s, 10.0) for s in range(3)] + [one("b", s, 1.0 + s, 10.0) for s in range(3)]
    climbs += [one("a", 0, 9.0, 30.0), ladder.Climb("5-gram", 0, 1.0, 1, 1.0, 1.0, 1)]
    scores = ladder.scores(climbs, 10.0)
    assert list(scores) == ["b", "a"] and scores["a"].mean == 3.0 and scores["a"].n == 3
    with pytest.raises(ValueError, match=r"no run had 7 s; there are \[10.0, 30.0\]"):
        ladder.scores(climbs, 7)


def test_the_figure_stands_at_the_mean_over_seeds_and_its_bars_at_the_interval():
    def one(seed, bits, seconds, budget):
        return ladder.Climb("LSTM", seed, bits, 7, seconds, 100.0 * seconds, 1, budget)

    climbs = [one(s, 2.0 + s, 10.0 + s, 10.0) for s in range(3)] + [one(0, 1.5, 40.0, 30.0)]
    climbs += [ladder.Climb("5-gram", 0, 2.5, 9, 3.0, 1.0, 1)]
    _, (ax, bx) = figure(2)
    for axes, what, x in ((ax, "seconds", [11.0, 40.0]), (bx, "flops", [1100.0, 4000.0])):
        ladder.draw_ladder(axes, climbs, what)
        line, counted = axes.lines
        assert list(line.get_xdata()) == x and list(line.get_ydata()) == [3.0, 1.5]
        assert list(counted.get_ydata()) == [2.5]
        (segment,) = axes.collections[0].get_segments()  # one run alone has no interval
        interval = ladder.scores(climbs, 10.0)["LSTM"]
        assert [y for _, y in segment] == pytest.approx([interval.low, interval.high])
        assert {at for at, _ in segment} == {x[0]}
