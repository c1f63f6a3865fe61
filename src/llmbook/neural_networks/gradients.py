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


def batch_agreement(
    model: MLP, x: np.ndarray, labels: np.ndarray, batch_size: int = 64, n_batch: int = 20, seed: int = 0
) -> float:
    """How well the gradient of a random batch points where that of all examples points: the mean cosine, -1 to 1.

    A gradient is that of all parameters, as one vector; the batches are drawn with replacement, as in training. The
    model is left as it was.

    >>> x, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    >>> round(batch_agreement(MLP((2, 2)), x[[0, 0]], labels[[0, 0]], batch_size=1), 6)  # all examples are one
    1.0

    Raises ``ValueError`` for a batch without an example or no batch, and where a gradient is zero.
    """
    if batch_size < 1 or n_batch < 1:
        raise ValueError(f"batch_size is {batch_size}, n_batch {n_batch}; give at least 1 of each")
    rng, whole = np.random.default_rng(seed), _direction(model, x, labels)
    batches = (rng.integers(len(x), size=batch_size) for _ in range(n_batch))
    return float(np.mean([whole @ _direction(model, x[rows], labels[rows]) for rows in batches]))


def _direction(model: MLP, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of the loss on these examples, of all parameters in one vector, scaled to length 1."""
    parameters = model.parameters()
    kept = [p.grad for p in parameters]
    try:
        for p in parameters:
            p.grad = np.zeros_like(p.value)
        cross_entropy(model(x), labels).backward()
        gradient = np.concatenate([p.grad.ravel() for p in parameters])
    finally:
        for p, grad in zip(parameters, kept, strict=True):
            p.grad = grad
    length = np.linalg.norm(gradient)
    if not 0 < length < math.inf:
        raise ValueError(
            f"a gradient has the length {length}: it points nowhere, so nothing can agree with it"
        )
    return np.asarray(gradient / length)


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
