"""The marked letter with more training: at which rates, until when, and how its rows are read."""

from __future__ import annotations

import pytest

from llmbook.core.measure import records
from llmbook.history import recall, recall_longer


def run(name, seed, share, times=1, task="marked", split="test", lr=0.004):
    flops = 0.997 * 8e11 * times
    return [recall.Recall(task, name, seed, d, share, lr, flops, 1, 1.0, split) for d in recall.DISTANCES]


@pytest.fixture
def pretended(monkeypatch):
    """Runs that learn nothing below ``finds`` times the operations; every call is kept."""
    calls, finds = [], {"Transformer": 8, "LSTM": 1}

    def pretend(task, name, lr, flops, seed=0, split="test", *, amp=False):
        calls.append((task, name, round(flops / 8e11), seed, lr, amp))
        return run(name, seed, 0.95 if flops >= finds[name] * 8e11 else 0.03, round(flops / 8e11), lr=lr)

    monkeypatch.setattr(recall, "recall", pretend)
    return calls, finds


def test_the_rate_is_the_chosen_one_over_the_square_root_of_the_ratio(pretended):
    calls, _ = pretended
    rates = recall_longer.chosen_rates(records.load(recall.RECORD, recall.Recall)[0])
    rows = list(recall_longer.measure(8e11, {"LSTM": [4], "Transformer": [8, 4]}, 3, True))
    expected = [("Transformer", 4), ("Transformer", 8), ("LSTM", 4)]
    assert calls == [
        ("marked", name, k, seed, rates[name] / k**0.5, True) for name, k in expected for seed in range(3)
    ]
    assert len(rows) == 9 * len(recall.DISTANCES)


def test_the_transformer_stops_when_every_seed_has_found_the_task(pretended):
    calls, finds = pretended
    finds["Transformer"] = 4
    list(recall_longer.measure(8e11, {"Transformer": [4, 8]}, 2, False))
    assert [k for _, _, k, *_ in calls] == [4, 4]


def test_rates_come_from_results_of_this_task_alone():
    rows = run("LSTM", 0, 0.9, lr=0.02) + run("Transformer", 0, 0.1, lr=0.004)
    rows += run("LSTM", 0, 0.9, lr=1.0, split="valid") + run("LSTM", 0, 0.9, lr=2.0, task="own")
    assert recall_longer.chosen_rates(rows) == {"LSTM": 0.02, "Transformer": 0.004}
    with pytest.raises(ValueError, match=r"LSTM has results at the rates \[0.02, 0.03\]"):
        recall_longer.chosen_rates(rows + run("LSTM", 1, 0.9, lr=0.03))


def test_shares_are_read_by_budget_seed_and_distance_and_found_means_by_every_seed():
    rows = [row for k, shares in ((8, (0.95, 0.9)), (4, (0.95, 0.89)), (1, (0.0, 0.0)))
            for seed, share in enumerate(shares) for row in run("LSTM", seed, share, k)]  # fmt: skip
    rows += (
        run("LSTM", 0, 1.0, 2, task="own")
        + run("LSTM", 0, 1.0, 2, split="valid")
        + run("Transformer", 0, 0.1)
    )
    found = recall_longer.shares(rows, "LSTM")
    assert list(found) == [1, 4, 8] and list(found[4]) == [0, 1]
    assert found[4][1] == dict.fromkeys(recall.DISTANCES, 0.89)
    assert recall_longer.first_found(rows, "LSTM") == 8
    assert recall_longer.first_found(rows, "Transformer") is None
    with pytest.raises(ValueError, match="no result of 'GRU'"):
        recall_longer.first_found(rows, "GRU")


@pytest.mark.skipif(not recall_longer.RECORD.path.exists(), reason="not measured yet")
def test_the_stored_record_is_whole():
    rows, about = records.load(recall_longer.RECORD, recall.Recall)
    for name, budgets in about["times"].items():
        found = recall_longer.shares(rows, name)
        done = list(found)
        assert done == budgets[: len(done)] and done
        assert done == budgets or recall_longer.first_found(rows, name) == done[-1]
        assert all(list(seeds) == [0, 1, 2] for seeds in found.values())
        assert all(list(s) == list(recall.DISTANCES) for seeds in found.values() for s in seeds.values())
