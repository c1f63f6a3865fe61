"""Plain descent on a bowl, and the rate at which it turns (`llmbook.neural_networks.bowl`)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmbook.core.show import plotting as plot
from llmbook.neural_networks import (
    curvature,
    descend,
    descend_bowl,
    draw_descent,
    draw_stability,
    left_by_a_step,
    longest_rate,
)


def test_nudging_finds_the_second_derivative_where_it_is_asked():
    assert curvature(math.exp, at=1.0) == pytest.approx(math.e, rel=1e-5)
    assert curvature(lambda w: w**3, at=2.0) == pytest.approx(12, rel=1e-5)
    assert curvature(lambda w: 5 * w - 1, at=3.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("c", [0.5, 8.0, 200.0])
def test_below_the_longest_rate_descent_arrives_and_above_it_flees(c):
    limit = longest_rate(c)
    for share, near in ((0.2, True), (0.9, True), (1.1, False), (2.0, False)):
        far = abs(descend_bowl(share * limit, c, lowest=3.0, start=1.0, steps=50) - 3.0)
        assert (far[-1] < 0.01) == near and (far[-1] > 100) != near
    np.testing.assert_allclose(descend_bowl(limit, c, 3.0, 1.0, 4), [1, 5, 1, 5, 1])


def test_every_step_leaves_the_share_of_the_formula_sign_included():
    for lr in (0.01, 0.2, 0.3):
        away = descend_bowl(lr, 8.0, lowest=-2.0, start=1.0, steps=5) + 2.0
        np.testing.assert_allclose(away[1:] / away[:-1], left_by_a_step(lr, 8.0))


def test_it_is_the_descent_of_the_books_optimizer():
    def bowl(p):
        return (p * p * np.array([0.5, 100.0])).sum()

    way = descend("SGD", 0.009, steps=20, loss=bowl)
    for i, c in enumerate((1.0, 200.0)):
        np.testing.assert_allclose(way[:, i], descend_bowl(0.009, c, 0.0, way[0, i], 20), atol=1e-12)


@pytest.mark.parametrize("c", [0.0, -1.0, math.nan])
def test_what_is_no_bowl_has_no_longest_rate(c):
    with pytest.raises(ValueError, match="a bowl has one above 0"):
        longest_rate(c)


def test_the_pictures_hold_the_steps_and_tell_the_rates_that_climb():
    _, (ax,) = plot.figure()
    ws = descend_bowl(0.2, 8.0, 3.0, 1.0, 4)
    draw_descent(ax, ws, 8.0, lowest=3.0)
    curve, path, start = ax.lines
    np.testing.assert_allclose(path.get_xydata(), np.column_stack((ws, 4 * (ws - 3) ** 2)))
    np.testing.assert_allclose(curve.get_ydata(), 4 * (curve.get_xdata() - 3) ** 2)
    assert start.get_xydata().tolist() == [[1.0, 16.0]] and path.get_label() == "4 steps"
    _, (ax,) = plot.figure()
    draw_stability(ax, 8.0, [(0.1, 0.2), (0.25, 1.0), (0.3, 1.4)])
    points = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert points["comes closer"] == [[0.1, 0.2]] and points["does not"] == [[0.25, 1.0], [0.3, 1.4]]
    line = next(line for line in ax.lines if line.get_label().startswith("|1"))
    np.testing.assert_allclose(line.get_ydata(), abs(1 - 8 * line.get_xdata()))
    assert ax.patches[0].get_x() == 0.25
    plot.plt.close("all")
