"""Activation functions and gradients behind many layers (`activations`, `gradients`, `learning`)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmbook import neural_networks as nets
from llmbook.core.measure import records
from llmbook.core.measure.intervals import seed_interval
from llmbook.core.show import plotting as plot
from llmbook.neural_networks import MLP, Array, gradient_survival, learning
from llmbook.neural_networks.activations import ACTIVATIONS, GAINS, SUITS, activate
from llmbook.neural_networks.torch_twin import torch_logits

TORCH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_slope_equal_those_of_torch(name):
    x = np.concatenate([np.linspace(-8, 8, 161), [-50.0, 50.0, 1e-9, 0.0]])
    t = torch.tensor(x, requires_grad=True)
    TORCH[name](t).sum().backward()
    value, slope = nets.activation_curves(x)[name]
    np.testing.assert_allclose(value, TORCH[name](t).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(slope, t.grad.numpy(), atol=1e-12)
    assert np.isfinite(activate(name, Array([-1e4, 1e4])).value).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_network_with_each_gets_torchs_gradients(name):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(20, 5)), rng.integers(3, size=20)
    model = MLP((5, 7, 3), name, seed=0)
    nets.cross_entropy(model(x), labels).backward()
    w = [torch.tensor(p.value, requires_grad=True) for p in model.parameters()]
    out = TORCH[name](torch.tensor(x) @ w[0] + w[2]) @ w[1] + w[3]
    F.cross_entropy(out, torch.tensor(labels)).backward()
    for p, t in zip(model.parameters(), w, strict=True):
        np.testing.assert_allclose(p.grad, t.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(torch_logits(model, w, torch.tensor(x)).detach(), out.detach(), atol=1e-12)


def test_an_unknown_activation_is_refused_with_the_choices():
    for call in (
        lambda: activate("swish", Array(1.0)),
        lambda: MLP((2, 2), "swish"),
        lambda: gradient_survival("swish", "He"),
    ):
        with pytest.raises(
            ValueError, match="'swish'; choose sigmoid, tanh, relu, leaky relu, gelu, silu or none"
        ):
            call()


def test_what_survives_is_the_product_of_slopes_and_weights():
    """Straight layers: the gradient behind n layers is the outgoing one times the transposed weights."""
    (share,) = gradient_survival("none", "Xavier", depth=3, seeds=[5], width=8)
    rng = np.random.default_rng(5)
    rng.normal(size=(128, 8))
    g = rng.normal(size=(128, 8))
    rms, start = [], np.sqrt((g**2).mean())
    for w in reversed(MLP((8,) * 5, "none", 5, 1.0).weights[:3]):
        g = g @ w.value.T
        rms.append(np.sqrt((g**2).mean()) / start)
    np.testing.assert_allclose(share, rms)


def test_the_share_that_survives_halves_in_square_with_the_gain():
    one, two = (gradient_survival("none", init, depth=4, seeds=[0])[0] for init in ("Xavier", "He"))
    np.testing.assert_allclose(two / one, np.sqrt(2) ** np.arange(1, 5))


def test_what_survives_twenty_layers_depends_on_function_and_start():
    at_20 = {
        (a, i): seed_interval(np.log10(gradient_survival(a, i)[:, -1])) for a in ACTIVATIONS for i in GAINS
    }
    assert at_20["sigmoid", "Xavier"].high < -10 and at_20["sigmoid", "He"].high < -8
    assert at_20["relu", "Xavier"].high < -2 < at_20["relu", "He"].low
    assert at_20["tanh", "Xavier"].low > -1.5
    assert at_20["gelu", "Xavier"].high < -4 < at_20["gelu", "He"].low


def test_seeds_give_rows_and_the_same_seed_the_same_row():
    rows = gradient_survival("relu", "He", depth=3, seeds=(0, 1, 0), width=16)
    assert rows.shape == (3, 3)
    assert np.array_equal(rows[0], rows[2]) and not np.array_equal(rows[0], rows[1])


def test_an_unknown_start_and_no_layer_are_refused():
    with pytest.raises(ValueError, match="init is 'LeCun'; choose Xavier or He"):
        gradient_survival("relu", "LeCun")
    with pytest.raises(ValueError, match="depth is 0"):
        gradient_survival("relu", "He", depth=0)


# ------------------------------------------------------------------------------------------- what they learn


def test_each_function_gets_the_same_rates_and_steps_its_own_start_and_no_test_article(monkeypatch):
    fits, real = [], learning.fit

    def fit(model, x, labels, **options):
        fits.append((model.activation, model.gain, x, labels, options))
        return real(model, x, labels, **options)

    monkeypatch.setattr(learning, "fit", fit)
    monkeypatch.setattr(learning, "RATES", (0.1, 0.4))
    rows = list(learning.measure(seeds=2, depths=[2], steps=3, n_word=100))
    assert [(r.seed, r.activation) for r in rows] == [(s, a) for s in (0, 1) for a in ACTIVATIONS]
    assert [(a, o["lr"], o["steps"], o["batch_size"]) for a, _, _, _, o in fits] == [
        (a, lr, 3, 64) for _ in (0, 1) for a in ACTIVATIONS for lr in (0.1, 0.4)
    ]
    assert all(gain == GAINS[SUITS[a]] for a, gain, *_ in fits)
    for seed in (0, 1):
        train = nets.split_news(seed).train
        known = nets.frequent_words(train.texts, 100)
        bag = nets.bag_of_words(train.texts, vocabulary=known)
        for *_, x, labels, _ in fits[12 * seed : 12 * seed + 12]:
            np.testing.assert_array_equal(x, bag)
            np.testing.assert_array_equal(labels, train.labels)


def test_a_network_is_scored_on_the_articles_that_its_scores_are_called_after(monkeypatch):
    parts = nets.split_news(0)
    bags = [nets.bag_of_words(p.texts, n_feature=8) for p in (parts.train, parts.valid, parts.test)]
    right = {id(bags[1]): parts.valid.labels, id(bags[2]): 0 * parts.test.labels}
    monkeypatch.setattr(MLP, "predict", lambda self, x: right[id(x)])
    found = learning.learn(bags, parts, "relu", 1, seed=0, lr=0.1, steps=1)
    assert found.valid == 1.0 and found.test == (parts.test.labels == 0).mean()


def test_each_seed_gives_all_functions_another_start_and_other_batches(monkeypatch):
    seeds = []
    monkeypatch.setattr(learning, "fit", lambda model, x, y, **o: seeds.append((model.seed, o["seed"])))
    parts = nets.split_news(0)
    bags = [nets.bag_of_words(p.texts, n_feature=8) for p in (parts.train, parts.valid, parts.test)]
    for seed in (0, 5):
        for name in ("relu", "tanh"):
            learning.learn(bags, parts, name, 1, seed, lr=0.1, steps=1)
    assert seeds == [(0, 0), (0, 0), (5, 5), (5, 5)]


def test_the_rate_is_chosen_on_the_validation_articles(monkeypatch):
    def learn(bags, parts, activation, n_hidden, seed, lr, steps):
        return learning.Learned(activation, n_hidden, seed, lr, valid=1 - abs(lr - 0.4), test=lr)

    monkeypatch.setattr(learning, "learn", learn)
    assert {r.lr for r in learning.measure(seeds=1, depths=[1], steps=1, n_word=50)} == {0.4}


def test_the_stored_runs_are_all_there_and_none_of_them_guesses_better_than_it_could():
    rows, about = records.load(learning.LEARNING, learning.Learned)
    assert len(rows) == about["seeds"] * len(about["depths"]) * len(ACTIVATIONS) >= 60
    assert all(r.lr in learning.RATES and 0 < r.test < 1 for r in rows)
    deep = {a: [r.test for r in rows if r.activation == a and r.n_hidden > 1] for a in ACTIVATIONS}
    assert max(deep["sigmoid"]) < 0.5 < min(deep["tanh"])


@pytest.mark.parametrize("n", [100, 101])  # without and with a point at zero itself
def test_relus_slope_is_drawn_with_a_break_and_the_others_without(n):
    x = np.linspace(-5, 5, n)
    curves = {name: pair for name, pair in nets.activation_curves(x).items() if name in ("relu", "tanh")}
    _, (ax,) = plot.figure()
    nets.draw_curves(ax, curves, x, slopes=True)
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    relu = lines["relu"]
    (gap,) = np.flatnonzero(np.isnan(relu[:, 1]))
    assert set(relu[:gap, 1]) == {0.0} and set(relu[gap + 1 :, 1]) == {1.0}
    assert relu[gap - 1, 0] <= 0 == relu[gap + 1, 0] and (np.diff(relu[:, 0]) >= 0).all()
    np.testing.assert_array_equal(lines["tanh"], np.column_stack((x, curves["tanh"][1])))
    full, empty = ax.lines[-2:]
    assert full.get_xydata().tolist() == [[0.0, 0.0]] and empty.get_xydata().tolist() == [[0.0, 1.0]]
    assert empty.get_markerfacecolor() == plot.PAPER != full.get_markerfacecolor()
    plot.plt.close("all")


def test_curves_themselves_have_no_break():
    x = np.linspace(-5, 5, 101)
    _, (ax,) = plot.figure()
    nets.draw_curves(ax, {"relu": nets.activation_curves(x)["relu"]}, x)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), np.maximum(x, 0))
    plot.plt.close("all")
