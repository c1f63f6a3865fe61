"""What each step of a computation does, said in one line with its numbers, to be read beside the picture of it.

Left out on purpose: the formula of a slope; a sentence says how large it is at this place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llmbook.neural_networks.graph import CONSTANT, Node, show, superscript, symbol

BETWEEN = {"*": " · ", "+": " + ", "@": " @ "}
OPERATORS = set("+−-*/·×@ ")


def given(inputs: Sequence[Node]) -> str:
    """All inputs in one line.

    >>> given([Node("w", "input", (), np.array(0.5), np.array(0)), Node("x", "input", (), np.array(-1), np.array(0))])
    'Given: w = 0.5, x = −1.'
    """
    return f"Given: {', '.join(f'{node.name} = {show(node.value)}' for node in inputs)}."


def forward(nodes: Mapping[str, Node], node: Node) -> str:
    """How the value of ``node`` comes about: in names, then in numbers."""
    operands = [nodes[name] for name in node.operands]
    names = [show(n.value) if n.op == CONSTANT else n.name for n in operands]
    fixed = [n.op == CONSTANT for n in operands]
    in_names = expression(node.op, names, fixed)
    in_numbers = expression(node.op, [show(n.value) for n in operands], fixed)
    return f"{node.name} = {in_names} = {in_numbers} = {show(node.value)}"


def expression(op: str, operands: Sequence[str], fixed: Sequence[bool] = ()) -> str:
    """An operation written out; what holds an operator is bracketed, and adding a ``fixed`` −1 is subtracting 1.

    >>> expression("*", ["w", "−1"]), expression("+", ["s", "−1"], [False, True]), expression("**2", ["s − t"])
    ('w · (−1)', 's − 1', '(s − t)²')
    """
    if op == "+" and any(fixed) and operands[-1].startswith("−") and fixed[-1]:
        return f"{operands[0]} − {operands[-1][1:]}"
    if op in BETWEEN:
        first = bracketed(operands[0]) if op != "+" else operands[0]
        return BETWEEN[op].join([first, *map(bracketed, operands[1:])])
    (only,) = operands
    if op.startswith("**"):
        return f"{bracketed(only)}{superscript(op[2:])}"
    return f"an entry of {only}" if op == "[]" else f"{op}({only})"


def bracketed(text: str) -> str:
    """A name or number as a part of a formula: in brackets when it holds an operator or a sign, unless it is a list.

    >>> bracketed("−2"), bracketed("s − t"), bracketed("2"), bracketed("[−1, 2]")
    ('(−2)', '(s − t)', '2', '[−1, 2]')
    """
    plain = text.startswith("[") or text.endswith(" numbers") or not OPERATORS & set(text)
    return text if plain else f"({text})"


def start(name: str) -> str:
    """The first step back."""
    return f"Backward, from {name}: the gradient of {name} itself is 1."


def backward(nodes: Mapping[str, Node], node: Node, gets: Mapping[str, np.ndarray]) -> str:
    """What ``node`` passes back to each input that ``gets`` something, and why."""
    rule, how = _rule(nodes, node, gets)
    if node.op == "+" and len(gets) > 1 and len({show(gradient) for gradient in gets.values()}) == 1:
        *most, last = gets
        return f"{rule}: {', '.join(most)} and {last} get {show(gets[last])}."
    parts = (f"{name} gets {_equation(how.get(name, ''), show(gradient))}" for name, gradient in gets.items())
    return f"{rule}: {', '.join(parts)}."


def _equation(how: str, result: str) -> str:
    return f"{how} = {result}" if how not in ("", result) else result


def _rule(
    nodes: Mapping[str, Node], node: Node, gets: Mapping[str, np.ndarray]
) -> tuple[str, dict[str, str]]:
    """What the operation does to a gradient, and the arithmetic of what each input gets."""
    g = show(node.gradient)
    # What was stretched gets one number for all its copies: their sum.
    stretched = {name for name, gradient in gets.items() if gradient.shape != node.gradient.shape}
    if node.op == "*":
        how = {
            name: " + ".join(f"{g} · {bracketed(nodes[o].label)}" for o in _others(node, name))
            for name in gets
        }
        return "× swaps the factors", _summed(how, stretched)
    if node.op == "+":
        sums = {name: " + ".join([g, *[bracketed(g)] * (len(_others(node, name)) - 1)]) for name in gets}
        return "+ hands on what it gets", _summed(sums, stretched)
    if node.op in ("@", "sum", "[]"):
        return {"@": "@ multiplies by the other matrix, transposed",
                "sum": "sum hands its gradient to every entry",
                "[]": "what was picked gets the gradient, the rest 0"}[node.op], {}  # fmt: skip
    ((only, passed),) = gets.items()
    if np.any(node.gradient == 0):  # the slope cannot be told from the outcome
        return f"{symbol(node.op)} multiplies by its slope", {}
    slope = show(passed / node.gradient)
    return f"{symbol(node.op)} has the slope {slope} here", {only: f"{g} · {bracketed(slope)}"}


def _summed(how: Mapping[str, str], stretched: set[str]) -> dict[str, str]:
    return {name: f"sum({one})" if name in stretched else one for name, one in how.items()}


def _others(node: Node, name: str) -> list[str]:
    """For each place of ``name`` among the operands, the operand in the other place."""
    first, second = node.operands
    return [other for other, mine in ((second, first), (first, second)) if mine == name]
