"""Every gradient of our own automatic differentiation against torch's: `llmbook.neural_networks.autograd`."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmbook.neural_networks.autograd import (
    Array,
    cross_entropy,
    history,
    lift,
    unbroadcast,
)

rng = np.random.default_rng(0)
MATRIX, OTHER, TALL = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
ROW, COLUMN, POSITIVE = rng.normal(size=4), rng.normal(size=(3, 1)), rng.uniform(0.5, 2, size=(3, 4))

OPERATIONS = {
    "add": (lambda a, b: a + b, MATRIX, OTHER),
    "add a row": (lambda a, b: a + b, MATRIX, ROW),
    "add a column": (lambda a, b: a + b, MATRIX, COLUMN),
    "add to a row": (lambda a, b: b + a, MATRIX, ROW),
    "add a number": (lambda a: 2.0 + a + 1.0, MATRIX),
    "multiply": (lambda a, b: a * b, MATRIX, OTHER),
    "multiply by a row": (lambda a, b: a * b, MATRIX, ROW),
    "row times column": (lambda a, b: a * b, ROW, COLUMN),
    "multiply by one number": (lambda a, b: a * b, MATRIX, np.array(1.7)),
    "times itself": (lambda a: a * a * a, MATRIX),
    "subtract": (lambda a, b: a - b, MATRIX, COLUMN),
    "subtract from a number": (lambda a: 1.0 - a, MATRIX),
    "negate": (lambda a: -a, MATRIX),
    "divide": (lambda a, b: a / b, MATRIX, POSITIVE),
    "divide by a number": (lambda a: a / 4.0, MATRIX),
    "divide a number": (lambda a: 2.0 / a, POSITIVE),
    "matrix product": (lambda a, b: a @ b, MATRIX, TALL),
    "square": (lambda a: a**2, MATRIX),
    "root": (lambda a: a**0.5, POSITIVE),
    "inverse": (lambda a: a**-1.0, POSITIVE),
    "exp": (lambda a: a.exp(), MATRIX),
    "log": (lambda a: a.log(), POSITIVE),
    "tanh": (lambda a: a.tanh(), MATRIX),
    "sigmoid": (lambda a: a.sigmoid(), 20 * MATRIX),
    "relu": (lambda a: a.relu(), MATRIX),
    "relu at zero": (lambda a: a.relu(), np.zeros(3)),
    "sum": (lambda a: a.sum(), MATRIX),
    "sum of rows": (lambda a: a.sum(axis=0), MATRIX),
    "sum of columns, kept": (lambda a: a.sum(axis=1, keepdims=True), MATRIX),
    "sum of the last axis": (lambda a: a.sum(axis=-1), MATRIX),
    "mean": (lambda a: a.mean(), MATRIX),
    "slice": (lambda a: a[1:, ::2], MATRIX),
    "one row": (lambda a: a[1], MATRIX),
    "rows picked twice": (lambda a: a[[0, 2, 0]], MATRIX),
    "entries picked twice": (lambda a: a[[0, 1, 1], [3, 2, 2]], MATRIX),
    "the same array used in four places": (lambda a: (a * a.tanh() + a.sum(axis=0)) / (a**2 + 1.0), MATRIX),
    "two layers": (lambda a, b: ((a @ b).tanh() @ b[:2]).sigmoid(), MATRIX, TALL),
}


def both(operation, *values):
    """Our result and torch's, with gradients of an unevenly weighted sum, so that a mixed-up axis shows."""
    ours, theirs = [Array(v) for v in values], [torch.tensor(v, requires_grad=True) for v in values]
    y, z = operation(*ours), operation(*theirs)
    weights = np.random.default_rng(1).normal(size=y.shape)
    (y * weights).sum().backward()
    (z * torch.tensor(weights)).sum().backward()
    return y, z, ours, theirs


@pytest.mark.parametrize("name", OPERATIONS)
def test_value_and_gradient_equal_torchs(name):
    y, z, ours, theirs = both(*OPERATIONS[name])
    np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=1e-12, atol=1e-12)
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad.shape == a.value.shape
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_gradients_equal_small_differences():
    def f(v):
        x = Array(v)
        return x, (x.tanh() * x[::-1]).exp().mean()

    x, y = f(ROW)
    y.backward()
    for i, nudge in enumerate(1e-6 * np.eye(len(ROW))):
        slope = (f(ROW + nudge)[1].value - f(ROW - nudge)[1].value) / 2e-6
        assert x.grad[i] == pytest.approx(float(slope), rel=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_numpy_arrays_take_part_from_either_side(flip):
    x = Array(ROW)
    y = (MATRIX * x + 1.0) - MATRIX if flip else (x * MATRIX + 1.0) - MATRIX
    assert isinstance(y, Array) and y.shape == (3, 4)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, MATRIX.sum(0))
    assert isinstance(MATRIX - x, Array)


def test_gradients_of_two_results_add_up_on_what_they_share():
    x, t = Array(ROW), torch.tensor(ROW, requires_grad=True)
    for v in (x, t):
        shared = v.tanh()
        for result in ((shared * shared).sum(), shared.exp().sum()):
            result.backward(**({"retain_graph": True} if v is t else {}))
    np.testing.assert_allclose(x.grad, t.grad.numpy())


def test_going_back_twice_doubles_the_gradient_as_in_torch():
    x = Array(ROW)
    y = (x.tanh() * 3.0).sum()
    y.backward()
    once = x.grad.copy()
    y.backward()
    np.testing.assert_allclose(x.grad, 2 * once)


def test_a_chain_of_5000_operations_needs_no_recursion():
    x = Array(0.5)
    y = x
    for _ in range(5000):
        y = y * 1.0001 + x * 1e-5
    assert len(history(y)) > 5000
    y.backward()
    growth = 1.0001**5000
    assert float(x.grad) == pytest.approx(growth + 1e-5 * (growth - 1) / 1e-4)


def test_history_puts_everything_after_what_it_was_computed_from_and_lists_it_once():
    x = Array(ROW)
    y = (x * x + x.exp()).sum()
    order = history(y)
    place = {id(array): i for i, array in enumerate(order)}
    assert len(place) == len(order) and order[-1] is y
    assert all(place[id(parent)] < place[id(array)] for array in order for parent in array.parents)


def test_a_diamond_of_shared_arrays_is_walked_once():
    y = x = Array(1.0)
    for _ in range(60):  # 2^60 paths lead from y to x
        y = (y + y) * 0.5
    y.backward()
    assert float(x.grad) == pytest.approx(1.0)


def test_backward_from_more_than_one_number_is_refused():
    with pytest.raises(ValueError, match=r"single number, this has shape \(3, 4\).*sum"):
        Array(MATRIX).backward()


@pytest.mark.parametrize("left, right", [(ROW, MATRIX), (MATRIX, ROW), (MATRIX, np.array(2.0))])
def test_a_product_of_anything_but_two_matrices_is_refused(left, right):
    with pytest.raises(ValueError, match="needs two matrices"):
        Array(left) @ Array(right)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError):
        Array(MATRIX) + Array(TALL)
    with pytest.raises(ValueError):
        Array(MATRIX) @ Array(MATRIX)


@pytest.mark.parametrize("shape", [(), (4,), (1,), (3, 1), (1, 4), (1, 1), (3, 4), (2, 3, 4), (2, 1, 4)])
def test_unbroadcast_undoes_what_broadcasting_stretched(shape):
    stretched = np.broadcast_shapes(shape, (2, 3, 4))
    gradient, t = rng.normal(size=stretched), torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    (t.expand(stretched) * torch.tensor(gradient)).sum().backward()
    result = unbroadcast(gradient, shape)
    assert result.shape == shape
    np.testing.assert_allclose(result, t.grad.numpy())


def test_plain_numbers_become_leaves_and_arrays_stay_themselves():
    x = Array(ROW)
    assert lift(x) is x and lift(3).parents == () and lift([1, 2]).value.dtype == np.float64
    assert repr(x) == "Array(leaf, shape=(4,))" and "tanh" in repr(x.tanh())


# -------------------------------------------------------------------------------------- cross-entropy


def test_cross_entropy_equals_torchs_and_so_do_its_gradients():
    logits, labels = rng.normal(size=(6, 5)) * 3, rng.integers(0, 5, size=6)
    ours, theirs = Array(logits), torch.tensor(logits, requires_grad=True)
    loss, expected = cross_entropy(ours, labels), F.cross_entropy(theirs, torch.tensor(labels))
    loss.backward()
    expected.backward()
    assert float(loss.value) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_cross_entropys_gradient_is_probability_minus_truth():
    logits = Array([[2.0, 0.0, -1.0]])
    cross_entropy(logits, np.array([0])).backward()
    p = np.exp(logits.value) / np.exp(logits.value).sum()
    np.testing.assert_allclose(logits.grad, p - [[1, 0, 0]])


def test_cross_entropy_of_huge_logits_stays_finite():
    logits = Array([[1e4, 0.0], [0.0, -1e4]])
    loss = cross_entropy(logits, np.array([1, 0]))
    loss.backward()
    assert float(loss.value) == pytest.approx(5e3) and np.isfinite(logits.grad).all()


@pytest.mark.parametrize("labels", [[0], [0, 3], [-1, 0], [0, 1, 2]])
def test_labels_that_do_not_fit_the_logits_are_refused(labels):
    with pytest.raises(ValueError, match="need 2 labels between 0 and 2"):
        cross_entropy(Array(np.zeros((2, 3))), np.array(labels))


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.zeros(3)], ids=["no row", "no matrix"])
def test_logits_without_an_example_are_refused(logits):
    with pytest.raises(ValueError, match=r"logits have shape .*at least one example"):
        cross_entropy(Array(logits), np.zeros(0, dtype=int))


@pytest.mark.parametrize("labels", [[], [[0], [1]]])
def test_labels_that_stand_in_no_row_are_refused(labels):
    with pytest.raises(ValueError, match="need 2 labels in a row"):
        cross_entropy(Array(np.zeros((2, 3))), np.array(labels, dtype=int))


def test_labels_may_be_a_list():
    logits = np.array([[2.0, 0.0], [0.5, 1.0]])
    assert cross_entropy(Array(logits), [0, 1]).value == cross_entropy(Array(logits), np.array([0, 1])).value


# ---------------------------------------------------------------------------------------------- powers


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("power", [0, 0.0, 1, 2, 3, 0.5, 1.5, -1, -2.0])
def test_powers_of_zero_and_their_slopes_are_torchs(power):
    numbers = np.array([0.0, 1.0, 2.5])
    y, z, (x,), (t,) = both(lambda a: a**power, numbers)
    np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=1e-12)


def test_the_power_zero_has_no_slope_anywhere_and_gives_no_warning():
    x = Array([0.0, -2.0, 3.0])
    with np.errstate(all="raise"):
        y = (x**0 + x).sum()
        y.backward()
    assert float(y.value) == 4.0 and x.grad.tolist() == [1.0, 1.0, 1.0]
