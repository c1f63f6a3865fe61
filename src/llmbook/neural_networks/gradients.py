"""Gradients looked at: by nudging, layer by layer, and through each activation function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F

from llmbook.neural_networks.autograd import (
    Array,
    cross_entropy,
)
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


def activation_curves(x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (value, slope) at ``x``, the slopes by our own engine; GELU, which it lacks, by PyTorch."""
    x, curves = np.asarray(x, dtype=np.float64), {}
    for name in ("sigmoid", "tanh", "relu"):
        a = Array(x)
        y = getattr(a, name)()
        y.sum().backward()
        curves[name] = (y.value, a.grad)
    t = torch.tensor(x, requires_grad=True)
    F.gelu(t).sum().backward()
    assert t.grad is not None
    curves["gelu"] = (F.gelu(t).detach().numpy(), t.grad.numpy())
    return curves
