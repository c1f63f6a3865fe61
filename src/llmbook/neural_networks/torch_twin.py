"""The same networks with PyTorch, for comparison only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from llmbook.neural_networks.autograd import (
    cross_entropy,
)
from llmbook.neural_networks.mlp import MLP


def torch_twin(model: MLP) -> list[torch.Tensor]:
    """The model's weights and biases as PyTorch tensors with gradients, in the order of ``parameters()``."""
    return [torch.tensor(p.value, requires_grad=True) for p in model.parameters()]


def torch_logits(model: MLP, twin: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """What ``model`` computes, by PyTorch: (N, I) -> (N, K)."""
    n = len(model.weights)
    for i in range(n):
        x = x @ twin[i] + twin[n + i]
        if i < n - 1 and model.activation != "none":
            x = getattr(F, model.activation.replace(" ", "_"))(x)
    return x


def parity_with_torch(sizes: tuple[int, ...], n: int, seed: int = 0) -> dict[str, float]:
    """Largest difference between our gradients and PyTorch's, per activation, on ``n`` random examples."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(n, sizes[0])), rng.integers(sizes[-1], size=n)
    worst = {}
    for activation in ("relu", "tanh", "sigmoid"):
        model = MLP(sizes, activation, seed)
        twin = torch_twin(model)
        cross_entropy(model(x), labels).backward()
        F.cross_entropy(torch_logits(model, twin, torch.tensor(x)), torch.tensor(labels)).backward()
        pairs = zip(model.parameters(), twin, strict=True)
        worst[activation] = max(float(np.abs(p.grad - t.grad.numpy()).max()) for p, t in pairs)  # type: ignore[union-attr]
    return worst


def fit_with_torch(
    sizes: tuple[int, ...],
    x: np.ndarray,
    labels: np.ndarray,
    *,
    lr: float,
    steps: int,
    batch_size: int,
    seed: int = 0,
) -> list[float]:
    """``fit`` again with PyTorch's gradients: same start, same batches, same step. Returns every loss."""
    model = MLP(sizes, seed=seed)
    twin, rng, losses = torch_twin(model), np.random.default_rng(seed), []
    for _ in range(steps):
        rows = rng.integers(len(x), size=batch_size)
        loss = F.cross_entropy(torch_logits(model, twin, torch.tensor(x[rows])), torch.tensor(labels[rows]))
        gradients = torch.autograd.grad(loss, twin)
        with torch.no_grad():
            for p, g in zip(twin, gradients, strict=True):
                p -= lr * g
        losses.append(loss.item())
    return losses


def descend_with_torch(slopes: Sequence[float], start: Sequence[float], lr: float, steps: int) -> np.ndarray:
    """Where ``torch.optim.AdamW`` (decay 0.01) goes on the sum of slopes/2 · p²: (steps, len(start)), no start.

    >>> descend_with_torch([1.0], [1.0], lr=0.1, steps=1).round(3).tolist()  # 1 - 0.1 - 0.1 · 0.01
    [[0.899]]
    """
    p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, way = torch.optim.AdamW([p], lr=lr, weight_decay=0.01), []
    for _ in range(steps):
        optimizer.zero_grad()
        (p * p * torch.tensor(slopes, dtype=torch.float64) / 2).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        way.append(p.detach().numpy().copy())
    return np.array(way)
