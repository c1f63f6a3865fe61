"""The same deep network with each activation function: which of them learn to read the news, and how well.

Every function gets the starting weights that suit it, the same batches and steps, and its best of the same learning
rates, chosen on the validation articles. Measured once for six seeds; the page reads the rows.

Left out on purpose: what repairs a bad choice (normalisation, residual sums, Adam).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmbook.core.measure.metrics import accuracy
from llmbook.core.measure.records import Record
from llmbook.neural_networks.activations import ACTIVATIONS, GAINS, SUITS
from llmbook.neural_networks.articles import News, split_news
from llmbook.neural_networks.mlp import MLP, fit
from llmbook.neural_networks.reading import bag_of_words, frequent_words

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
WIDTH = 32


@dataclass(frozen=True)
class Learned:
    """Accuracy of one network: of the rates tried, ``lr`` was best on the validation articles."""

    activation: str
    n_hidden: int
    seed: int
    lr: float
    valid: float
    test: float


def learn(
    bags: Sequence[np.ndarray], parts: News, activation: str, n_hidden: int, seed: int, lr: float, steps: int
) -> Learned:
    """Train one network on the first of three ``bags`` (train, valid, test: (N, I)) and score it on the others.

    Raises ``ValueError`` for an unknown activation function.
    """
    x, x_valid, x_test = bags
    gain = GAINS[SUITS.get(activation, "He")]
    model = MLP((x.shape[1], *[WIDTH] * n_hidden, len(parts.topics)), activation, seed, gain)
    with np.errstate(all="ignore"):  # a rate that is too high overflows, and is not chosen
        fit(model, x, parts.train.labels, lr=lr, steps=steps, batch_size=64, seed=seed)
        valid = accuracy(model.predict(x_valid), parts.valid.labels)
        test = accuracy(model.predict(x_test), parts.test.labels)
    return Learned(activation, n_hidden, seed, lr, valid, test)


def measure(seeds: int, depths: list[int], steps: int, n_word: int) -> Iterator[Learned]:
    """The best rate of each activation function, by number of hidden layers and seed (which draws a split, too)."""
    for seed in range(seeds):
        parts = split_news(seed)
        known = frequent_words(parts.train.texts, n_word)
        bags = [bag_of_words(p.texts, vocabulary=known) for p in (parts.train, parts.valid, parts.test)]
        for n_hidden in depths:
            for activation in ACTIVATIONS:
                tried = [learn(bags, parts, activation, n_hidden, seed, lr, steps) for lr in RATES]
                yield max(tried, key=lambda run: run.valid)


LEARNING = Record(  # rows of Learned
    "activations",
    measure,
    {"seeds": 6, "depths": [1, 4], "steps": 200, "n_word": 1024},
    seconds=300,
    path=Path(__file__).parent / "data" / "activations.json",
)
ARTEFACTS = (LEARNING,)
