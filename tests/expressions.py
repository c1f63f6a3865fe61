"""Small computations to be traced, each as its output and the names of its arrays."""

from __future__ import annotations

from llmbook.neural_networks import Array


def neuron():
    x1, x2, w1, w2, b = (Array(v) for v in (2.0, -1.0, 0.5, 1.5, 0.25))
    loss = ((x1 * w1 + x2 * w2 + b).tanh() - 1.0) ** 2
    return loss, {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b, "loss": loss}


def page():
    """The one that the page works by hand."""
    w1, x1, w2, x2 = (Array(v) for v in (0.5, 2.0, 1.5, -1.0))
    p, q = w1 * x1, w2 * x2
    s = p + q
    off = s + Array(-1.0)
    e = off**2
    return e, {"w1": w1, "x1": x1, "w2": w2, "x2": x2, "p": p, "q": q, "s": s, "s − t": off, "e": e}


def shared():
    x, w = Array(3.0), Array(-2.0)
    return (x * w + x).relu() + x * x, {"x": x, "w": w}


def vector():
    x, w = Array([2.0, -1.0]), Array([[0.5], [1.5]])
    return (Array([[1.0, 2.0]]) @ w).sum() * (x * x).sum() / x[0], {"x": x, "w": w}


def two_ways():
    """The input is read close to the output and, written later, far from it."""
    x = Array(0.5)
    return x.tanh() + x.exp().tanh().exp(), {"x": x}


EXPRESSIONS = {"two ways": two_ways, "neuron": neuron, "page": page, "shared": shared, "vector": vector}
