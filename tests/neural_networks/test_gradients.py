"""How well batches agree with the whole (`llmbook.neural_networks.gradients`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.neural_networks import MLP, batch_agreement, cross_entropy, gradient_by_layer


def task(n=200):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 6)), rng.integers(3, size=n)


def test_it_is_the_mean_cosine_worked_out_by_hand():
    (x, y), model, rng = task(), MLP((6, 5, 3), seed=1), np.random.default_rng(4)

    def gradient(rows):
        twin = MLP((6, 5, 3), seed=1)
        cross_entropy(twin(x[rows]), y[rows]).backward()
        return np.concatenate([p.grad.ravel() for p in twin.parameters()])

    whole, cosines = gradient(np.arange(200)), []
    for _ in range(3):
        g = gradient(rng.integers(200, size=8))
        cosines.append(g @ whole / np.linalg.norm(g) / np.linalg.norm(whole))
    assert batch_agreement(model, x, y, batch_size=8, n_batch=3, seed=4) == pytest.approx(np.mean(cosines))


def test_larger_batches_agree_better_and_the_seed_draws_them():
    (x, y), model = task(), MLP((6, 5, 3), seed=1)
    small, large = (batch_agreement(model, x, y, batch_size=n) for n in (4, 400))
    assert -1 <= small < large < 1
    assert batch_agreement(model, x, y, seed=1) == batch_agreement(model, x, y, seed=1)
    assert batch_agreement(model, x, y, seed=1) != batch_agreement(model, x, y, seed=2)


def test_the_model_is_left_as_it_was_gradients_included():
    (x, y), model = task(), MLP((6, 5, 3), seed=1)
    cross_entropy(model(x), y).backward()
    before = [(p.value.copy(), p.grad.copy()) for p in model.parameters()]
    batch_agreement(model, x, y)
    with pytest.raises(ValueError, match="labels between 0 and 2"):
        batch_agreement(model, x, y + 7)
    for p, (value, grad) in zip(model.parameters(), before, strict=True):
        assert np.array_equal(p.value, value) and np.array_equal(p.grad, grad)


def test_no_batch_no_example_and_no_slope_are_refused():
    (x, y), model = task(), MLP((6, 5, 3), seed=1)
    for options in ({"batch_size": 0}, {"n_batch": 0}):
        with pytest.raises(ValueError, match="at least 1 of each"):
            batch_agreement(model, x, y, **options)
    with pytest.raises(ValueError, match="points nowhere"):
        batch_agreement(MLP((6, 1)), x, 0 * y)


def test_the_gradient_of_a_layer_is_the_root_mean_square_of_its_weights_gradients():
    rng, model = np.random.default_rng(3), MLP((16, 16, 16, 10), "tanh", seed=3, gain=1.0)
    cross_entropy(model(rng.normal(size=(128, 16))), rng.integers(10, size=128)).backward()
    expected = [np.linalg.norm(w.grad) / np.sqrt(w.grad.size) for w in model.weights]
    np.testing.assert_allclose(gradient_by_layer("tanh", 3, width=16, seed=3), expected)
