"""Exclusive or with few hidden neurons, solved or stuck (`llmbook.neural_networks.stuck`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.core.measure import records
from llmbook.core.measure.intervals import wilson_interval
from llmbook.neural_networks import (
    MLP,
    STUCK,
    XOR,
    Trained,
    cross_entropy,
    fit,
    solved_by_size,
    stuck,
    stuck_runs,
)


def test_solved_takes_all_four_points_and_a_low_loss():
    assert Trained(2, 0, 4, 0.09).solved
    assert not Trained(2, 0, 3, 0.09).solved and not Trained(2, 0, 4, 0.11).solved


def test_a_run_is_plain_descent_from_its_seed_and_is_scored_after_the_last_step():
    points, labels = XOR
    model = MLP((2, 3, 2), "tanh", seed=5)
    fit(model, points, labels, lr=0.5, steps=40)
    found = stuck.train(3, seed=5, lr=0.5, steps=40)
    assert found.loss == float(cross_entropy(model(points), labels).value)
    assert found.n_right == int((model.predict(points) == labels).sum())


def test_every_size_gets_the_same_seeds():
    rows = list(stuck.measure([2, 8], seeds=3, lr=0.5, steps=1))
    assert [(r.n_hidden, r.seed) for r in rows] == [(n, k) for n in (2, 8) for k in range(3)]


def test_shares_are_counted_by_size_with_wilsons_interval():
    rows = [Trained(n, k, 4, 0.01 if k < n else 0.3) for n in (3, 2) for k in range(10)]
    found = solved_by_size(rows)
    assert found == {2: (2, wilson_interval(2, 10)), 3: (3, wilson_interval(3, 10))} and list(found) == [2, 3]
    with pytest.raises(ValueError, match="no rows"):
        solved_by_size([])


def test_the_stored_runs_are_whole_and_more_neurons_never_solve_less_often():
    rows, about = records.load(STUCK, Trained)
    sizes, seeds = about["sizes"], about["seeds"]
    assert [(r.n_hidden, r.seed) for r in rows] == [(n, k) for n in sizes for k in range(seeds)]
    assert all(0 <= r.n_right <= 4 and np.isfinite(r.loss) and r.loss > 0 for r in rows)
    counts = [n for n, _ in solved_by_size(rows).values()]
    assert counts == sorted(counts) and counts[0] < seeds
    again = stuck.train(rows[0].n_hidden, rows[0].seed, about["lr"], about["steps"])
    assert again.n_right == rows[0].n_right and again.loss == pytest.approx(rows[0].loss, rel=1e-3)


def test_stuck_are_all_that_did_not_solve_it_of_the_size_asked_for():
    rows = [Trained(2, 0, 4, 0.01), Trained(2, 1, 2, 0.35), Trained(3, 0, 4, 0.2), Trained(3, 1, 4, 0.05)]
    assert stuck_runs(rows) == [rows[1], rows[2]] and stuck_runs(rows, 3) == [rows[2]]
    assert stuck_runs(rows, 8) == []


def test_the_stored_stuck_runs_end_at_half_a_coins_loss():
    rows, _ = records.load(STUCK, Trained)
    found = stuck_runs(rows)
    assert len(found) + sum(row.solved for row in rows) == len(rows) and found
    assert all(abs(row.loss - np.log(2) / 2) < 0.004 and row.n_right == 2 for row in found)
