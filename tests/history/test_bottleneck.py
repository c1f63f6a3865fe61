"""Reversal over sizes of the state: what is trained, what is stored."""

from __future__ import annotations

import pytest

from llmbook.core.measure import records
from llmbook.history import bottleneck, reversal
from llmbook.history.bottleneck import Reversed


def test_every_size_is_trained_with_and_without_attention_on_the_same_seeds_and_steps(monkeypatch):
    trained = []

    def train(attention, *, steps, seed, n_hidden):
        trained.append((steps, n_hidden, attention, seed))
        return trained[-1]

    def right(model, lengths, *, seed):
        assert model[-1] == seed
        return {n: 1 / n for n in lengths}

    monkeypatch.setattr(bottleneck, "train_to_reverse", train)
    monkeypatch.setattr(bottleneck, "reversed_right", right)
    rows = list(bottleneck.measure([16, 64], [250, 2000], 2))
    assert trained == [
        (n, size, a, s) for n in (250, 2000) for size in (16, 64) for a in (False, True) for s in (0, 1)
    ]
    assert [(r.steps, r.n_hidden, r.attention, r.seed) for r in rows[:: len(bottleneck.LENGTHS)]] == trained
    assert all(r.right == 1 / r.length for r in rows)


def test_the_size_of_the_state_is_that_which_is_asked_for_and_64_by_itself():
    assert reversal.train_to_reverse(False, steps=1, n_hidden=5).encoder.hidden_size == 5
    model = reversal.train_to_reverse(True, steps=1)
    assert model.encoder.hidden_size == model.decoder.hidden_size == 64


def made():
    return [
        Reversed(attention, size, steps, seed, at, min(1.0, (1 + attention) * size / at / 100 + 0.1 * seed))
        for attention in (False, True)
        for size in (64, 16)
        for steps in (250, 500)
        for seed in (1, 0)
        for at in bottleneck.LENGTHS
    ]


def test_shares_are_those_of_one_model_in_the_order_of_seeds():
    found = bottleneck.share_right(made(), False, 16, 500)
    assert list(found) == list(bottleneck.LENGTHS) and found[2] == pytest.approx([0.08, 0.18])
    with pytest.raises(ValueError, match="no model of 32 units after 250 steps with attention=True"):
        bottleneck.share_right(made(), True, 32, 250)


def test_the_stored_record_has_every_length_of_every_model_three_times():
    rows, about = records.load(bottleneck.RECORD, Reversed)
    for attention in (False, True):
        for size in about["sizes"]:
            for steps in about["steps"]:
                found = bottleneck.share_right(rows, attention, size, steps)
                assert list(found) == list(bottleneck.LENGTHS)
                assert all(
                    len(shares) == 3 and 0 <= min(shares) <= max(shares) <= 1 for shares in found.values()
                )
    assert len(rows) == 2 * len(about["sizes"]) * len(about["steps"]) * 3 * len(bottleneck.LENGTHS)
