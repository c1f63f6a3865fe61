"""Reversal over sizes of the state: what is trained, what is stored, what is drawn."""

from __future__ import annotations

import pytest

from llmbook.core.measure import records
from llmbook.core.show.plotting import figure
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


def test_the_figure_has_a_line_per_size_and_kind_at_the_mean_over_seeds():
    fig, (ax,) = figure(width=5.6, height=3.8)
    bottleneck.draw_bottleneck(ax, made(), 250)
    *lines, longest = ax.lines
    names = ["16 units", "64 units", "16 units, attention", "64 units, attention"]
    assert [line.get_label() for line in lines] == [t.get_text() for t in fig.legends[0].get_texts()] == names
    assert set(longest.get_xdata()) == {12}
    for line, (attention, size) in zip(lines, ((0, 16), (0, 64), (1, 16), (1, 64)), strict=True):
        seeds = [bottleneck.share_right(made(), bool(attention), size, 250)[at] for at in bottleneck.LENGTHS]
        assert list(line.get_ydata()) == pytest.approx([sum(pair) / 2 for pair in seeds])
        assert (line.get_linestyle() == "--") == bool(attention)
    fig.canvas.draw()
    box = fig.legends[0].get_window_extent()
    assert box.y1 < ax.get_window_extent().y0 and box.x0 >= 0 and box.x1 <= fig.bbox.x1


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
