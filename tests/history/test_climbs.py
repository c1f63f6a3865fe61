"""The networks against the one that counts: what is drawn where, and that its names keep apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from llmbook.core.measure import intervals, records
from llmbook.core.show import svg
from llmbook.core.show.plotting import figure, label
from llmbook.history import climbs, ladder, longer

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


def test_on_logarithmic_axes_a_power_law_has_one_slope_and_is_drawn_onto_its_own_straight_line():
    rows = [one("5-gram", 0, 2.0, 0.0)]
    rows += [one("a", s, 3.0 * (b / BUDGETS[0]) ** -0.1, b) for b in BUDGETS for s in range(3)]
    rows += [one("b", s, 3.0 - 0.2 * i + 0.01 * s, b) for i, b in enumerate(BUDGETS) for s in range(3)]
    rows += [one("a", 0, 0.1, BUDGETS[0], "valid")]
    assert climbs.fall(rows, "a") == pytest.approx([-0.1] * 3)
    means = np.array([3.01, 2.81, 2.61, 2.41])
    assert climbs.fall(rows, "b") == pytest.approx(np.diff(np.log(means)) / np.log(4))
    for straight, gap in (("a", 0.0), ("b", 2.41 - 3.01 * (2.81 / 3.01) ** 3)):
        _, (ax,) = figure(width=5.6, height=3.8)
        climbs.draw_scaling(ax, rows, straight)
        lines = {line.get_label(): line for line in ax.lines if line.get_linestyle() == "-"}
        (dotted,) = (line for line in ax.lines if line.get_linestyle() == ":")
        assert list(lines) == ["a", "b"] and lines["b"].get_ydata() == pytest.approx(means)
        assert lines[straight].get_ydata()[:2] == pytest.approx(dotted.get_ydata()[:2])
        assert lines[straight].get_ydata()[-1] - dotted.get_ydata()[-1] == pytest.approx(gap)
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert [t.get_text() for t in ax.get_xticklabels()] == [
            "1.0×10¹¹",
            "4.0×10¹¹",
            "1.6×10¹²",
            "6.4×10¹²",
        ]


def test_names_beside_a_logarithmic_axis_stand_at_the_ends_of_their_lines():
    stored = [row for r in (ladder.RECORD, longer.RECORD) for row in records.load(r, ladder.Climb)[0]]
    fig, (ax,) = figure(width=5.6, height=3.8)
    label(climbs.draw_scaling(ax, stored), "operations of training", "bits per byte")
    fig.canvas.draw()
    ends = {line.get_label(): line.get_ydata()[-1] for line in ax.lines if line.get_linestyle() == "-"}
    boxes = {t.get_text(): t.get_window_extent() for t in ax.texts}
    assert set(boxes) == {*ends, "straight on"}
    for name, end in ends.items():
        middle = (boxes[name].y0 + boxes[name].y1) / 2
        assert abs(middle - ax.transData.transform((1e12, end))[1]) < 15  # pixels: spread, but near
    order = sorted(boxes.values(), key=lambda box: box.y0)
    assert all(high.y0 >= low.y1 for low, high in pairwise(order))
    assert svg.width(svg.svg(fig)) == pytest.approx(5.6 * 96, abs=1)


def test_names_that_a_logarithmic_axis_keeps_apart_stay_where_their_lines_end():
    _, (ax,) = figure(width=5.6, height=3.8)
    ax.set(yscale="log", ylim=(1, 1e4))
    climbs.name_ends(ax, {"one": (1.5, "k"), "two": (30.0, "k"), "three": (600.0, "k")})
    assert [t.xyann[1] for t in ax.texts] == pytest.approx([0.0] * 3)


def test_one_budget_has_no_slope():
    rows = made(1)
    for ask in (climbs.fall, lambda rows, name: climbs.draw_scaling(figure()[1][0], rows, name)):
        with pytest.raises(ValueError, match="a had 1 budgets; a slope needs two"):
            ask(rows, "a")


def test_the_ladder_s_axis_ends_at_ticks_beyond_every_bar():
    stored = [row for r in (ladder.RECORD, longer.RECORD) for row in records.load(r, ladder.Climb)[0]]
    fig, (ax,) = figure(width=5.6, height=4.2)
    climbs.draw_ladder(ax, stored)
    fig.canvas.draw()
    low, high = ax.get_ylim()
    drawn = [y for c in ax.collections for segment in c.get_segments() for _, y in segment]
    assert low < min(drawn) and max(drawn) < high
    ticks = ax.get_yticks()
    assert np.isclose(ticks, low).any() and np.isclose(ticks, high).any()
