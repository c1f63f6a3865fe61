"""The words that hidden neurons look for (`llmbook.neural_networks.features`)."""

from __future__ import annotations

import numpy as np
import pytest

from llmbook.neural_networks import MLP, hidden_words

WORDS = ["cup", "goal", "shares", "bank", "the"]


def planted():
    """Neuron 0 reads sports and speaks for class 1, neuron 1 reads business and speaks louder, for class 0."""
    model = MLP((5, 2, 2), seed=0)
    model.weights[0].value = np.array([[1.0, 0], [2, 0], [0, 2], [0, 1], [9, 9]])
    model.weights[1].value = np.array([[5.0, 6.0], [3.0, 0.0]])
    x = np.array([[1.0, 1, 0, 0, 1], [0, 0, 1, 1, 1], [1, 1, 0, 0, 1], [0, 0, 1, 1, 1]])
    return model, x


def test_each_neuron_is_named_by_the_words_that_move_it_and_the_class_it_prefers():
    first, second = hidden_words(planted()[0], WORDS, planted()[1], n=2)
    assert (first.neuron, first.words, first.topic) == (1, ("shares", "bank"), 0)
    assert (second.neuron, second.words, second.topic) == (0, ("goal", "cup"), 1)


def test_a_word_in_every_article_moves_nothing_whatever_its_weight():
    assert all("the" not in one.words for one in hidden_words(*_with(planted()), n=2))


def test_of_two_words_that_vary_alike_the_rarer_one_counts_for_more():
    model = MLP((2, 1, 2), seed=0)
    model.weights[0].value, model.weights[1].value = np.array([[3.0], [1.0]]), np.array([[1.0, 0.0]])
    x = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    assert hidden_words(model, ["often", "rare"], x, n=1)[0].words == ("rare",)
    x[0, 1] = 1.0  # "rare" stands in three of four, "often" still in all
    x[0, 0] = 0.0
    assert hidden_words(model, ["often", "rare"], x, n=1)[0].words == ("often",)


def test_words_that_silence_a_neuron_or_move_nothing_are_not_named_however_many_are_asked_for():
    model, x = planted()
    model.weights[0].value[3] = -1.0  # "bank" silences both neurons
    by_neuron = {one.neuron: one.words for one in hidden_words(model, WORDS, x, n=5)}
    assert by_neuron == {0: ("goal", "cup"), 1: ("shares",)}


def _with(both):
    return both[0], WORDS, both[1]


def test_strength_is_the_lead_of_the_output_weight_times_how_much_the_neuron_varies():
    model, x = planted()
    spread = model.layers(x)[0].value.std(axis=0)
    strengths = {one.neuron: one.strength for one in hidden_words(model, WORDS, x, n=1)}
    assert strengths == pytest.approx({0: 0.5 * spread[0], 1: 1.5 * spread[1]})


def test_what_does_not_fit_is_refused():
    model, x = planted()
    with pytest.raises(ValueError, match="2 hidden layers"):
        hidden_words(MLP((5, 2, 2, 2)), WORDS, x)
    with pytest.raises(ValueError, match="must agree"):
        hidden_words(model, WORDS[:4], x)
    for n in (0, 6):
        with pytest.raises(ValueError, match="there are 1 to 5 words"):
            hidden_words(model, WORDS, x, n=n)
