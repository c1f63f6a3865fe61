"""The multi-layer perceptron and gradient descent, on our own back-propagation (``autograd``).

``MLP`` is that of Rumelhart, Hinton & Williams 1986 (doi:10.1038/323533a0); ``fit`` is plain gradient descent.

Left out on purpose: regularisation, convolution; momentum and Adam stand in ``optimizers``.

Shapes: N examples, I inputs, O outputs of a layer, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from llmbook.neural_networks.activations import activate, check_activation
from llmbook.neural_networks.autograd import (
    Array,
    Numbers,
    cross_entropy,
    lift,
)


@dataclass
class MLP:
    """Layers of neurons: ``sizes = (I, ..., K)``; every layer but the last goes through ``activation``.

    Weights start as normal(0, gain / sqrt(inputs)): gain sqrt(2) for ReLU (He et al. 2015, arXiv:1502.01852).
    """

    sizes: tuple[int, ...]
    activation: str = "relu"
    seed: int = 0
    gain: float = math.sqrt(2)
    weights: list[Array] = field(init=False)
    biases: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        check_activation(self.activation)
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(
                f"sizes is {self.sizes}; give at least an input and an output size, each at least 1"
            )
        rng = np.random.default_rng(self.seed)
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.weights = [Array(rng.normal(0, self.gain / math.sqrt(i), (i, o))) for i, o in pairs]
        self.biases = [Array(np.zeros(o)) for _, o in pairs]

    def layers(self, x: Array | Numbers) -> list[Array]:
        """The output of every layer, the logits (N, K) last."""
        h, outputs = lift(x), []
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = h @ w + b  # (N, I) -> (N, O)
            if i < len(self.weights) - 1:
                h = activate(self.activation, h)
            outputs.append(h)
        return outputs

    def __call__(self, x: Array | Numbers) -> Array:
        return self.layers(x)[-1]

    def predict(self, x: Numbers) -> np.ndarray:
        """The class with the largest logit, for each row of ``x``: (N,)."""
        return self(x).value.argmax(axis=1)

    def parameters(self) -> list[Array]:
        return [*self.weights, *self.biases]

    def step(self, lr: float) -> None:
        """Gradient descent: move every parameter a little against its gradient, then forget the gradient."""
        for p in self.parameters():
            p.value -= lr * p.grad
            p.grad = np.zeros_like(p.value)


def fit(
    model: MLP,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    lr: float,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
) -> list[float]:
    """Gradient descent on the cross-entropy, on random batches if ``batch_size`` is given: all losses."""
    rng, losses = np.random.default_rng(seed), []
    for _ in range(steps):
        rows = np.arange(len(x)) if batch_size is None else rng.integers(len(x), size=batch_size)
        loss = cross_entropy(model(x[rows]), labels[rows])
        loss.backward()
        model.step(lr)
        losses.append(float(loss.value))
    return losses


def probability(model: MLP, x: np.ndarray, label: int) -> np.ndarray:
    """What the model thinks of one class: softmax(logits)[:, label], (N,)."""
    logits = model(x).value
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e[:, label] / e.sum(axis=1)


XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
