"""Networks of neurons, trained with our own back-propagation (``core.autograd``).

``MLP`` is the multi-layer perceptron of Rumelhart, Hinton & Williams 1986 (doi:10.1038/323533a0); ``fit`` is
plain gradient descent. The ``*_torch`` functions repeat the same computation with PyTorch, for comparison
only.

Left out on purpose: momentum, regularisation, convolution. Optimizers have their own page.

Shapes: N examples, I inputs, O outputs of a layer, K classes.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from llmbook.core import data
from llmbook.core.autograd import Array, Numbers, cross_entropy, history, lift

__all__ = [
    "MLP",
    "XOR",
    "Array",
    "accuracy",
    "activation_curves",
    "bag_of_words",
    "cross_entropy",
    "fit",
    "fit_with_torch",
    "gradient_by_layer",
    "history",
    "news",
    "nudged_gradient",
    "overfitting",
    "parity_with_torch",
    "probability",
]


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
        if self.activation not in ("relu", "tanh", "sigmoid", "none"):
            raise ValueError(f"activation is {self.activation!r}; choose relu, tanh, sigmoid or none")
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(
                f"sizes is {self.sizes}; give at least an input and an output size, each at least 1"
            )
        rng = np.random.default_rng(self.seed)
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.weights = [Array(rng.normal(0, self.gain / math.sqrt(i), (i, o))) for i, o in pairs]
        self.biases = [Array(np.zeros(o)) for _, o in pairs]

    def layers(self, x: Numbers) -> list[Array]:
        """The output of every layer, the logits (N, K) last."""
        h, outputs = lift(x), []
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = h @ w + b  # (N, I) -> (N, O)
            if i < len(self.weights) - 1 and self.activation != "none":
                h = getattr(h, self.activation)()
            outputs.append(h)
        return outputs

    def __call__(self, x: Numbers) -> Array:
        return self.layers(x)[-1]

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


def accuracy(model: MLP, x: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose largest logit is the label's, between 0 and 1."""
    return float((model(x).value.argmax(axis=1) == labels).mean())


def probability(model: MLP, x: np.ndarray, label: int) -> np.ndarray:
    """What the model thinks of one class: softmax(logits)[:, label], (N,)."""
    logits = model(x).value
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e[:, label] / e.sum(axis=1)


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
    """Root mean square of the loss's gradient at every layer's weights, first layer first: (depth,)."""
    gain = {"relu": math.sqrt(2)}.get(activation, 1.0) if gain is None else gain
    rng = np.random.default_rng(seed)
    model = MLP((width, *[width] * (depth - 1), 10), activation, seed, gain)
    cross_entropy(model(rng.normal(size=(128, width))), rng.integers(10, size=128)).backward()
    return np.array([np.sqrt((w.grad**2).mean()) for w in model.weights])


def activation_curves(x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (value, slope) at ``x``, the slopes by our own engine; GELU, which it lacks, by PyTorch."""
    curves = {}
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


# --------------------------------------------------------------------------------- the same with PyTorch


def torch_twin(model: MLP) -> list[torch.Tensor]:
    """The model's weights and biases as PyTorch tensors with gradients, in the order of ``parameters()``."""
    return [torch.tensor(p.value, requires_grad=True) for p in model.parameters()]


def torch_logits(model: MLP, twin: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """What ``model`` computes, by PyTorch: (N, I) -> (N, K)."""
    n = len(model.weights)
    for i in range(n):
        x = x @ twin[i] + twin[n + i]
        if i < n - 1 and model.activation != "none":
            x = getattr(torch, model.activation)(x)
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


# ---------------------------------------------------------------------------------------- the page's data

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def bag_of_words(texts: Sequence[str], n_feature: int = 1024) -> np.ndarray:
    """How often each word occurs, words hashed into ``n_feature`` columns: (N, I).

    Each row has root mean square 0.2. log(1 + count), so that the tenth "the" counts for less than the first.

    >>> bag_of_words(["to be or not to be"], n_feature=8).shape
    (1, 8)
    """
    counts = np.zeros((len(texts), n_feature))
    for row, text in enumerate(texts):
        for word in re.findall(r"[a-z']+", text.lower()):
            counts[row, zlib.crc32(word.encode()) % n_feature] += 1
    counts = np.log1p(counts)
    return 0.2 * counts / np.maximum(np.sqrt((counts**2).mean(axis=1, keepdims=True)), 1e-12)


@lru_cache(maxsize=2)
def counted_news(n_feature: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All articles as rows, their topics as numbers, and the topics' names.

    About a hundred articles occur twice in the collection; here once, so that no split has one on both sides.
    """
    articles = list({" ".join(re.findall(r"[a-z']+", a.text.lower())): a for a in data.news()}.values())
    topics = sorted({a.topic for a in articles})
    return (
        bag_of_words([a.text for a in articles], n_feature),
        np.array([topics.index(a.topic) for a in articles]),
        topics,
    )


def news(
    n_feature: int = 1024, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """BBC news in five topics, shuffled and split 80/20.

    Returns train x, train labels, held-out x, held-out labels, topics.
    """
    x, labels, topics = counted_news(n_feature)
    order = np.random.default_rng(seed).permutation(len(x))
    x, labels = x[order], labels[order]
    cut = len(order) * 4 // 5
    return x[:cut], labels[:cut], x[cut:], labels[cut:], topics


def overfitting(
    sizes: Sequence[int], seeds: Iterable[int], *, lr: float, steps: int
) -> dict[str, np.ndarray]:
    """Accuracy on the training articles ("seen") and on "held out" ones, by number of training articles.

    Returns two arrays (len(sizes), len(seeds)); each seed draws another split and another start.
    """
    seeds = list(seeds)
    result = {name: np.zeros((len(sizes), len(seeds))) for name in ("seen", "held out")}
    for j, seed in enumerate(seeds):
        x, y, x_held_out, y_held_out, topics = news(seed=seed)
        for i, n in enumerate(sizes):
            model = MLP((x.shape[1], 32, len(topics)), seed=seed)
            fit(model, x[:n], y[:n], lr=lr, steps=steps, batch_size=64, seed=seed)
            result["seen"][i, j] = accuracy(model, x[:n], y[:n])
            result["held out"][i, j] = accuracy(model, x_held_out, y_held_out)
    return result
