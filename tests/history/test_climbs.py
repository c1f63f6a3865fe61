"""The networks against the one that counts: what is drawn where, and that its names keep apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from llmbook.core.measure import intervals, records
from llmbook.core.show import svg
from llmbook.core.show.plotting import figure, label
from llmbook.history import climbs, ladder

BUDGETS = (1e11, 4e11, 1.6e12, 6.4e12)


def one(name, seed, bits, budget, split="test"):
    return ladder.Climb(name, seed, bits, 7, 1.0, budget or 1.0, 1, budget, split=split)


def made(n_budget, seeds=3):
    """The 5-gram at 2.0, and three networks that come nearer and nearer to it and to each other."""
    rows = [one("3-gram", 0, 2.2, 0.0), one("5-gram", 0, 2.0, 0.0), one("a", 0, 0.1, BUDGETS[0], "valid")]
    for i, budget in enumerate(BUDGETS[:n_budget]):
        for k, name in enumerate("abc"):
            rows += [one(name, s, 2.3 + 0.002 * k - 0.1 * i + 0.01 * s, budget) for s in range(seeds)]
    return rows


def drawn(rows):
    fig, (ax,) = figure(width=5.6, height=3.4)
    label(climbs.draw_against(ax, rows), "operations of training", "bits per byte, less the 5-gram's")
    fig.canvas.draw()
    return fig, ax


@pytest.mark.parametrize("n_budget", [3, 4])
def test_each_line_is_its_mean_less_the_base_and_each_bar_its_interval(n_budget):
    rows = made(n_budget)
    _, ax = drawn(rows)
    *lines, zero = ax.lines
    assert [line.get_label() for line in lines] == ["a", "b", "c"] and set(zero.get_ydata()) == {0.0}
    bars = [np.array(segment) for c in ax.collections for segment in c.get_segments()]
    assert len(bars) == 3 * n_budget and ax.get_xscale() == "log" and ax.get_legend() is None
    for k, line in enumerate(lines):
        assert list(line.get_xdata()) == list(BUDGETS[:n_budget])
        expected = [0.31 + 0.002 * k - 0.1 * i for i in range(n_budget)]
        assert list(line.get_ydata()) == pytest.approx(expected)
        for i, bar in enumerate(bars[k * n_budget : (k + 1) * n_budget]):
            interval = intervals.seed_interval([expected[i] + 0.01 * (s - 1) for s in range(3)])
            assert bar[:, 1] == pytest.approx([interval.low, interval.high]) and set(bar[:, 0]) == {
                BUDGETS[i]
            }


@pytest.mark.parametrize("n_budget", [3, 4])
def test_the_names_stand_right_of_the_axes_apart_and_in_the_order_of_the_ends(n_budget):
    stored, _ = records.load(ladder.RECORD, ladder.Climb)
    for rows in (made(n_budget), stored):
        fig, ax = drawn(rows)
        boxes = sorted(((t.get_text(), t.get_window_extent()) for t in ax.texts), key=lambda pair: pair[1].y0)
        ends = {line.get_label(): line.get_ydata()[-1] for line in ax.lines[:-1]} | {"5-gram": 0.0}
        assert [name for name, _ in boxes] == sorted(ends, key=lambda name: ends[name])
        for (_, low), (_, high) in pairwise(boxes):
            assert high.y0 >= low.y1
        for _, box in boxes:
            assert ax.get_window_extent().x1 < box.x0 and box.x1 <= fig.bbox.x1 and box.y0 >= 0
        assert svg.width(svg.svg(fig)) == pytest.approx(5.6 * 96, abs=1)  # nothing widens the picture


def test_one_run_alone_has_no_bar():
    _, ax = drawn(made(3, seeds=1))
    assert not ax.collections and len(ax.lines) == 4


def test_spreading_moves_nothing_that_is_far_enough_and_keeps_the_order():
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = np.sort(rng.uniform(0, 100, size=6))
        found = climbs.spread(wanted, 12.0)
        assert (np.diff(found) > 12.0 - 1e-9).all() and found.mean() == pytest.approx(wanted.mean())
    assert climbs.spread([0.0, 20.0, 45.0], 12.0).tolist() == [0.0, 20.0, 45.0]


@pytest.mark.parametrize("base", ["a", "4-gram"])
def test_only_what_counts_without_a_budget_can_be_the_base(base):
    _, (ax,) = figure()
    with pytest.raises(ValueError, match=rf"base is '{base}'; .* without a budget: 3-gram, 5-gram"):
        climbs.draw_against(ax, made(3), base)
