"""Six activation functions with their slopes, how much gradient gets through layers of them, and what they learn.

Sigmoid, tanh and ReLU are methods of ``Array``; leaky ReLU (Maas et al. 2013, "Rectifier nonlinearities improve neural
network acoustic models"), GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415) and SiLU (ibid.; Elfwing et al. 2017,
arXiv:1702.03118) are here, each as its value and its slope.

Left out on purpose: gated units (SwiGLU), which are layers, and learned slopes.

Shapes: N examples, I inputs, S seeds, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmbook.neural_networks.autograd import Array

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

_erf = np.vectorize(math.erf, otypes=[float])  # NumPy has none


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x where it is positive, else ``slope`` · x: a neuron that is off still learns a little.

    >>> leaky_relu(Array([2.0, -2.0])).value.tolist()
    [2.0, -0.02]
    """
    slopes = np.where(x.value > 0, 1.0, slope)
    return x.elementwise(x.value * slopes, slopes, "leaky relu")


def gelu(x: Array) -> Array:
    """x · P(Z <= x) for a normal Z: what is far above zero passes, what is far below does not.

    By the product rule its slope is P(Z <= x) + x · density(x).

    >>> gelu(Array([-1.0, 0.0, 1.0])).value.round(4).tolist()
    [-0.1587, 0.0, 0.8413]
    """
    below = 0.5 * (1 + _erf(x.value / math.sqrt(2)))
    density = np.exp(-(x.value**2) / 2) / math.sqrt(2 * math.pi)
    return x.elementwise(x.value * below, below + x.value * density, "gelu")


def silu(x: Array) -> Array:
    """x · sigmoid(x), also called swish: slope s + x · s · (1 - s) for s = sigmoid(x).

    >>> silu(Array([-1.0, 0.0, 1.0])).value.round(4).tolist()
    [-0.2689, 0.0, 0.7311]
    """
    s = 0.5 * (1 + np.tanh(x.value / 2))
    return x.elementwise(x.value * s, s + x.value * s * (1 - s), "silu")


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": Array.sigmoid,
    "tanh": Array.tanh,
    "relu": Array.relu,
    "leaky relu": leaky_relu,
    "gelu": gelu,
    "silu": silu,
}
# Starting weights are normal(0, gain / sqrt(inputs)).
GAINS = {
    "Xavier": 1.0,  # Glorot & Bengio 2010 (with as many outputs as inputs): keeps the size of what is not bent
    "He": math.sqrt(2),  # He et al. 2015, arXiv:1502.01852: makes up for ReLU, which drops half of it
}
SUITS = {name: "Xavier" if name in ("sigmoid", "tanh") else "He" for name in ACTIVATIONS}


def activate(name: str, x: Array) -> Array:
    """``x`` through the activation function ``name``; "none" is the straight one.

    Raises ``ValueError`` for a name that is not in ``ACTIVATIONS``.
    """
    check_activation(name)
    return x if name == "none" else ACTIVATIONS[name](x)


def check_activation(name: str) -> None:
    """Raise ``ValueError`` for an unknown activation function."""
    if name not in ACTIVATIONS and name != "none":
        raise ValueError(f"activation is {name!r}; choose {', '.join(ACTIVATIONS)} or none")


def activation_curves(x: Sequence[float] | np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (value, slope) at ``x``, the slopes by back-propagation.

    >>> value, slope = activation_curves([-1.0, 0.0, 3.0])["relu"]
    >>> value.tolist(), slope.tolist()
    ([0.0, 0.0, 3.0], [0.0, 0.0, 1.0])
    """
    curves = {}
    for name, function in ACTIVATIONS.items():
        a = Array(x)
        y = function(a)
        y.sum().backward()
        curves[name] = (y.value, a.grad)
    return curves


def draw_curves(
    ax: Axes, curves: dict[str, tuple[np.ndarray, np.ndarray]], x: np.ndarray, slopes: bool = False
) -> Axes:
    """Some of ``activation_curves(x)``, or their slopes; where ReLU's slope jumps the line is broken, not upright.

    At the jump the circle that is filled belongs to the slope, the empty one does not.
    """
    from llmbook.core.show.plotting import PAPER, lines

    series = {name: (x, pair[int(slopes)]) for name, pair in curves.items()}
    if slopes and "relu" in series:
        jump = int(np.searchsorted(x, 0.0, side="right"))
        broken = np.insert(x, jump, [0.0, 0.0]), np.insert(curves["relu"][1], jump, [np.nan, 1.0])
        series["relu"] = broken
    lines(ax, series)
    if slopes and "relu" in series:
        color = ax.lines[list(series).index("relu")].get_color()
        ax.plot([0], [0], "o", color=color, zorder=4)
        ax.plot([0], [1], "o", color=color, markerfacecolor=PAPER, zorder=4)
    return ax
