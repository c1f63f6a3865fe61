"""The page "Neural networks": our MLP and its training against PyTorch (`llmbook.neural_networks`)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmbook import neural_networks as nets
from llmbook.neural_networks import MLP, XOR, Array, accuracy, bag_of_words, cross_entropy, fit

ACTIVATIONS = ("relu", "tanh", "sigmoid", "none")


def examples(n=40, n_input=6, n_class=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_input)), rng.integers(n_class, size=n)


# ------------------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("seed", range(3))
def test_every_gradient_of_an_mlp_equals_that_of_pytorch(seed):
    worst = nets.parity_with_torch(sizes=(20, 30, 30, 5), n=64, seed=seed)
    assert set(worst) == {"relu", "tanh", "sigmoid"}
    assert max(worst.values()) < 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_and_gradients_equal_those_of_torch_modules(activation):
    """The same network from nn.Linear and nn.Tanh etc., so that our own PyTorch twin is compared as well."""
    x, labels = examples()
    model = MLP((6, 7, 5, 3), activation, seed=1)
    bend = {
        "relu": torch.nn.ReLU,
        "tanh": torch.nn.Tanh,
        "sigmoid": torch.nn.Sigmoid,
        "none": torch.nn.Identity,
    }
    linears = [torch.nn.Linear(i, o, dtype=torch.float64) for i, o in ((6, 7), (7, 5), (5, 3))]
    for linear, w, b in zip(linears, model.weights, model.biases, strict=True):
        linear.weight.data, linear.bias.data = torch.tensor(w.value.T.copy()), torch.tensor(b.value)
    one, two, three = linears
    net = torch.nn.Sequential(one, bend[activation](), two, bend[activation](), three)

    logits = net(torch.tensor(x))
    F.cross_entropy(logits, torch.tensor(labels)).backward()
    cross_entropy(model(x), labels).backward()

    np.testing.assert_allclose(model(x).value, logits.detach().numpy(), atol=1e-12)
    for linear, w, b in zip(linears, model.weights, model.biases, strict=True):
        np.testing.assert_allclose(w.grad, linear.weight.grad.numpy().T, atol=1e-12)
        np.testing.assert_allclose(b.grad, linear.bias.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("activation", ("tanh", "sigmoid", "none"))
def test_nudging_each_weight_gives_the_gradient_that_back_propagation_gives(activation):
    x, labels = examples(n=10)
    model = MLP((6, 4, 3), activation, seed=2)
    start = [p.value.copy() for p in model.parameters()]
    slow = nets.nudged_gradient(lambda: cross_entropy(model(x), labels), model.parameters())
    cross_entropy(model(x), labels).backward()
    for p, s in zip(model.parameters(), slow, strict=True):
        np.testing.assert_allclose(p.grad, s, atol=1e-8)
    for p, before in zip(model.parameters(), start, strict=True):
        np.testing.assert_array_equal(p.value, before)  # every nudge is taken back


def test_nudging_notices_a_wrong_gradient():
    p = Array([1.0, 2.0])
    (slow,) = nets.nudged_gradient(lambda: (p * p).sum(), [p])
    np.testing.assert_allclose(slow, [2.0, 4.0], atol=1e-8)
    assert not np.allclose(slow, p.value)


def test_the_slopes_of_the_activation_curves_are_their_derivatives():
    x = np.array([-3.0, -0.7, 0.3, 2.5])
    for low, high, (_, slope) in zip(
        nets.activation_curves(x - 1e-5).values(),
        nets.activation_curves(x + 1e-5).values(),
        nets.activation_curves(x).values(),
        strict=True,
    ):
        np.testing.assert_allclose(slope, (high[0] - low[0]) / 2e-5, atol=1e-7)
    sigmoid = nets.activation_curves(np.linspace(-5, 5, 101))["sigmoid"]
    assert sigmoid[1].max() == pytest.approx(0.25) and sigmoid[0][50] == pytest.approx(0.5)


def test_gradients_add_up_until_a_step_forgets_them():
    x, labels = examples()
    model = MLP((6, 3))
    cross_entropy(model(x), labels).backward()
    once = model.weights[0].grad.copy()
    cross_entropy(model(x), labels).backward()
    np.testing.assert_allclose(model.weights[0].grad, 2 * once)
    before = model.weights[0].value.copy()
    model.step(0.5)
    np.testing.assert_allclose(model.weights[0].value, before - once)
    assert all((p.grad == 0).all() for p in model.parameters())


# ------------------------------------------------------------------------------------------------- training


def test_training_with_our_engine_is_training_with_pytorch_step_by_step():
    x, labels = examples(n=200)
    model = MLP((6, 16, 3), seed=4)
    ours = fit(model, x, labels, lr=0.3, steps=120, batch_size=16, seed=4)
    theirs = nets.fit_with_torch((6, 16, 3), x, labels, lr=0.3, steps=120, batch_size=16, seed=4)
    assert len(ours) == 120
    np.testing.assert_allclose(ours, theirs, atol=1e-10)
    assert ours[-1] < ours[0]


def test_the_same_seed_trains_the_same_network_and_another_seed_another():
    x, labels = examples()

    def losses(seed):
        return fit(MLP((6, 8, 3), seed=seed), x, labels, lr=0.1, steps=5, batch_size=8, seed=seed)

    assert losses(1) == losses(1) != losses(2)


def test_fitting_without_batches_uses_every_example():
    x, labels = examples()
    model = MLP((6, 3))
    expected = float(cross_entropy(model(x), labels).value)
    assert fit(model, x, labels, lr=0.1, steps=1)[0] == expected


@pytest.mark.parametrize("seed", range(20))
def test_a_hidden_layer_solves_exclusive_or(seed):
    points, labels = XOR
    model = MLP((2, 8, 2), activation="tanh", seed=seed)
    losses = fit(model, points, labels, lr=0.5, steps=1000)
    assert accuracy(model.predict(points), labels) == 1.0
    assert losses[-1] < 0.1 < losses[0]


@pytest.mark.parametrize("sizes", [(2, 2), (2, 8, 2)])
def test_without_a_bend_exclusive_or_stays_a_coin_flip(sizes):
    points, labels = XOR
    model = MLP(sizes, activation="none", seed=1)
    assert fit(model, points, labels, lr=0.1, steps=1000)[-1] == pytest.approx(math.log(2), abs=1e-3)


def test_accuracy_is_the_share_of_largest_logits_at_the_label():
    model = MLP((2, 2), activation="none")
    model.weights[0].value, model.biases[0].value = np.eye(2), np.zeros(2)
    x = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 2.0], [2.0, 3.0]])
    assert accuracy(model.predict(x), np.array([0, 1, 0, 0])) == 0.75
    assert accuracy(model.predict(x), np.array([1, 0, 1, 0])) == 0.0


def test_probabilities_are_a_softmax_and_survive_huge_logits():
    x, _ = examples()
    model = MLP((6, 3), seed=3)
    expected = torch.tensor(model(x).value).softmax(-1).numpy()
    columns = np.stack([nets.probability(model, x, k) for k in range(3)], axis=1)
    np.testing.assert_allclose(columns, expected, atol=1e-12)
    assert np.isfinite(nets.probability(model, x * 1e6, 0)).all()


# ------------------------------------------------------------------------------------------------ the model


def test_an_mlp_has_a_weight_per_pair_and_a_bias_per_output():
    model = MLP((5, 4, 3))
    assert [p.shape for p in model.parameters()] == [(5, 4), (4, 3), (4,), (3,)]
    layers = model.layers(np.zeros((7, 5)))
    assert [h.shape for h in layers] == [(7, 4), (7, 3)]
    assert layers[-1].value.tolist() == model(np.zeros((7, 5))).value.tolist()


def test_starting_weights_have_the_spread_that_was_asked_for():
    for gain in (1.0, math.sqrt(2)):
        w = MLP((400, 300), gain=gain).weights[0].value
        assert w.std() * math.sqrt(400) == pytest.approx(gain, rel=0.02)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1, 2)])
def test_sizes_that_make_no_network_are_refused(sizes):
    with pytest.raises(ValueError, match="give at least an input and an output size"):
        MLP(sizes)


def test_an_unknown_activation_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="'swish'; choose sigmoid, tanh, relu, leaky relu, gelu, silu or none"
    ):
        MLP((2, 2), activation="swish")


def test_labels_that_do_not_fit_are_refused():
    model = MLP((2, 2))
    with pytest.raises(ValueError, match="labels between 0 and 1"):
        cross_entropy(model(np.zeros((2, 2))), np.array([0, 2]))
    with pytest.raises(ValueError, match="need 2 labels"):
        cross_entropy(model(np.zeros((2, 2))), np.array([0]))


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_vanishes_through_ten_sigmoids_and_not_through_tanh_or_relu(seed):
    shrink = {}
    for name in ("sigmoid", "tanh", "relu"):
        g = nets.gradient_by_layer(name, depth=10, seed=seed)
        assert g.shape == (10,) and (g > 0).all()
        shrink[name] = g[0] / g[-2]
    assert shrink["sigmoid"] < 1e-4
    assert shrink["tanh"] > 0.1 and shrink["relu"] > 0.1


# ------------------------------------------------------------------------------------------------- the data


def test_a_bag_of_words_forgets_order_case_and_punctuation():
    a, b, c = bag_of_words(["To be, or not to be!", "be be NOT or to to", "to be"])
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def test_a_bag_of_words_has_the_same_length_for_short_and_long_texts():
    rows = bag_of_words(["one", "a much longer text about a striker who scored twice in the cup final " * 20])
    assert rows.shape == (2, 1024)
    np.testing.assert_allclose(np.sqrt((rows**2).mean(axis=1)), 0.2)


def test_a_bag_of_words_grows_with_the_logarithm_of_the_count():
    (row,) = bag_of_words(["the " * 10 + "cat"], n_feature=512)
    few, many = sorted(row[row > 0])
    assert many / few == pytest.approx(math.log(11) / math.log(2))


def test_a_text_without_words_is_a_row_of_zeros():
    rows = bag_of_words(["", "123 !?", "日本"])
    assert (rows == 0).all() and np.isfinite(rows).all()
    assert bag_of_words([]).shape == (0, 1024)


def test_overfitting_gives_one_number_per_size_and_seed_and_shows_the_gap():
    curve = nets.overfitting((25, 400), seeds=range(2), lr=0.4, steps=60)
    assert {name: values.shape for name, values in curve.items()} == {"seen": (2, 2), "held out": (2, 2)}
    assert all(((values >= 0) & (values <= 1)).all() for values in curve.values())
    gap = curve["seen"] - curve["held out"]
    assert (gap[0] > gap[1]).all() and gap[0].min() > 0.1


# ------------------------------------------------------------------------------------------ options obeyed


def test_the_gain_and_the_seed_of_gradients_by_layer_are_obeyed():
    one, again, other = (nets.gradient_by_layer("tanh", 4, width=16, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    small, large = (nets.gradient_by_layer("none", 4, width=16, seed=1, gain=g) for g in (0.01, 0.02))
    # with hardly any signal the loss is flat: the first layer's gradient passes three others, each twice as large
    assert large[0] / small[0] == pytest.approx(8, rel=0.01)
    np.testing.assert_array_equal(
        nets.gradient_by_layer("relu", 4, seed=1),
        nets.gradient_by_layer("relu", 4, seed=1, gain=math.sqrt(2)),
    )
    np.testing.assert_array_equal(
        nets.gradient_by_layer("tanh", 4, seed=1), nets.gradient_by_layer("tanh", 4, seed=1, gain=1.0)
    )


def test_the_examples_of_gradients_by_layer_change_with_the_seed(monkeypatch):
    read = []
    real = MLP.layers
    monkeypatch.setattr(MLP, "layers", lambda self, x: (read.append(np.asarray(x)), real(self, x))[1])
    for seed in (0, 1):
        nets.gradient_by_layer("tanh", 2, width=8, seed=seed)
    assert read[0].shape == (128, 8) and not np.array_equal(read[0], read[1])


@pytest.mark.parametrize("depth", [0, -3])
def test_a_network_without_layers_has_no_gradients(depth):
    with pytest.raises(ValueError, match=f"depth is {depth}"):
        nets.gradient_by_layer("tanh", depth)


def test_activation_curves_take_whole_numbers_and_lists():
    for x in (np.array([-1, 0, 2]), [-1, 0, 2]):
        curves = nets.activation_curves(x)
        assert curves["relu"][0].tolist() == [0, 0, 2] and curves["gelu"][0].shape == (3,)


def test_the_last_layer_has_no_bend():
    model = MLP((3, 4, 2), activation="relu", seed=0)
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert (model(x).value < 0).any() and (model.layers(x)[0].value >= 0).all()
