"""The computation graph of a small expression, as data and as a picture that can be stepped through.

``trace`` reads what our ``Array`` remembers: forward, how each value came about; backward, what each operation passes
to each of its inputs, in words and numbers. ``draw_graph`` draws the state after any step: values above the edges,
gradients below them (the picture of Stanford's CS231n, and of Karpathy's micrograd).

Left out on purpose: graphs of more than about twenty nodes, and arrays too long to be printed.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmbook.neural_networks.autograd import Array, history

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

INPUT, CONSTANT = "input", "constant"
SIGNS = {"*": "·", "+": "+", "@": "@"}
DRAWN = {"*": "×", "**2": "( )²", "[]": "pick"}  # in a box


@dataclass(frozen=True)
class Node:
    """One value: what it is called, how it was made, from which nodes, and how the output changes with it.

    ``op`` names an operation of ``Array``, or is ``INPUT`` or ``CONSTANT``; ``operands`` are names of nodes, one twice
    in x · x. ``x`` and ``y`` say where to draw it: the output stands on the right, and every node at least one column
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
    """One moment of the computation: ``phase`` is "forward" or "backward", ``node`` is the one that acts.

    ``passed`` is what it passes to each of its inputs, in the backward phase; constants get nothing.
    """

    phase: str
    node: str
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


def trace(output: Array, names: Mapping[str, Array]) -> Graph:
    """The graph behind ``output``, with the steps that compute it and then its gradients.

    Arrays in ``names`` go by those names; other results are called a, b, c, ...; what depends on no named array is a
    constant. Nothing that it reads is changed, gradients included.

    >>> x, w = Array(2.0), Array(-0.5)
    >>> for step in trace((x * w).tanh(), {"x": x, "w": w}).steps:
    ...     print(step.sentence)
    x is given: 2
    w is given: -0.5
    a = x · w = 2 · (-0.5) = -1
    b = tanh(a) = tanh(-1) = -0.762
    Backward from b: the gradient of a number with respect to itself is 1.
    tanh multiplies by its slope there, 0.42: a gets 1 · 0.42 = 0.42.
    multiply passes back its gradient times the other factor: x gets 0.42 · (-0.5) = -0.21, w gets 0.42 · 2 = 0.84.

    Raises ``ValueError`` when the output is no single number, or is not computed from a named array.
    """
    if output.value.size != 1:
        raise ValueError(f"the output has shape {output.shape}; a gradient starts at one number: take .sum()")
    order, inputs, constants = _kept(output, {id(a) for a in names.values()})
    if not order or id(output) in inputs:
        raise ValueError(
            f"the output is computed from none of: {', '.join(names) or 'no names'}; name its inputs"
        )
    called = dict(zip(map(id, order), _call(order, constants, names), strict=True))
    gradients, passed = _gradients(output)
    nodes = {}
    for array in order:
        name, fixed = called[id(array)], id(array) in constants
        leaf = fixed or id(array) in inputs
        op = CONSTANT if fixed else INPUT if leaf else array.name
        operands = () if leaf else tuple(called[id(p)] for p in array.parents)
        nodes[name] = Node(name, op, operands, array.value.copy(), gradients[id(array)], *_NOWHERE)
    nodes = _placed(nodes)
    by_name = {name: key for key, name in called.items()}
    forward = [Step("forward", n.name, _forward(nodes, n), {}) for n in nodes.values() if n.op != CONSTANT]
    backward = [
        _step_back(nodes, name, passed[by_name[name]], by_name)
        for name in reversed(nodes)
        if nodes[name].inputs
    ]
    return Graph(nodes, (*forward, _start(called[id(output)]), *backward))


_NOWHERE = (0.0, 0.0)


# ------------------------------------------------------------------------------------------- reading the record


def _kept(output: Array, named: set[int]) -> tuple[list[Array], set[int], set[int]]:
    """Arrays to show, in order; which of them are inputs; and which are constants that an operation reads."""
    live: set[int] = set()
    inputs: set[int] = set()
    order = _left_first(output)
    for array in order:
        if any(id(p) in live for p in array.parents):
            live.add(id(array))
        elif id(array) in named:
            live.add(id(array))
            inputs.add(id(array))
    read = {id(p) for a in order if id(a) in live - inputs for p in a.parents}
    return [a for a in order if id(a) in live | read], inputs, read - live


def _left_first(output: Array) -> list[Array]:
    """``history`` as one would read the expression: what is written first comes first."""
    order: dict[int, Array] = {}
    stack = [(output, False)]
    while stack:
        array, parents_done = stack.pop()
        if parents_done:
            order.setdefault(id(array), array)
        elif id(array) not in order:
            stack.append((array, True))
            stack.extend((parent, False) for parent in reversed(array.parents))
    return list(order.values())


def _call(order: list[Array], constants: set[int], names: Mapping[str, Array]) -> Iterator[str]:
    """A name for each array, in order."""
    given = {id(array): name for name, array in names.items()}
    letters = (
        c + n for n in ("", *map(str, range(1, 99))) for c in string.ascii_lowercase if c + n not in names
    )
    numbers = (f"constant {i}" for i in range(1, len(order) + 1))
    for array in order:
        yield next(numbers) if id(array) in constants else given.get(id(array)) or next(letters)


def _gradients(output: Array) -> tuple[dict[int, np.ndarray], dict[int, dict[int, np.ndarray]]]:
    """By id: each array's gradient, and what it passes to each of its parents; all gradients stay as they were."""
    order = history(output)
    before, passed = [array.grad for array in order], {}
    try:
        for array in order:
            array.grad = np.zeros_like(array.value)
        output.grad = np.ones_like(output.value)
        for array in reversed(order):
            held = {id(p): p.grad.copy() for p in array.parents}
            array.send_back()
            passed[id(array)] = {id(p): p.grad - held[id(p)] for p in array.parents}
        return {id(array): array.grad.copy() for array in order}, passed
    finally:
        for array, gradient in zip(order, before, strict=True):
            array.grad = gradient


# ------------------------------------------------------------------------------------------------ in words


def show(value: np.ndarray | float) -> str:
    """A number to three digits, up to six of them in brackets, or the shape of more.

    >>> show(np.array([0.12345, -2.0])), show(-0.0), show(np.zeros((3, 4)))
    ('[0.123, -2]', '0', '3×4 numbers')
    """
    value = np.asarray(value) + 0.0  # no -0
    if value.size > 6:
        return "×".join(map(str, value.shape)) + " numbers"
    numbers = [f"{v:.3g}" for v in value.ravel()]
    return numbers[0] if value.ndim == 0 else f"[{', '.join(numbers)}]"


def _bracketed(value: np.ndarray) -> str:
    """A number as a part of a formula: (-2), but 2."""
    return f"({text})" if (text := show(value)).startswith("-") else text


def _operands(nodes: Mapping[str, Node], node: Node) -> list[Node]:
    return [nodes[name] for name in node.operands]


def _expression(op: str, operands: list[str]) -> str:
    """An operation written out: a · b, tanh(a), a ** 2."""
    if op in SIGNS:
        return f" {SIGNS[op]} ".join(operands)
    (only,) = operands
    if op.startswith("**"):
        return f"{only} ** {op[2:]}"
    return f"an entry of {only}" if op == "[]" else f"{op}{only}" if only[0] == "(" else f"{op}({only})"


def _forward(nodes: Mapping[str, Node], node: Node) -> str:
    if node.op == INPUT:
        return f"{node.name} is given: {show(node.value)}"
    labels = _expression(
        node.op, [_bracketed(n.value) if n.op == CONSTANT else n.name for n in _operands(nodes, node)]
    )
    values = _expression(node.op, [_bracketed(nodes[name].value) for name in node.operands])
    return f"{node.name} = {labels} = {values} = {show(node.value)}"


def _start(name: str) -> Step:
    sentence = f"Backward from {name}: the gradient of a number with respect to itself is 1."
    return Step("backward", name, sentence, {})


def _step_back(
    nodes: Mapping[str, Node], name: str, passed: Mapping[int, np.ndarray], by_name: Mapping[str, int]
) -> Step:
    node = nodes[name]
    gets = {other: passed[by_name[other]] for other in node.inputs if nodes[other].op != CONSTANT}
    return Step("backward", name, _backward(nodes, node, gets), gets)


def _backward(nodes: Mapping[str, Node], node: Node, gets: Mapping[str, np.ndarray]) -> str:
    """What ``node`` passes back, and why."""
    g = show(node.gradient)
    if node.op == "*":
        rule = "multiply passes back its gradient times the other factor"
        how = {
            name: " + ".join(f"{g} · {_bracketed(nodes[o].value)}" for o in _others(node, name))
            for name in gets
        }
    elif node.op == "+":
        rule = "plus passes its gradient on as it is"
        how = {name: " + ".join(g for _ in _others(node, name)) for name in gets}
    elif node.op in ("@", "sum", "[]"):
        rule = {"@": "a matrix product passes back its gradient times the other matrix, turned over",
                "sum": "sum passes its gradient to every entry",
                "[]": "what was picked gets the gradient, the rest gets 0"}[node.op]  # fmt: skip
        how = dict.fromkeys(gets, "")
    else:
        ((only, passed),) = gets.items()
        slope = _slope(node.gradient, passed)
        name = "the power" if node.op.startswith("**") else node.op
        rule = f"{name} multiplies by its slope there{slope and ', '}{slope}"
        how = {only: f"{g} · ({slope})" if slope.startswith("-") else f"{g} · {slope}" if slope else ""}
    return (
        f"{rule}: "
        + ", ".join(
            f"{name} gets {how[name]} = {show(value)}"
            if how[name] not in ("", show(value))
            else f"{name} gets {show(value)}"
            for name, value in gets.items()
        )
        + "."
    )


def _others(node: Node, name: str) -> list[str]:
    """For each place of ``name`` among the operands, the operand in the other place."""
    first, second = node.operands
    return [other for other, mine in ((second, first), (first, second)) if mine == name]


def _slope(gradient: np.ndarray, passed: np.ndarray) -> str:
    """What a function of each number multiplied by, where that can be told from the outcome."""
    return show(passed / gradient) if np.all(gradient != 0) else ""


# ------------------------------------------------------------------------------------------------ places


def _placed(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes with places: columns by the longest way to the output, rows as in a tree, whose lines never cross."""
    output = list(nodes)[-1]
    distance = dict.fromkeys(nodes, 0)
    for node in reversed(list(nodes.values())):
        for name in node.inputs:
            distance[name] = max(distance[name], distance[node.name] + 1)
    rows: dict[str, float] = {}
    _fill_rows(nodes, output, rows, iter(range(len(nodes))))
    right = max(distance.values())
    columns: dict[int, set[float]] = {}
    placed = {}
    for name, node in nodes.items():
        taken, y = columns.setdefault(distance[name], set()), rows[name]
        while any(abs(y - other) < 0.75 for other in taken):
            y += 0.75
        taken.add(y)
        placed[name] = Node(
            name, node.op, node.operands, node.value, node.gradient, float(right - distance[name]), -y
        )
    return placed


def _fill_rows(nodes: Mapping[str, Node], name: str, rows: dict[str, float], free: Iterator[int]) -> None:
    """Leaves get the next free row, others the middle of their inputs; a node that is read twice stays where it was."""
    for other in nodes[name].inputs:
        if other not in rows:
            _fill_rows(nodes, other, rows, free)
    below = [rows[other] for other in nodes[name].inputs]
    rows[name] = sum(below) / len(below) if below else float(next(free))


# ---------------------------------------------------------------------------------------------- as a picture


def draw_graph(ax: Axes, graph: Graph, step: int | None = None) -> Axes:
    """The graph after step number ``step`` (0 is the first), or after the last: its node marked, numbers so far shown.

    Values stand above the edges, gradients that were passed back below them.
    Raises ``ValueError`` for a step that there is not.
    """
    from llmbook.core.show.plotting import BLUE, ORANGE

    last = len(graph.steps) - 1 if step is None else step
    if not 0 <= last < len(graph.steps):
        raise ValueError(f"step is {step}; there are steps 0 to {len(graph.steps) - 1}")
    done, out = graph.steps[: last + 1], graph.output
    known = {s.node for s in done if s.phase == "forward"}
    _draw_edges(ax, graph, known, {(name, s.node): v for s in done for name, v in s.passed.items()})
    for node in graph.nodes.values():
        is_marked = step is not None and node.name == done[-1].node
        _draw_node(ax, node, done[-1].phase if is_marked else "")
    if out.name in known:
        _write(ax, show(out.value), (out.x + 0.55, out.y), 6, BLUE)
    if done[-1].phase == "backward":
        _write(ax, "1", (out.x + 0.55, out.y), -6, ORANGE)
    ax.set_axis_off()
    ax.margins(0.08)
    ax.set_xlim(-0.5, out.x + 0.9)
    return ax


def _draw_edges(
    ax: Axes, graph: Graph, known: set[str], passed: Mapping[tuple[str, str], np.ndarray]
) -> None:
    """A line for each edge, with the value that is known above it and the gradient passed back below it."""
    from llmbook.core.show.plotting import BLUE, INK, ORANGE

    for one, other in graph.edges:
        a, b = graph.nodes[one], graph.nodes[other]
        ax.plot((a.x, b.x), (a.y, b.y), color=INK, linewidth=1.2, zorder=1)
        middle = (0.56 * a.x + 0.44 * b.x, 0.56 * a.y + 0.44 * b.y)
        if one in known:
            _write(ax, show(a.value), middle, 6, BLUE)
        if (one, other) in passed:
            _write(ax, show(passed[one, other]), middle, -6, ORANGE)


def _draw_node(ax: Axes, node: Node, acts: str) -> None:
    """A box with the node's name and operation, marked when it is the one that acts, in that phase's colour."""
    from llmbook.core.show.plotting import BLUE, FAINT, INK, ORANGE, PAPER

    edge = {"forward": BLUE, "backward": ORANGE}.get(acts, FAINT if node.op == CONSTANT else INK)
    width = 2.5 if acts else 1.2
    box = {"boxstyle": "round,pad=0.3", "facecolor": PAPER, "edgecolor": edge, "linewidth": width}
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    ax.text(node.x, node.y, _box(node), **middle, fontsize=8.5, linespacing=1.0, bbox=box, zorder=3)


def _box(node: Node) -> str:
    if node.op in (INPUT, CONSTANT):
        return node.label
    return f"{node.name}\n{DRAWN.get(node.op, node.op)}"


def _write(ax: Axes, text: str, at: tuple[float, float], above: int, color: str) -> None:
    from llmbook.core.show.plotting import PAPER

    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.4}
    where: dict[str, Any] = {
        "xytext": (0, above),
        "textcoords": "offset points",
        "ha": "center",
        "va": "center",
    }
    ax.annotate(text, at, fontsize=7.5, color=color, bbox=behind, **where)
