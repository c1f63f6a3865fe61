"""The computation graph as data, in words and as a picture (`llmbook.neural_networks.graph`)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from llmbook.core.show import plotting as plot
from llmbook.neural_networks import Array, cross_entropy, draw_graph, trace
from llmbook.neural_networks.graph import CONSTANT, INPUT, show


def neuron():
    x1, x2, w1, w2, b = (Array(v) for v in (2.0, -1.0, 0.5, 1.5, 0.25))
    loss = ((x1 * w1 + x2 * w2 + b).tanh() - 1.0) ** 2
    return loss, {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b, "loss": loss}


def shared():
    x, w = Array(3.0), Array(-2.0)
    return (x * w + x).relu() + x * x, {"x": x, "w": w}


def vector():
    x, w = Array([2.0, -1.0]), Array([[0.5], [1.5]])
    return (Array([[1.0, 2.0]]) @ w).sum() * (x * x).sum() / x[0], {"x": x, "w": w}


def two_ways():
    """The input is read close to the output and, written later, far from it."""
    x = Array(0.5)
    return x.tanh() + x.exp().tanh().exp(), {"x": x}


EXPRESSIONS = {"two ways": two_ways, "neuron": neuron, "shared": shared, "vector": vector}


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_values_and_gradients_are_those_of_back_propagation(make):
    output, names = make()
    graph = trace(output, names)
    output.backward()
    for name, array in names.items():
        np.testing.assert_array_equal(graph.nodes[name].value, array.value)
        np.testing.assert_allclose(graph.nodes[name].gradient, array.grad)
    assert graph.output.gradient == 1


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_what_a_node_gets_along_its_edges_adds_up_to_its_gradient(make):
    graph = trace(*make())
    for node in graph.nodes.values():
        got = [step.passed[node.name] for step in graph.steps if node.name in step.passed]
        if node.op == CONSTANT:
            assert not got
        elif node is not graph.output:
            np.testing.assert_allclose(sum(got), node.gradient)


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_forward_steps_come_after_their_inputs_and_backward_steps_after_their_readers(make):
    graph = trace(*make())
    forward = [s.node for s in graph.steps if s.phase == "forward"]
    backward = [s.node for s in graph.steps if s.phase == "backward"]
    assert forward == [n.name for n in graph.nodes.values() if n.op != CONSTANT]
    assert [s.phase for s in graph.steps] == ["forward"] * len(forward) + ["backward"] * len(backward)
    for one, other in graph.edges:
        assert list(graph.nodes).index(one) < list(graph.nodes).index(other)
        if graph.nodes[one].inputs:
            assert backward.index(other) < backward.index(one)
    assert backward[0] == backward[1] == graph.output.name


def test_tracing_leaves_every_gradient_as_it_was_even_when_a_rule_fails():
    output, names = neuron()
    output.backward()
    before = {name: array.grad.copy() for name, array in names.items()}
    trace(output, names)
    assert all(np.array_equal(array.grad, before[name]) for name, array in names.items())

    def broken():
        raise RuntimeError

    output.send_back = broken
    with pytest.raises(RuntimeError):
        trace(output, names)
    assert all(np.array_equal(array.grad, before[name]) for name, array in names.items())


def test_the_sentences_say_the_numbers():
    sentences = [s.sentence for s in trace(*neuron()).steps]
    assert sentences[:3] == ["x1 is given: 2", "w1 is given: 0.5", "a = x1 · w1 = 2 · 0.5 = 1"]
    assert "g = f + (-1) = (-0.245) + (-1) = -1.24" in sentences
    assert "plus passes its gradient on as it is: d gets -2.34, b gets -2.34." in sentences
    assert sentences[-1] == (
        "multiply passes back its gradient times the other factor: x1 gets -2.34 · 0.5 = -1.17, "
        "w1 gets -2.34 · 2 = -4.68."
    )
    x = Array(3.0)
    assert trace(x * x, {"x": x}).steps[-1].sentence.endswith("x gets 1 · 3 + 1 · 3 = 6.")
    assert trace(x + x, {"x": x}).steps[-1].sentence.endswith("x gets 1 + 1 = 2.")


def test_a_difference_shows_its_constant_and_not_how_that_came_about():
    graph = trace(*neuron())
    constants = [n for n in graph.nodes.values() if n.op == CONSTANT]
    assert [(n.label, n.operands) for n in constants] == [("-1", ())]
    assert {n.name for n in graph.nodes.values() if n.op == INPUT} == {"x1", "x2", "w1", "w2", "b"}


def test_letters_that_are_names_are_not_given_again():
    a, b = Array(1.0), Array(2.0)
    graph = trace((a * b).tanh(), {"a": a, "b": b})
    assert list(graph.nodes) == ["a", "b", "c", "d"]


def test_a_name_in_the_middle_hides_what_lies_behind_it_unless_that_is_named_too():
    x = Array(2.0)
    z = x * 3.0
    assert list(trace(z.tanh(), {"z": z}).nodes) == ["z", "a"]
    assert trace(z.tanh(), {"z": z}).nodes["z"].op == INPUT
    assert list(trace(z.tanh(), {"z": z, "x": x}).nodes) == ["x", "constant 1", "z", "a"]


def crossings(graph):
    def side(p, q, r):
        return np.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x))

    found = 0
    for (a, b), (c, d) in combinations(graph.edges, 2):
        if len({a, b, c, d}) == 4:
            p, q, r, s = (graph.nodes[n] for n in (a, b, c, d))
            found += side(p, q, r) * side(p, q, s) < 0 and side(r, s, p) * side(r, s, q) < 0
    return found


def test_a_tree_is_laid_out_without_a_crossing_and_without_overlap():
    x = [Array(float(i)) for i in range(8)]
    names = {f"x{i}": a for i, a in enumerate(x)}
    layer = (x[0] * x[1] + x[2]) * (x[3] + x[4] * x[5]).tanh() + (x[6] * x[7]).exp()
    for graph in (trace(*neuron()), trace(layer, names), trace((x[0] + x[1]) * 2.0 + x[2] ** 2, names)):
        assert crossings(graph) == 0
        places = [(n.x, n.y) for n in graph.nodes.values()]
        assert all(abs(p[0] - q[0]) + abs(p[1] - q[1]) >= 0.74 for p, q in combinations(places, 2))
    graph = trace(*shared())
    places = [(n.x, n.y) for n in graph.nodes.values()]
    assert all(abs(p[0] - q[0]) + abs(p[1] - q[1]) >= 0.74 for p, q in combinations(places, 2))


@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_every_edge_runs_to_the_right(make):
    graph = trace(*make())
    assert all(graph.nodes[a].x + 1 <= graph.nodes[b].x for a, b in graph.edges)
    assert min(n.x for n in graph.nodes.values()) == 0


def written(graph, step):
    _, (ax,) = plot.figure()
    draw_graph(ax, graph, step)
    texts = [(t.get_text(), t.get_color()) for t in ax.texts]
    plot.plt.close("all")
    return texts


def test_a_step_shows_what_is_known_then_and_nothing_that_comes_later():
    graph = trace(*neuron())
    n_forward = sum(s.phase == "forward" for s in graph.steps)
    first = written(graph, 0)
    assert ("2", plot.BLUE) in first and not any(color == plot.ORANGE for _, color in first)
    assert sum(color == plot.BLUE for _, color in first) == 1
    middle = written(graph, n_forward - 1)
    assert ("1.55", plot.BLUE) in middle and not any(color == plot.ORANGE for _, color in middle)
    last = written(graph, len(graph.steps) - 1)
    assert [t for t, color in last if color == plot.ORANGE].count("-2.34") == 5 and ("1", plot.ORANGE) in last
    assert last == written(graph, None)


def test_a_step_that_there_is_not_is_refused():
    graph = trace(*neuron())
    _, (ax,) = plot.figure()
    for step in (-1, len(graph.steps)):
        with pytest.raises(ValueError, match=r"steps 0 to \d+"):
            draw_graph(ax, graph, step)
    plot.plt.close("all")


def test_an_output_of_many_numbers_or_of_no_named_input_is_refused():
    x = Array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        trace(x * 2.0, {"x": x})
    y = Array(1.0) * 2.0
    for names in ({}, {"x": x}, {"y": y}):
        with pytest.raises(ValueError, match="name its inputs"):
            trace(y, names)


def test_the_loss_of_a_whole_network_can_be_traced():
    w = Array([[0.1, -0.2]])
    loss = cross_entropy(Array([[1.0]]) @ w, np.array([1]))
    graph = trace(loss, {"w": w})
    loss.backward()
    np.testing.assert_allclose(graph.nodes["w"].gradient, w.grad)


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "0"), (1e-9, "1e-09"), ([1, 2.5], "[1, 2.5]"), (np.ones(7), "7 numbers")]
)
def test_numbers_are_shown_to_three_digits(value, text):
    assert show(value) == text
