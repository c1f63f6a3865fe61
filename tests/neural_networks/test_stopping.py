"""Overfitting in time, early stopping and weight decay (`llmbook.neural_networks.stopping`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.core.measure import records
from llmbook.core.show import plotting as plot
from llmbook.neural_networks import (
    MLP,
    STOPPING,
    AdamW,
    Course,
    accuracy,
    best_decay,
    by_decay,
    cross_entropy,
    draw_courses,
    own_bags,
    split_news,
    stopping,
)


def course(seed=0, decay=0.0, valid=(3.0, 1.0, 2.0)):
    return Course(
        seed, decay, [0, 10, 20], train=[3.0, 1.0, 0.5], valid=list(valid), test=[3, 2, 2], right=[0, 1, 1]
    )


@pytest.fixture(scope="module")
def short():
    return list(stopping.measure(seeds=2, decays=[0.0, 1.0], steps=6, every=3, n_read=10))


def test_a_run_is_the_books_adamw_on_batches_of_64_and_looks_before_the_first_step(short):
    news = split_news(1)
    parts = (news.train, news.valid, news.test)
    bags = own_bags(*([" ".join(stopping.words(t)[:10]) for t in p.texts] for p in parts))
    model, rng = MLP((bags[0].shape[1], 32, 5), seed=1), np.random.default_rng(1)
    optimizer, seen = AdamW(model.parameters(), 0.01, weight_decay=1.0), []
    for step in range(7):
        if step % 3 == 0:
            seen.append(
                [float(cross_entropy(model(x), p.labels).value) for x, p in zip(bags, parts, strict=True)]
            )
        rows = rng.integers(len(bags[0]), size=64)
        last = accuracy(model.predict(bags[2]), news.test.labels)
        cross_entropy(model(bags[0][rows]), news.train.labels[rows]).backward()
        optimizer.step()
    run = short[3]
    assert (run.seed, run.weight_decay, run.steps) == (1, 1.0, [0, 3, 6])
    np.testing.assert_allclose(np.array(seen).T, [run.train, run.valid, run.test], atol=1e-4)
    assert run.right[-1] == pytest.approx(last, abs=1e-4)


def test_amounts_of_decay_share_split_start_and_batches(short):
    assert [(r.seed, r.weight_decay) for r in short] == [(0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0)]
    assert short[0].train[0] == short[1].train[0] != short[2].train[0]
    assert short[0].train[-1] < short[1].train[-1]


def test_it_stops_at_the_lowest_validation_loss_and_not_at_the_lowest_test_loss():
    run = Course(0, 0.0, [0, 1, 2], train=[3, 2, 1], valid=[3, 1, 2], test=[3, 2, 1], right=[0, 0, 0])
    assert run.stop == 1


def test_decay_is_chosen_by_the_validation_articles_and_never_none():
    runs = by_decay([course(0, 0.0, (1, 1, 0.1)), course(0, 3.0, (1, 0.2, 2)), course(0, 0.3, (1, 1, 1.5))])
    assert list(runs) == [0.0, 0.3, 3.0] and best_decay(runs) == 0.3
    with pytest.raises(ValueError, match="none above 0"):
        best_decay({0.0: [course()]})


def test_amounts_with_other_seeds_are_no_comparison():
    with pytest.raises(ValueError, match="different lists of seeds"):
        by_decay([course(0, 0.0), course(1, 0.3)])
    with pytest.raises(ValueError, match="different lists of seeds"):
        by_decay([])


@pytest.mark.parametrize("steps, every", [(10, 3), (0, 1), (5, 0)])
def test_steps_that_do_not_fit_are_refused_before_the_work(steps, every):
    with pytest.raises(ValueError, match="multiple of every"):
        next(stopping.measure(1, [0.0], steps, every, 25))


def test_only_first_words_are_read():
    assert stopping.first_words(["One, two three", "four"], 2) == ["one two", "four"]
    for texts, n in (("one two", 2), (["one"], 0)):
        with pytest.raises(ValueError, match="at least one word"):
            stopping.first_words(texts, n)


def test_the_picture_marks_the_lowest_mean_and_its_band_holds_every_seed():
    _, (ax,) = plot.figure()
    draw_courses(ax, [course(0, valid=(3, 1, 2)), course(1, valid=(3, 2, 0.5))])
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["validation articles"].get_ydata().tolist() == [3, 1.5, 1.25]
    assert lines["training articles"].get_ydata().tolist() == [3, 1, 0.5]
    assert lines["lowest: stop here"].get_xydata().tolist() == [[20, 1.25]]
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert {(10.0, 1.0), (10.0, 2.0), (20.0, 0.5), (20.0, 2.0)} <= {tuple(xy) for xy in corners.tolist()}
    plot.plt.close("all")


def test_the_stored_runs_are_whole_and_the_first_can_be_measured_again():
    rows, about = records.load(STOPPING, Course)
    assert [(r.seed, r.weight_decay) for r in rows] == [
        (s, d) for s in range(about["seeds"]) for d in about["decays"]
    ]
    again = next(stopping.measure(1, [0.0], about["every"], about["every"], about["n_read"]))
    for part in ("train", "valid", "test"):
        assert getattr(again, part) == pytest.approx(getattr(rows[0], part)[:2], abs=1e-3)
