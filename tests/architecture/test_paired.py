"""Differences in pairs: the right rows meet, and what cannot be paired is refused."""

from __future__ import annotations

import pytest

from llmbook.architecture import paired
from llmbook.architecture.families import FAMILIES, FamilyRun
from llmbook.architecture.length_extrapolation import POSITIONS, WindowScore
from llmbook.core.measure.intervals import seed_interval
from llmbook.core.measure.records import load


def scores(order=(0, 1, 2), length=64):
    """rope is 0.1 better than sinusoidal at each seed, and seeds differ by whole bits."""
    at = {"sinusoidal": 0.1, "rope": 0.0}
    return [
        WindowScore(kind, 9, seed, length, 2.0 + seed + more) for seed in order for kind, more in at.items()
    ]


def test_a_difference_that_every_seed_shows_is_certain_where_the_seeds_themselves_differ_much():
    (difference,) = paired.positions_pairs(scores()).values()
    assert difference.mean == pytest.approx(0.1) and difference.low > 0.09 and difference.n == 3
    separate = {k: seed_interval([s.bits for s in scores() if s.kind == k]) for k in ("sinusoidal", "rope")}
    assert separate["rope"].high > separate["sinusoidal"].low  # which two separate intervals cannot see


def test_rows_are_paired_by_their_seed_and_not_by_their_order():
    rows = [r for r in scores() if r.kind == "rope"] + [r for r in scores((2, 0, 1)) if r.kind != "rope"]
    assert paired.positions_pairs(rows)["rope", "sinusoidal"].high == pytest.approx(-0.1)


def test_only_the_length_and_the_steps_that_are_asked_for_count():
    rows = scores() + [WindowScore(s.kind, 9, s.seed, 512, -s.bits) for s in scores()]
    assert paired.positions_pairs(rows) == paired.positions_pairs(scores())
    assert paired.positions_pairs(rows, 512)["sinusoidal", "rope"].mean == pytest.approx(-0.1)
    runs = [FamilyRun(f, n, s, x / n, 1) for n in (90, 360) for s in (0, 1) for f, x in (("a", 45), ("b", 9))]
    assert paired.family_pairs(runs, 90)["a", "b"].mean == pytest.approx(0.4)
    assert paired.family_pairs(runs, 360)["a", "b"].mean == pytest.approx(0.1)


def test_what_makes_no_pairs_is_refused():
    with pytest.raises(ValueError, match="seeds \\[0, 1\\]"):
        paired.positions_pairs(scores()[:-1])
    with pytest.raises(ValueError, match="two values for seed 0"):
        paired.positions_pairs(scores() + scores((0,)))
    with pytest.raises(ValueError, match="length is 65; choose one of 64"):
        paired.positions_pairs(scores(), 65)
    with pytest.raises(ValueError, match="steps is 4; choose one of \\[\\]"):
        paired.family_pairs([], 4)


def test_every_two_kinds_of_the_stored_records_are_compared():
    positions, _ = load(POSITIONS, WindowScore)
    assert len(paired.positions_pairs(positions)) == 10  # five kinds at the trained length
    assert len(paired.positions_pairs(positions, 512)) == 6  # learned positions have ended
    runs, _ = load(FAMILIES, FamilyRun)
    by_hand = [r.exact for r in sorted(runs, key=lambda r: r.seed) if (r.family, r.steps) == ("causal", 360)]
    other = [
        r.exact for r in sorted(runs, key=lambda r: r.seed) if (r.family, r.steps) == ("encoder-decoder", 360)
    ]
    mean = sum(b - a for a, b in zip(by_hand, other, strict=True)) / len(other)
    assert paired.family_pairs(runs, 360)["encoder-decoder", "causal"].mean == pytest.approx(mean)
