"""What a network has to beat: naive Bayes, which only counts, and logistic regression, a single layer.

Each reader is given the same articles. Its settings are chosen on the validation articles, and it is scored once, on
the test articles. (Multinomial naive Bayes: McCallum & Nigam 1998, "A comparison of event models for naive Bayes text
classification".)

Left out on purpose: TF-IDF weights, pairs of words, support vector machines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from llmbook.core.measure.intervals import Interval, seed_interval
from llmbook.core.measure.metrics import accuracy
from llmbook.core.measure.records import Record
from llmbook.neural_networks.articles import News, Part, split_news
from llmbook.neural_networks.mlp import MLP, fit
from llmbook.neural_networks.reading import bag_of_words, frequent_words, word_counts


@dataclass
class NaiveBayes:
    """Multinomial naive Bayes: the topic under which the article's words, each drawn alone, are likeliest.

    A word's chance within a topic is its share of the topic's words, after ``smoothing`` was added to every count.

    >>> bayes = NaiveBayes(n_class=2).fit(np.array([[3, 0], [1, 4]]), np.array([0, 1]))
    >>> bayes.predict(np.array([[1, 0], [0, 1]])).tolist()
    [0, 1]

    Raises ``ValueError`` unless ``smoothing`` is positive, and for a class without an example.
    """

    n_class: int
    smoothing: float = 1.0
    log_word: np.ndarray = field(init=False)  # (I, K)
    log_class: np.ndarray = field(init=False)  # (K,)

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(
                f"smoothing is {self.smoothing}; with 0 one unseen word rules a topic out: give more"
            )

    def fit(self, counts: np.ndarray, labels: np.ndarray) -> NaiveBayes:
        """Learn from word counts (N, I) and their labels (N,) by counting once."""
        examples = np.bincount(labels, minlength=self.n_class)
        if len(examples) != self.n_class or not examples.all():
            raise ValueError(
                f"there are {examples.tolist()} examples of {self.n_class} classes; give one of each"
            )
        per_class = np.stack([counts[labels == k].sum(axis=0) for k in range(self.n_class)], axis=1)  # (I, K)
        per_class = per_class + self.smoothing
        self.log_word = np.log(per_class / per_class.sum(axis=0))
        self.log_class = np.log(examples / examples.sum())
        return self

    def predict(self, counts: np.ndarray) -> np.ndarray:
        """The likeliest class of each row of ``counts`` (N, I): (N,)."""
        return (counts @ self.log_word + self.log_class).argmax(axis=1)


@dataclass(frozen=True)
class Score:
    """A reader on one split: settings chosen on the validation articles, and its accuracy there and on the test."""

    reader: str
    settings: str
    seed: int
    n_test: int
    valid: float
    test: float


READERS = ("naive Bayes", "logistic regression", "hidden layer")
SIZES = (1024, 4096)  # of the vocabulary, for every reader
SMOOTHING = (0.01, 0.1, 1.0)
RATES = (0.1, 0.2, 0.4, 0.8)
STEPS = (100, 200, 400, 800)


def naive_bayes(parts: News, seed: int) -> Score:
    """Naive Bayes with the vocabulary and the smoothing that suit the validation articles best."""
    tried, scored = [], (parts.valid, parts.test)
    for size in SIZES:
        known = frequent_words(parts.train.texts, size)
        train, *others = (word_counts(p.texts, vocabulary=known) for p in (parts.train, *scored))
        for smoothing in SMOOTHING:
            model = NaiveBayes(len(parts.topics), smoothing).fit(train, parts.train.labels)
            right = [accuracy(model.predict(x), p.labels) for x, p in zip(others, scored, strict=True)]
            settings = f"{size} words, smoothing {smoothing:g}"
            tried.append(Score(READERS[0], settings, seed, len(parts.test), *right))
    return best(tried)


def network(parts: News, seed: int, hidden: tuple[int, ...] = ()) -> Score:
    """A network with the vocabulary, rate and steps that suit the validation articles best.

    Without a hidden layer it is logistic regression.
    """
    tried, scored = [], (parts.valid, parts.test)
    for size in SIZES:
        known = frequent_words(parts.train.texts, size)
        train, *others = (bag_of_words(p.texts, vocabulary=known) for p in (parts.train, *scored))
        for lr in RATES:
            model = MLP((size, *hidden, len(parts.topics)), seed=seed)
            for before, steps in pairwise((0, *STEPS)):
                more, draw = steps - before, seed + 1000 * steps
                fit(model, train, parts.train.labels, lr=lr, steps=more, batch_size=64, seed=draw)
                right = [accuracy(model.predict(x), p.labels) for x, p in zip(others, scored, strict=True)]
                settings = f"{size} words, lr {lr:g}, {steps} steps"
                tried.append(Score(READERS[1 + bool(hidden)], settings, seed, len(parts.test), *right))
    return best(tried)


def best(tried: Sequence[Score]) -> Score:
    """The first of the best on the validation articles; the test articles have no say."""
    return max(tried, key=lambda score: score.valid)


def compare_readers(seeds: int) -> Iterator[Score]:
    """Each reader on the splits of ``seeds`` seeds, with the same choices of vocabulary: 3 scores a seed.

    About 40 s a seed. Pair them by seed: the same articles are easy or hard for all three.
    """
    for seed in range(seeds):
        parts = split_news(seed)
        yield naive_bayes(parts, seed)
        yield network(parts, seed)
        yield network(parts, seed, (32,))


READING = Record(  # rows of Score
    "readers",
    compare_readers,
    {"seeds": 6},
    seconds=240,
    path=Path(__file__).parent / "data" / "readers.json",
)
ARTEFACTS = (READING,)


def split_interval(values: Sequence[float], test_share: float = 2 / 7, level: float = 0.95) -> Interval:
    """A mean over random splits of one collection, with an interval that knows that they overlap.

    Two splits have most training articles in common, so plain Student is too sure. Nadeau & Bengio 2003 ("Inference for
    the generalization error", doi:10.1023/A:1024068626366, equation 9) take s · √(1/n + test/train) as its error;
    ``test_share`` is test/train.

    >>> print(split_interval([0.01, 0.02, 0.03]))  # Student: -0.005 to 0.045
    0.020 (95 % interval -0.014 to 0.054, n = 3)
    """
    plain = seed_interval(values, level)
    wider = math.sqrt(1 + len(values) * test_share)  # √(1/n + share) over √(1/n)
    half = (plain.high - plain.mean) * wider
    return Interval(plain.mean, plain.mean - half, plain.mean + half, plain.n, level)


def _all(parts: News) -> tuple[Part, Part, Part]:
    return parts.train, parts.valid, parts.test
