"""What the hidden neurons of a reader look for: the words that move each of them most, and the topic it speaks for.

A weight alone says little: a word that stands in no article moves nothing however large its weight. So a word counts by
its weight times how much its column varies over the articles (the standard deviation): how far the neuron's sum moves
when the word does. That alone would name "his", "by" and "of", which vary with style and length, so each word also
counts by its rarity, -ln of the share of articles that have it (inverse document frequency: Spärck Jones 1972,
doi:10.1108/eb026526); a word that all articles have counts nothing.

Left out on purpose: words that silence a neuron, and what neurons do together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmbook.neural_networks.mlp import MLP


@dataclass(frozen=True)
class HiddenWords:
    """One hidden neuron: its words, the most moving first, the class it speaks for, and how strongly (in logits).

    ``topic`` is the class whose output weight is largest; ``strength`` how far that weight lies above the mean of all
    classes, times the standard deviation of the neuron's output over the articles.
    """

    neuron: int
    words: tuple[str, ...]
    topic: int
    strength: float


def hidden_words(model: MLP, vocabulary: Sequence[str], x: np.ndarray, n: int = 6) -> list[HiddenWords]:
    """The words of every hidden neuron of a reader with one hidden layer, the neuron that speaks loudest first.

    ``x`` holds the training articles as bags of words over ``vocabulary``: (N, I). Only words that wake a neuron are
    named, at most ``n``, by weight · deviation · rarity (see above); that is a choice, and another one names other
    words.

    >>> model = MLP((3, 1, 2), seed=0)
    >>> model.weights[0].value, model.weights[1].value = np.array([[1.0], [2.0], [9.0]]), np.array([[0.0, 1.0]])
    >>> hidden_words(model, ["cup", "goal", "the"], np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]), n=2)
    [HiddenWords(neuron=0, words=('goal', 'cup'), topic=1, strength=0.75)]

    Raises ``ValueError`` for a model without exactly one hidden layer, a vocabulary or articles that do not fit it, and
    ``n`` out of range.
    """
    if len(model.weights) != 2:
        raise ValueError(
            f"the model has {len(model.weights) - 1} hidden layers; words are read from exactly one"
        )
    if not len(vocabulary) == model.sizes[0] == x.shape[-1] or x.ndim != 2 or not len(x):
        raise ValueError(
            f"{len(vocabulary)} words, articles {x.shape}, a model of {model.sizes[0]} inputs; they must agree"
        )
    if not 1 <= n <= len(vocabulary):
        raise ValueError(f"n is {n}; there are 1 to {len(vocabulary)} words")
    share = np.maximum((x > 0).mean(axis=0), 1 / len(x))  # of the articles, for each word: (I,)
    moves = model.weights[0].value * (x.std(axis=0) * -np.log(share))[:, None]  # (I, H)
    out = model.weights[1].value
    speaks = (out - out.mean(axis=1, keepdims=True)) * model.layers(x)[0].value.std(axis=0)[:, None]  # (H, K)
    found = [
        HiddenWords(
            neuron,
            tuple(
                vocabulary[i]
                for i in np.argsort(-moves[:, neuron], kind="stable")[:n]
                if moves[i, neuron] > 0
            ),
            int(speaks[neuron].argmax()),
            float(speaks[neuron].max()),
        )
        for neuron in range(len(out))
    ]
    return sorted(found, key=lambda one: -one.strength)
