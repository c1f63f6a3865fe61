"""What the steps of a computation say (`llmbook.neural_networks.sentences`)."""

from __future__ import annotations

from expressions import EXPRESSIONS, neuron, page

from llmbook.neural_networks import Array, trace


def sentences(output, names):
    return [s.sentence for s in trace(output, names).steps]


def test_the_pages_example_says_what_the_page_works_by_hand():
    assert sentences(*page()) == [
        "Given: w1 = 0.5, x1 = 2, w2 = 1.5, x2 = −1.",
        "p = w1 · x1 = 0.5 · 2 = 1",
        "q = w2 · x2 = 1.5 · (−1) = −1.5",
        "s = p + q = 1 + (−1.5) = −0.5",
        "s − t = s − 1 = −0.5 − 1 = −1.5",
        "e = (s − t)² = (−1.5)² = 2.25",
        "Backward, from e: the gradient of e itself is 1.",
        "( )² has the slope −3 here: s − t gets 1 · (−3) = −3.",
        "+ hands on what it gets: s gets −3.",
        "+ hands on what it gets: p and q get −3.",
        "× swaps the factors: w2 gets −3 · x2 = 3, x2 gets −3 · w2 = −4.5.",
        "× swaps the factors: w1 gets −3 · x1 = −6, x1 gets −3 · w1 = −1.5.",
    ]


def test_results_without_names_are_said_by_their_letters():
    said = sentences(*neuron())
    assert "f = tanh(e) = tanh(−0.25) = −0.245" in said
    assert "g = f − 1 = −0.245 − 1 = −1.24" in said
    assert "tanh has the slope 0.94 here: e gets −2.49 · 0.94 = −2.34." in said


def test_what_is_used_twice_is_owed_twice():
    x = Array(3.0)
    assert sentences(x * x, {"x": x})[-1] == "× swaps the factors: x gets 1 · x + 1 · x = 6."
    assert sentences(x + x, {"x": x})[-1] == "+ hands on what it gets: x gets 1 + 1 = 2."


def test_names_that_hold_an_operator_are_bracketed_wherever_they_are_part_of_a_formula():
    x, y = Array(3.0), Array(2.0)
    total = x + y
    said = sentences(total * x * 2.0, {"x": x, "y": y, "x + y": total})
    assert "a = (x + y) · x = 5 · 3 = 15" in said and "b = a · 2 = 15 · 2 = 30" in said
    assert "× swaps the factors: x + y gets 2 · x = 6, x gets 2 · (x + y) = 10." in said


def test_only_what_is_fixed_is_subtracted_and_other_negative_numbers_are_added():
    x, y = Array(3.0), Array(-2.0)
    assert sentences(x + y, {"x": x, "y": y})[1] == "a = x + y = 3 + (−2) = 1"
    assert sentences(x + Array(-2.0), {"x": x})[1] == "a = x − 2 = 3 − 2 = 1"
    assert sentences(Array(-2.0) + x, {"x": x})[1] == "a = −2 + x = −2 + 3 = 1"


def test_powers_are_raised_and_a_slope_that_cannot_be_told_is_not_said():
    x = Array(4.0)
    assert sentences(x**-1, {"x": x})[1] == "a = x⁻¹ = 4⁻¹ = 0.25"
    assert sentences(x**0.5, {"x": x})[1] == "a = x^0.5 = 4^0.5 = 2"
    dead = sentences((x**2) * Array(0.0), {"x": x})
    assert dead[-1] == "( )² multiplies by its slope: x gets 0."


def test_no_sentence_holds_a_hyphen_for_a_minus_or_two_stars():
    for make in EXPRESSIONS.values():
        assert not any("-" in s or "**" in s for s in sentences(*make()))


def test_what_was_stretched_gets_a_sum_and_the_sentence_says_so():
    x, w, b = Array([1.0, 2.0]), Array(3.0), Array(0.5)
    said = sentences((w * x + b).sum(), {"x": x, "w": w, "b": b})
    assert "+ hands on what it gets: a gets [1, 1], b gets sum([1, 1]) = 2." in said
    assert "× swaps the factors: w gets sum([1, 1] · x) = 3, x gets [1, 1] · w = [3, 3]." in said
