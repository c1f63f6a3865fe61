"""How far back gradients reach: which texts and which networks are looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from llmbook.history import memory, recurrent


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


def test_every_kind_reads_the_same_random_text_and_another_seed_is_another_text_and_network(measured):
    for seed in (0, 1):
        memory.reach(("rnn", "lstm"), distance=8, seed=seed, n=4)
    (rnn, a), (_, b), (other, c), _ = measured
    assert a.shape == (4, 9) and torch.equal(a, b) and not torch.equal(a, c)
    assert not torch.equal(next(rnn.parameters()), next(other.parameters()))
    assert (
        memory.reach(("rnn",), 8, seed=1)["rnn"].tolist() == memory.reach(("rnn",), 8, seed=1)["rnn"].tolist()
    )


def test_only_the_lstm_starts_with_an_open_forget_gate(measured):
    memory.reach(("rnn", "gru", "lstm"), distance=4, n=2)
    for model, _ in measured:
        bias = model.layers.bias_ih_l0.detach()
        rows = slice(128, 256) if model.kind == "lstm" else slice(0, 0)
        spread = 128**-0.5  # torch draws biases from -1/sqrt(N) to 1/sqrt(N)
        assert ((bias[rows] - 1).abs() <= spread).all()
        bias[rows] -= 1
        assert (bias.abs() <= spread).all()


def test_reach_is_the_gradient_relative_to_that_of_the_last_input(measured):
    found = memory.reach(("gru",), distance=10, n=3)["gru"]
    ((model, ids),) = measured
    size = recurrent.gradient_by_distance(model, ids)
    np.testing.assert_allclose(found, size / size[0], rtol=1e-6)
    assert (found > 0).all() and np.isfinite(found).all() and found[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lstm",), "kinds is the string 'lstm'"),
        ((["lstm"], 0), "distance is 0"),
        ((["lstm"], 3, 0, 0), "n is 0"),
        ((["llm"],), "kind is 'llm'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        memory.reach(*arguments)
