"""Gradients looked at: by nudging, layer by layer, and what is left of them behind many layers.

Left out on purpose: second derivatives, and remedies other than the starting weights (norms, residual sums).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from llmbook.neural_networks.activations import GAINS
from llmbook.neural_networks.autograd import Array, cross_entropy
from llmbook.neural_networks.mlp import MLP


def nudged_gradient(
    loss: Callable[[], Array], parameters: Iterable[Array], step: float = 1e-5
) -> list[np.ndarray]:
    """Gradients the slow way: nudge each number up and down and look at the loss (central differences)."""
    gradients = []
    for p in parameters:
        gradient = np.zeros_like(p.value)
        for i in np.ndindex(p.shape):
            kept = p.value[i]
            p.value[i] = kept + step
            up = float(loss().value)
            p.value[i] = kept - step
            gradient[i] = (up - float(loss().value)) / (2 * step)
            p.value[i] = kept
        gradients.append(gradient)
    return gradients


def gradient_by_layer(
    activation: str, depth: int, width: int = 64, seed: int = 0, gain: float | None = None
) -> np.ndarray:
    """Root mean square of the loss's gradient at every layer's weights, first layer first: (depth,).

    ``gain`` is that of ``MLP``; by default sqrt(2) for ReLU and 1 for the others.
    Raises ``ValueError`` when ``depth`` is below 1, or for an unknown activation.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; a network has at least one layer")
    gain = {"relu": math.sqrt(2)}.get(activation, 1.0) if gain is None else gain
    rng = np.random.default_rng(seed)
    model = MLP((width, *[width] * (depth - 1), 10), activation, seed, gain)
    cross_entropy(model(rng.normal(size=(128, width))), rng.integers(10, size=128)).backward()
    return np.array([np.sqrt((w.grad**2).mean()) for w in model.weights])


def gradient_survival(
    activation: str, init: str, depth: int = 20, seeds: Iterable[int] = range(5), width: int = 64
) -> np.ndarray:
    """What is left of a gradient behind 1, 2, ..., ``depth`` layers, as a share of what went in: (S, L).

    A network of ``depth`` hidden layers with fresh weights (``init``: a name in ``GAINS``) reads 128 random inputs, and
    a random gradient goes back from its last hidden layer. Compared are root mean squares: 1 is all, 0 nothing.

    Raises ``ValueError`` for an unknown ``init`` or activation, and when ``depth`` is below 1.
    """
    if init not in GAINS:
        raise ValueError(f"init is {init!r}; choose {' or '.join(GAINS)}")
    if depth < 1:
        raise ValueError(f"depth is {depth}; a network has at least one layer")
    return np.array([_survival(activation, GAINS[init], depth, seed, width) for seed in seeds])


def _survival(activation: str, gain: float, depth: int, seed: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = Array(rng.normal(size=(128, width)))
    hidden = MLP((width,) * (depth + 2), activation, seed, gain).layers(x)[:depth]
    (hidden[-1] * rng.normal(size=(128, width))).sum().backward()
    sizes = [np.sqrt((h.grad**2).mean()) for h in (x, *hidden)]  # the input first
    return np.array(sizes[-2::-1]) / sizes[-1]
