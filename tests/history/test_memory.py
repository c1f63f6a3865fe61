"""How far back gradients reach: which texts, networks and starts are looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from llmbook import history
from llmbook.core.measure.intervals import seed_interval
from llmbook.core.show.plotting import figure
from llmbook.history import memory, recurrent
from llmbook.history.starts import help_start

KINDS = ("rnn", "gru", "lstm")


@pytest.fixture
def measured(monkeypatch):
    """The networks and the texts whose gradients are taken."""
    calls: list[tuple[recurrent.RecurrentLM, torch.Tensor]] = []
    real = recurrent.gradient_by_distance

    def spy(model, ids, *args):
        calls.append((model, ids.clone()))
        return real(model, ids, *args)

    monkeypatch.setattr(recurrent, "gradient_by_distance", spy)
    return calls


def test_every_kind_and_start_reads_the_same_random_text_and_another_seed_is_another_text_and_network(
    measured,
):
    memory.reach(("rnn", "lstm"), distance=8, seed=5, seeds=2, n=4)
    texts = [ids for _, ids in measured]
    assert len(texts) == 8 and texts[0].shape == (4, 9)  # kinds x starts x seeds
    assert all(torch.equal(texts[i], texts[i % 2]) for i in range(8)) and not torch.equal(texts[0], texts[1])
    one, other = (next(measured[i][0].parameters()) for i in (0, 1))
    assert not torch.equal(one, other)
    again = memory.reach(("rnn",), ("plain",), distance=8, seed=6, seeds=2, n=4)["rnn", "plain"]
    assert (
        again.per_seed[0] == memory.reach(("rnn",), ("plain",), 8, 5, 2, 4)["rnn", "plain"].per_seed[1]
    ).all()


def test_plain_networks_start_as_pytorch_draws_them(measured):
    memory.reach(KINDS, ("plain",), distance=4, seeds=2, n=2)
    for model, _ in measured:
        for p in model.layers.parameters():
            assert p.abs().max() <= 128**-0.5  # torch draws from -1/sqrt(N) to 1/sqrt(N)


def test_helped_networks_differ_by_their_remedy_alone(measured):
    memory.reach(KINDS, distance=4, seeds=2, n=2)
    for at in range(0, len(measured), 4):
        (plain, _), (helped, _) = measured[at], measured[at + 2]
        before = dict(plain.named_parameters())
        changed = {n: p - before[n] for n, p in helped.named_parameters() if not torch.equal(p, before[n])}
        (name,) = changed
        if plain.kind == "rnn":
            assert name == "layers.weight_hh_l0"
            w = helped.layers.weight_hh_l0
            torch.testing.assert_close(w @ w.T, torch.eye(128), atol=1e-5, rtol=0)
        else:
            gate = torch.zeros(len(changed[name]))
            gate[128:256] = 1  # LSTM: forget, of i f g o; GRU: update, of r z n
            assert name == "layers.bias_ih_l0" and torch.allclose(changed[name], gate, atol=1e-6)


def test_the_opened_gate_is_the_one_that_keeps_the_past():
    for kind in ("gru", "lstm"):
        torch.manual_seed(0)
        model = help_start(recurrent.RecurrentLM(kind, 9, 4, 6, readable=True), bias=30.0)  # shut for all new
        state = tuple(torch.randn(1, 2, 6) for _ in range(2 if kind == "lstm" else 1))
        after = model.step(torch.zeros(2, 1, dtype=torch.long), state)[1]
        if kind == "gru":
            torch.testing.assert_close(after[0], state[0])
        else:  # the cell keeps what it held and adds to it, |added| < 1
            assert ((after[1] - state[1]).abs() < 1).all()
            assert (after[1] - state[1]).abs().max() < (after[1]).abs().max()


def test_reach_is_the_gradient_relative_to_that_of_the_last_input(measured):
    found = memory.reach(("gru",), ("helped",), distance=10, seeds=2, n=3)["gru", "helped"]
    for (model, ids), row in zip(measured[:2], found.per_seed, strict=True):
        size = recurrent.gradient_by_distance(model, ids)
        np.testing.assert_allclose(row, size / size[0], rtol=1e-6)
    assert (found.per_seed > 0).all() and (found.mean[0], found.low[0], found.high[0]) == (1, 1, 1)


def test_mean_and_interval_are_those_of_logarithms_over_seeds():
    r = memory.Reach("rnn", "plain", np.array([[1.0, 1e-2], [1.0, 1e-4], [1.0, 1e-6]]))
    assert r.mean[1] == pytest.approx(1e-4)
    i = seed_interval([math.log(x) for x in (1e-2, 1e-4, 1e-6)])
    assert (r.low[1], r.high[1]) == (pytest.approx(math.exp(i.low)), pytest.approx(math.exp(i.high)))


def test_the_start_decides_as_much_as_the_cell():
    """With a plain start the LSTM's gradient is as good as gone; helped, even the simple network's goes further."""
    far = history.reach()
    at = {key: r.mean[40] for key, r in far.items()}
    assert all(len(r.per_seed) >= 5 and r.low[40] <= r.mean[40] <= r.high[40] for r in far.values())
    for kind in KINDS:
        assert far[kind, "helped"].low[40] > 100 * far[kind, "plain"].high[40]
    assert at["lstm", "plain"] < 1e-7 and at["rnn", "helped"] > 1e-6 < at["lstm", "helped"]
    assert far["rnn", "helped"].low[40] > far["lstm", "plain"].high[40]


def test_the_figure_has_a_line_and_a_band_for_each():
    reaches = memory.reach(("rnn", "lstm"), distance=6, seeds=2, n=2)
    _, (ax,) = figure()
    memory.draw_reach(ax, reaches)
    assert [line.get_label() for line in ax.lines] == [
        "RNN, plain",
        "RNN, helped",
        "LSTM, plain",
        "LSTM, helped",
    ]
    for line, r in zip(ax.lines, reaches.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), r.mean)
    assert {line.get_linestyle() for line in ax.lines[::2]} == {"--"} and len(ax.collections) == 4
    for band, r in zip(ax.collections, reaches.values(), strict=True):
        corners = {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}
        for edge in (r.low, r.high):
            assert corners >= {(float(x), float(y)) for x, y in enumerate(edge)}


def test_a_distance_at_which_float32_has_no_gradient_left_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"distance is 400, but .* tokens back .* give a smaller distance"):
        memory.reach(("lstm",), ("plain",), distance=400, seeds=2, n=1)


def test_every_layer_is_helped():
    for kind in KINDS:
        torch.manual_seed(0)
        plain = recurrent.RecurrentLM(kind, 9, n_embd=4, n_hidden=6, n_layer=2)
        before = {name: p.detach().clone() for name, p in plain.named_parameters()}
        changed = {
            name for name, p in help_start(plain).named_parameters() if not torch.equal(p, before[name])
        }
        which = "weight_hh" if kind == "rnn" else "bias_ih"
        assert changed == {f"layers.{which}_l0", f"layers.{which}_l1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lstm",), "kinds is the string 'lstm'"),
        ((["lstm"], "plain"), "starts is the string 'plain'"),
        ((["lstm"], ["open"]), "start is 'open'; allowed: plain, helped"),
        ((["lstm"], ["plain"], 0), "distance is 0"),
        ((["lstm"], ["plain"], 3, 0, 1), "seeds is 1"),
        ((["lstm"], ["plain"], 3, 0, 2, 0), "n is 0"),
        ((["llm"],), "kind is 'llm'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        memory.reach(*arguments)
