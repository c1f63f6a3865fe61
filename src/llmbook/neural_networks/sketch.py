"""A small network as circles and lines, and the same weights as the matrices that hold them.

Left out on purpose: networks of more than a dozen neurons, whose lines nobody can follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

RADIUS = 0.62  # of a circle, on a sheet that is 10 wide
MOST = 6  # neurons of a layer that can be drawn and read


def weight_name(layer: int, source: int, target: int) -> str:
    """What NumPy calls the weight from ``source`` to ``target``, both counted from 0, of layer 1, 2, ...

    >>> weight_name(1, 0, 2)
    'W1[0, 2]'
    """
    return f"W{layer}[{source}, {target}]"


def draw_network(
    names: Sequence[Sequence[str]], neuron: tuple[int, int] = (1, 0), width: float = 4.0, height: float = 3.2
) -> Axes:
    """Circles with ``names``, layer by layer from left to right, a line for each weight; one neuron's weights named.

    ``neuron`` is (layer, place): its lines are orange and carry the names of their weights. Sizes in inches.

    Raises ``ValueError`` for fewer than two layers, an empty or a long one, and a neuron that has no weights.
    """
    from llmbook.core.show.drawing import canvas, circle
    from llmbook.core.show.plotting import BLUE, ORANGE

    layer, place = neuron
    if len(names) < 2 or not all(1 <= len(row) <= MOST for row in names):
        raise ValueError(f"layers of {[len(row) for row in names]} names; give two or more, of 1 to {MOST}")
    if not (1 <= layer < len(names) and 0 <= place < len(names[layer])):
        raise ValueError(f"neuron is {neuron}; give (layer, place), and a layer from 1 to {len(names) - 1}")
    ax = canvas(width, height)
    top = 10 * height / width
    columns = [0.9 + 8.2 * i / (len(names) - 1) for i in range(len(names))]
    parts = [
        [
            circle(ax, x, top - (top - 0.8) * (k + 0.5) / len(row), text, radius=RADIUS,
                   color=ORANGE if (i, k) == neuron else BLUE)
            for k, text in enumerate(row)
        ]
        for i, (x, row) in enumerate(zip(columns, names, strict=True))
    ]  # fmt: skip
    for i, (before, after) in enumerate(pairwise(parts), start=1):
        for (k, here), (source, there) in product(enumerate(after), enumerate(before)):
            ends = there.edge((here.x, here.y)), here.edge((there.x, there.y))
            own = (i, k) == neuron
            ax.plot(*zip(*ends, strict=True), color=ORANGE if own else BLUE, linewidth=2 if own else 0.7)
            if own:
                _along(ax, *ends, weight_name(i, source, k))
    for x, text in zip(columns, _captions([len(row) for row in names]), strict=True):
        ax.text(x, 0.1, text, ha="center", va="bottom")
    return ax


def _along(ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str) -> None:
    """A weight's name on its line, turned with it, in its first half: there the lines of one neuron stand apart."""
    from llmbook.core.show.plotting import ORANGE

    dx, dy = end[0] - start[0], end[1] - start[1]
    length, share = math.hypot(dx, dy), 0.42
    x, y = start[0] + share * dx - 0.3 * dy / length, start[1] + share * dy + 0.3 * dx / length
    style: dict[str, Any] = {
        "rotation": math.degrees(math.atan2(dy, dx)),
        "rotation_mode": "anchor",
        "gid": "halo",
        "zorder": 5,
    }
    ax.text(x, y, text, ha="center", va="center", color=ORANGE, fontsize=10, **style)


def _captions(sizes: Sequence[int]) -> list[str]:
    """What stands under each layer.

    >>> _captions([2, 3, 2])
    ['2 inputs', '3 hidden', '2 outputs']
    """
    middle = [f"{n} hidden" for n in sizes[1:-1]]
    return [f"{sizes[0]} inputs", *middle, f"{sizes[-1]} outputs"]


def draw_matrices(
    sizes: Sequence[int], neuron: tuple[int, int] = (1, 0), width: float = 3.2, height: float = 3.2
) -> Axes:
    """The weights of a network of ``sizes`` as named cells, one matrix under the other; one neuron's column marked.

    Row: where a weight comes from. Column: the neuron to which it belongs. Under each matrix stands its bias.

    Raises ``ValueError`` for fewer than two layers.
    """
    from llmbook.core.show.drawing import box, canvas
    from llmbook.core.show.plotting import BLUE, INK, ORANGE

    if len(sizes) < 2:
        raise ValueError(f"sizes are {list(sizes)}; give at least an input and an output size")
    ax = canvas(width, height)
    y, wide, high = 10 * height / width - 0.3, 3.0, 0.8
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        ax.text(
            0.2,
            y,
            f"W{layer}: {n_in} × {n_out}, and b{layer}: {n_out}",
            va="top",
            color=INK,
            fontweight="bold",
        )
        y -= 0.9
        for row in range(n_in + 1):
            bias, y = row == n_in, y - high - 0.1 * (row == n_in)
            for k in range(n_out):
                text = f"b{layer}[{k}]" if bias else weight_name(layer, row, k)
                middle = (0.2 + (k + 0.5) * wide, y + high / 2)
                box(
                    ax, *middle, text, color=ORANGE if (layer, k) == neuron else BLUE, width=wide, height=high
                )
        y -= 0.35
    return ax
