"""The record that our ``Array`` keeps of a computation, read as a graph with the steps forward and back.

Left out on purpose: recording while it happens; everything is read afterwards from what ``backward`` needs anyway.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

import numpy as np

from llmbook.neural_networks.autograd import Array, history
from llmbook.neural_networks.graph import CONSTANT, INPUT, Graph, Node, Step, placed
from llmbook.neural_networks.sentences import backward, forward, given, start


def trace(output: Array, names: Mapping[str, Array]) -> Graph:
    """The graph behind ``output``, with the steps that compute it and then its gradients.

    Arrays in ``names`` go by those names, inputs, results and the output alike; results without one are called a, b,
    c, ...; what depends on no named array is a constant. Nothing that it reads is changed, gradients included.

    >>> x, w = Array(2.0), Array(-0.5)
    >>> s = x * w
    >>> for step in trace((s - 1.0) ** 2, {"x": x, "w": w, "s": s}).steps:
    ...     print(step.sentence)
    Given: x = 2, w = −0.5.
    s = x · w = 2 · (−0.5) = −1
    a = s − 1 = −1 − 1 = −2
    b = a² = (−2)² = 4
    Backward, from b: the gradient of b itself is 1.
    ( )² has the slope −4 here: a gets 1 · (−4) = −4.
    + hands on what it gets: s gets −4.
    × swaps the factors: x gets −4 · w = 2, w gets −4 · x = −8.

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
        fixed = id(array) in constants
        leaf = fixed or id(array) in inputs
        op = CONSTANT if fixed else INPUT if leaf else array.name
        operands = () if leaf else tuple(called[id(p)] for p in array.parents)
        node = Node(called[id(array)], op, operands, array.value.copy(), gradients[id(array)])
        nodes[node.name] = node
    nodes = placed(nodes)
    back = {name: {called.get(k, ""): v for k, v in passed[key].items()} for key, name in called.items()}
    return Graph(nodes, (*_steps_forward(nodes), *_steps_back(nodes, back)))


def _steps_forward(nodes: Mapping[str, Node]) -> Iterator[Step]:
    """All inputs at once, then each result."""
    inputs = [node for node in nodes.values() if node.op == INPUT]
    yield Step("forward", tuple(node.name for node in inputs), given(inputs), {})
    for node in nodes.values():
        if node.op not in (INPUT, CONSTANT):
            yield Step("forward", (node.name,), forward(nodes, node), {})


def _steps_back(nodes: Mapping[str, Node], passed: Mapping[str, Mapping[str, np.ndarray]]) -> Iterator[Step]:
    """The output's own gradient, then what each result passes to its inputs."""
    yield Step("backward", (list(nodes)[-1],), start(list(nodes)[-1]), {})
    for node in reversed(list(nodes.values())):
        if node.inputs:
            gets = {name: passed[node.name][name] for name in node.inputs if nodes[name].op != CONSTANT}
            yield Step("backward", (node.name,), backward(nodes, node, gets), gets)


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
