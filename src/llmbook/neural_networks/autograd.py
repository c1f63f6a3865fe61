"""Back-propagation from nothing but NumPy, short enough to read in one sitting.

``Array`` is a NumPy array that remembers how it was computed; ``backward`` walks that record in reverse and
applies the chain rule at every step (reverse-mode differentiation: Linnainmaa 1970; for neural networks
Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0). The page ``neural_networks`` is built from it.

Left out on purpose: second derivatives, GPUs, in-place operations, and speed. PyTorch has those; the tests
show that both give the same gradients and, step by step, the same training run.

Shapes: N examples, I inputs, O outputs of a layer, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray | float | int | Sequence


def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over the axes that NumPy stretched, so that it has the shape of what was stretched.

    >>> unbroadcast(np.ones((3, 2)), (2,)).tolist()
    [3.0, 3.0]
    """
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient


class Array:
    """A NumPy array with a memory: its value, where it came from, and how to send a gradient back there.

    >>> x, w = Array([1.0, 2.0]), Array([3.0, -1.0])
    >>> y = (x * w).sum().tanh()
    >>> y.backward()
    >>> x.grad.round(4).tolist()        # (1 - tanh(1)^2) * w
    [1.2599, -0.42]
    """

    __array_ufunc__ = None  # so that `numbers * array` is ours, not NumPy's number by number

    def __init__(self, value: Numbers, parents: tuple[Array, ...] = (), name: str = ""):
        self.value = np.asarray(value, dtype=np.float64)
        self.grad = np.zeros_like(self.value)
        self.parents, self.name = parents, name
        self.send_back: Callable[[], None] = lambda: None  # what backward() calls, once per array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def __repr__(self) -> str:
        return f"Array({self.name or 'leaf'}, shape={self.shape})"

    # Every operation: compute the value, and write down how a gradient of the result becomes gradients of
    # the inputs.

    def __add__(self, other: Array | Numbers) -> Array:
        other = lift(other)
        out = Array(self.value + other.value, (self, other), "+")

        def send_back() -> None:
            self.grad += unbroadcast(out.grad, self.shape)
            other.grad += unbroadcast(out.grad, other.shape)

        out.send_back = send_back
        return out

    def __mul__(self, other: Array | Numbers) -> Array:
        other = lift(other)
        out = Array(self.value * other.value, (self, other), "*")

        def send_back() -> None:  # product rule: each factor's gradient is the other factor
            self.grad += unbroadcast(out.grad * other.value, self.shape)
            other.grad += unbroadcast(out.grad * self.value, other.shape)

        out.send_back = send_back
        return out

    def __matmul__(self, other: Array) -> Array:
        if self.value.ndim != 2 or other.value.ndim != 2:
            raise ValueError(f"@ needs two matrices; got shapes {self.shape} and {other.shape}")
        out = Array(self.value @ other.value, (self, other), "@")  # (N, I) @ (I, O) -> (N, O)

        def send_back() -> None:
            self.grad += out.grad @ other.value.T  # (N, O) @ (O, I)
            other.grad += self.value.T @ out.grad  # (I, N) @ (N, O)

        out.send_back = send_back
        return out

    def elementwise(self, value: np.ndarray, slope: np.ndarray, name: str) -> Array:
        """Any function applied to each number: its value, and its derivative there."""
        out = Array(value, (self,), name)

        def send_back() -> None:
            self.grad += out.grad * slope

        out.send_back = send_back
        return out

    def __pow__(self, power: float) -> Array:
        # x**0 is 1 everywhere, so its slope is 0 also at 0, where 0 * 0**-1 would be no number
        slope = power * self.value ** (power - 1) if power else np.zeros_like(self.value)
        return self.elementwise(self.value**power, slope, f"**{power}")

    def exp(self) -> Array:
        return self.elementwise(np.exp(self.value), np.exp(self.value), "exp")

    def log(self) -> Array:
        return self.elementwise(np.log(self.value), 1 / self.value, "log")

    def tanh(self) -> Array:
        y = np.tanh(self.value)
        return self.elementwise(y, 1 - y**2, "tanh")

    def sigmoid(self) -> Array:
        y = 0.5 * (1 + np.tanh(self.value / 2))  # never overflows
        return self.elementwise(y, y * (1 - y), "sigmoid")

    def relu(self) -> Array:
        return self.elementwise(np.maximum(self.value, 0), (self.value > 0).astype(float), "relu")

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Array:
        out = Array(self.value.sum(axis=axis, keepdims=keepdims), (self,), "sum")

        def send_back() -> None:
            gradient = out.grad if axis is None or keepdims else np.expand_dims(out.grad, axis)
            self.grad += np.broadcast_to(gradient, self.shape)

        out.send_back = send_back
        return out

    def __getitem__(self, index: Any) -> Array:
        out = Array(self.value[index], (self,), "[]")

        def send_back() -> None:
            np.add.at(self.grad, index, out.grad)  # an entry picked twice is paid twice

        out.send_back = send_back
        return out

    # What follows is made of the operations above and needs no rule of its own.

    def __neg__(self) -> Array:
        return self * -1.0

    def __sub__(self, other: Array | Numbers) -> Array:
        return self + lift(other) * -1.0

    def __truediv__(self, other: Array | Numbers) -> Array:
        return self * lift(other) ** -1.0

    def mean(self) -> Array:
        return self.sum() / self.value.size

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Numbers) -> Array:
        return lift(other) - self

    def __rtruediv__(self, other: Numbers) -> Array:
        return lift(other) / self

    def backward(self) -> None:
        """Fill ``.grad`` of everything this number was computed from, itself included.

        Inputs add to the gradient they have; what was computed on the way starts again from zero.
        Raises ``ValueError`` unless this is a single number: a gradient says how *one* number changes.
        """
        if self.value.size != 1:
            raise ValueError(
                f"backward() starts from a single number, this has shape {self.shape}: take .sum() or .mean()"
            )
        order = history(self)
        for array in order:
            if array.parents:
                array.grad = np.zeros_like(array.value)
        self.grad = np.ones_like(self.value)
        for array in reversed(order):
            array.send_back()


def lift(x: Array | Numbers) -> Array:
    """Plain numbers take part in the arithmetic as arrays without a history."""
    return x if isinstance(x, Array) else Array(x)


def history(end: Array) -> list[Array]:
    """All arrays behind ``end``, each after the ones it was computed from (a topological order).

    A stack instead of recursion, so that a thousand layers do not hit Python's limit.
    """
    order: list[Array] = []
    seen: set[int] = set()
    stack = [(end, False)]
    while stack:
        array, parents_done = stack.pop()
        if parents_done:
            order.append(array)
        elif id(array) not in seen:
            seen.add(id(array))
            stack.append((array, True))
            stack.extend((parent, False) for parent in array.parents)
    return order


def cross_entropy(logits: Array, labels: np.ndarray) -> Array:
    """Mean of -log softmax(logits)[label], in nats, for logits (N, K) and integer labels (N,).

    >>> round(float(cross_entropy(Array([[0.0, 0.0]]), np.array([1])).value), 4)  # two equal chances: ln 2
    0.6931

    Raises ``ValueError`` for logits that are no matrix with at least one row, and for labels that do not fit them.
    """
    if len(logits.shape) != 2 or not logits.shape[0]:
        raise ValueError(f"logits have shape {logits.shape}; give (N, K), at least one example")
    n_class, labels = logits.shape[1], np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"need {logits.shape[0]} labels in a row; got shape {labels.shape}")
    if len(labels) != len(logits.value) or labels.min() < 0 or labels.max() >= n_class:
        raise ValueError(
            f"need {len(logits.value)} labels between 0 and {n_class - 1}; got {len(labels)}, "
            f"from {labels.min()} to {labels.max()}"
        )
    shifted = logits - logits.value.max(axis=1, keepdims=True)  # changes nothing but the overflow
    log_total = shifted.exp().sum(axis=1).log()  # (N,)
    return (log_total - shifted[np.arange(len(labels)), labels]).mean()
