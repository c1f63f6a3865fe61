"""The record of a computation read as a graph with steps (`llmbook.neural_networks.tracing`)."""

from __future__ import annotations

import numpy as np
import pytest
from expressions import EXPRESSIONS, neuron

from llmbook.neural_networks import Array, cross_entropy, trace
from llmbook.neural_networks.graph import CONSTANT, INPUT


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
def test_all_inputs_are_given_first_results_follow_theirs_and_readers_pass_back_before_what_they_read(make):
    graph = trace(*make())
    first, *forward = [s.nodes for s in graph.steps if s.phase == "forward"]
    backward = [name for s in graph.steps if s.phase == "backward" for name in s.nodes]
    assert list(first) == [n.name for n in graph.nodes.values() if n.op == INPUT]
    assert forward == [(n.name,) for n in graph.nodes.values() if n.inputs]
    assert [s.phase for s in graph.steps] == ["forward"] * (1 + len(forward)) + ["backward"] * len(backward)
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


def test_inputs_results_and_the_output_go_by_the_names_they_are_given():
    x, w = Array(2.0), Array(3.0)
    p = x * w
    e = p.tanh()
    assert list(trace(e, {"x": x, "w": w}).nodes) == ["x", "w", "a", "b"]
    graph = trace(e, {"x": x, "w": w, "p": p, "e": e})
    assert list(graph.nodes) == ["x", "w", "p", "e"] and graph.output.name == "e"


def test_a_difference_shows_its_constant_and_not_how_that_came_about():
    graph = trace(*neuron())
    constants = [n for n in graph.nodes.values() if n.op == CONSTANT]
    assert [(n.label, n.operands) for n in constants] == [("−1", ())]
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
