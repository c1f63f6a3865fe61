"""The computation graph of a small expression, as data and as a picture that can be stepped through.

``tracing.trace`` makes a ``Graph`` of what our ``Array`` remembers. ``draw_graph`` draws its state after any step: each
node's value above its own wire, its gradient below it (the picture of Stanford's CS231n, and of Karpathy's micrograd).

Left out on purpose: graphs of more than about twenty nodes, and numbers that have no room. In 5.6 inches five columns
of numbers of four characters stand clear of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

INPUT, CONSTANT = "input", "constant"
SIZE = 11  # points; 10.7 is the least that 342 CSS pixels show legibly of 5.6 inches
PAD, GAP = 3.5, 3.0  # points: between a box and its text, and around a number
LEAST_WIRE = 14.0  # points of a wire beyond its numbers
WIDTHS = (
    dict.fromkeys(".,: ", 0.32) | dict.fromkeys("−×+w", 0.83) | {"s": 0.52, "t": 0.39, "m": 0.97}
)  # of the size
NEAREST = 0.75  # rows between two nodes of a column


@dataclass(frozen=True)
class Node:
    """One value: what it is called, how it was made, from which nodes, and how the output changes with it.

    ``op`` names an operation of ``Array``, or is ``INPUT`` or ``CONSTANT``; ``operands`` are names of nodes, one twice
    in x · x. ``x`` is its column and ``y`` its row: the output stands on the right, and every node at least one column
    to the left of what is made from it.
    """

    name: str
    op: str
    operands: tuple[str, ...]
    value: np.ndarray
    gradient: np.ndarray
    x: float = 0.0
    y: float = 0.0

    @property
    def label(self) -> str:
        """What to write for it: its name, or the number itself if it is a constant."""
        return show(self.value) if self.op == CONSTANT else self.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """The operands, each once."""
        return tuple(dict.fromkeys(self.operands))


@dataclass(frozen=True)
class Step:
    """One moment of the computation: ``phase`` is "forward" or "backward", ``nodes`` are those that act.

    The first step gives all inputs; in any other one node acts. ``passed`` is what it passes to each of its inputs, in
    the backward phase; constants get nothing.
    """

    phase: str
    nodes: tuple[str, ...]
    sentence: str
    passed: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Graph:
    """Nodes by name, each behind those it is made from, and the steps: forward through all, then back."""

    nodes: Mapping[str, Node]
    steps: tuple[Step, ...]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """All pairs (from, to), in the direction of the computation."""
        return [(name, node.name) for node in self.nodes.values() for name in node.inputs]

    @property
    def output(self) -> Node:
        """The number that is computed, and that every gradient is about."""
        return list(self.nodes.values())[-1]

    def numbers(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What is known after step number ``step``: values, and gradients as far as they have come, by node."""
        done = self.steps[: step + 1]
        values = {name: self.nodes[name].value for s in done if s.phase == "forward" for name in s.nodes}
        gradients: dict[str, np.ndarray] = {}
        if done[-1].phase == "backward":
            gradients[self.output.name] = self.output.gradient
        for name, gradient in (pair for s in done for pair in s.passed.items()):
            gradients[name] = gradients.get(name, 0.0) + gradient
        return values, gradients


def show(value: np.ndarray | float) -> str:
    """A number to three digits, up to six of them in brackets, or the shape of more.

    >>> show(np.array([0.12345, -2.0])), show(-0.0), show(np.zeros((3, 4)))
    ('[0.123, −2]', '0', '3×4 numbers')
    """
    value = np.asarray(value) + 0.0  # no -0
    if value.size > 6:
        return "×".join(map(str, value.shape)) + " numbers"
    numbers = [f"{v:.3g}".replace("-", "−") for v in value.ravel()]
    return numbers[0] if value.ndim == 0 else f"[{', '.join(numbers)}]"


def superscript(power: str) -> str:
    """A power as it stands behind what is raised to it.

    >>> superscript("2"), superscript("-1.0"), superscript("0.5")
    ('²', '⁻¹', '^0.5')
    """
    number = f"{float(power):g}"
    if set(number) <= set("-0123456789"):
        return number.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"^{number}" if number[0] != "-" else f"^(−{number[1:]})"


def symbol(op: str) -> str:
    """How an operation is written when it stands alone, in a box or at the start of a sentence.

    >>> symbol("*"), symbol("**2"), symbol("tanh")
    ('×', '( )²', 'tanh')
    """
    if op.startswith("**"):
        return f"( ){superscript(op[2:])}"
    return {"*": "×", "[]": "pick"}.get(op, op)


# ------------------------------------------------------------------------------------------------ places


def placed(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes with places: columns by the longest way to the output, rows as in a tree, whose lines never cross."""
    output = list(nodes)[-1]
    distance = dict.fromkeys(nodes, 0)
    for node in reversed(list(nodes.values())):
        for name in node.inputs:
            distance[name] = max(distance[name], distance[node.name] + 1)
    column = {name: max(distance.values()) - d for name, d in distance.items()}
    rows = _rows(nodes, output, column, set())
    taken: dict[int, set[float]] = {}
    done = {}
    for name, node in nodes.items():
        others, y = taken.setdefault(column[name], set()), rows[name]
        while any(abs(y - other) < NEAREST for other in others):
            y += NEAREST
        others.add(y)
        done[name] = replace(node, x=float(column[name]), y=-y)
    return done


def _rows(
    nodes: Mapping[str, Node], name: str, column: Mapping[str, int], seen: set[str]
) -> dict[str, float]:
    """Rows of ``name`` and of all behind it that is not ``seen``: inputs as close as they can, it in their middle."""
    seen.add(name)
    rows: dict[str, float] = {}
    for other in nodes[name].inputs:
        if other not in seen:
            more = _rows(nodes, other, column, seen)
            down = max(
                (1 + rows[a] - more[b] for a in rows for b in more if column[a] == column[b]), default=0
            )
            rows |= {one: row + down for one, row in more.items()}
    own = [other for other in nodes[name].inputs if other in rows]
    middle = [rows[other] for other in own if nodes[other].op != CONSTANT] or [rows[other] for other in own]
    rows[name] = sum(middle) / len(middle) if middle else 0.0
    return rows


# ---------------------------------------------------------------------------------------------- as a picture


def draw_graph(ax: Axes, graph: Graph, step: int | None = None) -> Axes:
    """The graph after step number ``step`` (0 is the first), or after the last: its nodes marked, numbers so far shown.

    A node's value stands above the wire that leaves it, its gradient (the sum of what it got so far) below.
    Raises ``ValueError`` for a step that there is not.
    """
    from llmbook.core.show.plotting import BLUE, INK, ORANGE

    last = len(graph.steps) - 1 if step is None else step
    if not 0 <= last < len(graph.steps):
        raise ValueError(f"step is {step}; there are steps 0 to {len(graph.steps) - 1}")
    values, gradients = graph.numbers(last)
    acting = graph.steps[last] if step is not None else None
    middle, ends = _columns(graph)
    for one, other in [*graph.edges, (graph.output.name, "")]:
        a, b = graph.nodes[one], graph.nodes.get(other)
        xs, ys = [middle[int(a.x)], ends[int(a.x)]], [a.y, a.y]
        ax.plot(
            [*xs, *([middle[int(b.x)]] if b else [])], [*ys, *([b.y] if b else [])], color=INK, linewidth=1.2
        )
    for node in graph.nodes.values():
        at, right = (middle[int(node.x)], node.y), _width(_box(node)) / 2 + PAD + GAP
        _draw_box(ax, node, at, acting.phase if acting and node.name in acting.nodes else "")
        for numbers, color, up in ((values, BLUE, 1), (gradients, ORANGE, -1)):
            if node.name in numbers:
                _write(ax, show(numbers[node.name]), at, (right, up * GAP), color, node.name)
    ax.set_axis_off()
    rows = [node.y for node in graph.nodes.values()]
    ax.set(xlim=(0, ends[-1]), ylim=(min(rows) - 0.5, max(rows) + 0.5))
    return ax


def _columns(graph: Graph) -> tuple[list[float], list[float]]:
    """In points, for each column: the middle of its boxes, and where the wires that leave it may bend."""
    middle, ends, start = [], [], GAP
    for column in range(int(graph.output.x) + 1):
        here = [node for node in graph.nodes.values() if node.x == column]
        box = max(_width(_box(node)) for node in here) + 2 * PAD
        numbers = [
            _width(show(n)) for node in here if node.op != CONSTANT for n in (node.value, node.gradient)
        ]
        middle.append(start + box / 2)
        ends.append(start + box + max(numbers, default=0.0) + 2 * GAP)
        start = ends[-1] + LEAST_WIRE
    return middle, ends


def _width(text: str) -> float:
    """About how wide a text is when drawn in DejaVu Sans, in points: its widest line."""
    return SIZE * max(sum(WIDTHS.get(c, 0.64) for c in line) for line in text.split("\n"))


def _draw_box(ax: Axes, node: Node, at: tuple[float, float], acts: str) -> None:
    """A box with the node's name and operation, marked when it is one that acts, in that phase's colour."""
    from llmbook.core.show.plotting import BLUE, FAINT, INK, ORANGE, PAPER

    edge = {"forward": BLUE, "backward": ORANGE}.get(acts, FAINT if node.op == CONSTANT else INK)
    style = f"round,pad={PAD / SIZE:.3f}"
    box = {"boxstyle": style, "facecolor": PAPER, "edgecolor": edge, "linewidth": 2.5 if acts else 1.2}
    ax.text(*at, _box(node), ha="center", va="center", fontsize=SIZE, linespacing=1.0, bbox=box, zorder=3)


def _box(node: Node) -> str:
    return node.label if node.op in (INPUT, CONSTANT) else f"{node.name}\n{symbol(node.op)}"


def _write(
    ax: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], color: str, owner: str
) -> None:
    """A number beside its node: above the wire where the offset goes up, else below."""
    side = "bottom" if offset[1] > 0 else "top"
    number = ax.annotate(text, at, offset, textcoords="offset points", ha="left", va=side, zorder=4)
    number.set(fontsize=SIZE, color=color, gid=f"number {owner}")
