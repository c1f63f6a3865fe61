"""Intervals of a share and of a difference without pairs (`llmbook.core.measure.intervals`)."""

from __future__ import annotations

import math
import random
from itertools import product
from statistics import NormalDist, mean, variance

import pytest

from llmbook.core.measure.intervals import (
    seed_interval,
    sign_test,
    t_quantile,
    unpaired_difference,
    wilson_interval,
)


def test_wilsons_bounds_are_the_shares_that_the_count_is_just_compatible_with():
    """The bounds solve |p̂ − p| = z √(p (1 − p) / n): Wilson's definition."""
    for n_right, n, level in ((13, 20, 0.95), (1, 50, 0.99), (7, 7, 0.9), (0, 12, 0.95)):
        i, z = wilson_interval(n_right, n, level), NormalDist().inv_cdf((1 + level) / 2)
        for p in (i.low, i.high):
            if 0 < p < 1:
                assert abs(n_right / n - p) == pytest.approx(z * math.sqrt(p * (1 - p) / n))
        assert (i.mean, i.n, i.level) == (n_right / n, n, level)


def test_nobody_and_everybody_still_leave_a_doubt():
    none, all_ = wilson_interval(0, 10), wilson_interval(10, 10)
    assert none.low == 0 < none.high < 0.4 and all_.high == 1 > all_.low > 0.6
    assert all_.low == pytest.approx(1 - none.high)


def test_wilsons_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = random.Random(0), 0
    for _ in range(1000):
        covered += 0.3 in wilson_interval(sum(rng.random() < 0.3 for _ in range(40)), 40)
    assert 0.92 < covered / 1000 < 0.98


@pytest.mark.parametrize(("n_right", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_are_none_are_refused(n_right, n):
    with pytest.raises(ValueError, match="at least one answer"):
        wilson_interval(n_right, n)
    with pytest.raises(ValueError, match="level is 1"):
        wilson_interval(1, 2, level=1)


def test_welchs_interval_by_hand():
    a, b = [1.0, 4.0, 5.0, 6.0], [2.0, 2.5, 2.0]
    u, v = variance(a) / 4, variance(b) / 3
    df = math.floor((u + v) ** 2 / (u**2 / 3 + v**2 / 2))
    found = unpaired_difference(a, b)
    assert found.mean == pytest.approx(mean(a) - mean(b)) and found.n == 3
    assert found.high - found.mean == pytest.approx(t_quantile(0.975, df) * math.sqrt(u + v))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_a_difference_turned_round_is_its_negative_and_one_without_spread_has_no_width():
    a, b = [1.0, 2.0, 4.0], [5.0, 5.5, 7.0, 7.0]
    one, other = unpaired_difference(a, b), unpaired_difference(b, a)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    same = unpaired_difference([1.0, 1.0], [3.0, 3.0, 3.0])
    assert (same.low, same.mean, same.high) == (-2, -2, -2)


def test_with_a_constant_on_one_side_it_is_students_interval_of_the_other():
    a = [1.0, 2.0, 4.0, 4.5]
    found, plain = unpaired_difference(a, [1.0, 1.0]), seed_interval(a)
    assert (found.low + 1, found.high + 1) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("b", [[1.0], [1.0, math.nan], []])
def test_too_few_values_and_no_numbers_are_refused(b):
    with pytest.raises(ValueError, match=r"at least 2 numbers|nan or inf"):
        unpaired_difference([1.0, 2.0], b)


def test_the_sign_test_counts_the_tosses_that_are_at_least_as_uneven():
    tosses = [sum(t) for t in product((0, 1), repeat=7)]
    for right in range(8):
        uneven = abs(right - 3.5)
        expected = sum(abs(t - 3.5) >= uneven for t in tosses) / len(tosses)
        assert sign_test([0.3] * right + [-2.0] * (7 - right) + [0.0]) == pytest.approx(expected)
    assert sign_test([0.0]) == 1.0
