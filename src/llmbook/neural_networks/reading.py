"""Reading the news: articles as counted words, and what more of them are worth."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.articles import News, split_news, words
from llmbook.neural_networks.mlp import MLP, fit


def column(word: str, n_feature: int) -> int:
    """The column that a word is hashed into: the same on every machine, unlike Python's own ``hash``."""
    return zlib.crc32(word.encode()) % n_feature


def frequent_words(texts: Sequence[str], size: int = 1024) -> list[str]:
    """The ``size`` most frequent words of ``texts`` (training texts, and only those), most frequent first.

    >>> frequent_words(["to be or not to be", "to err"], size=2)
    ['to', 'be']

    Raises ``ValueError`` for a bare string, or when there are fewer different words.
    """
    _check_texts(texts)
    counts = Counter(word for text in texts for word in words(text))
    if not 1 <= size <= len(counts):
        raise ValueError(
            f"size is {size}; there are {len(counts)} different words to choose from, at least 1"
        )
    return sorted(counts, key=lambda word: (-counts[word], word))[:size]


def word_counts(
    texts: Sequence[str], n_feature: int = 1024, vocabulary: Sequence[str] | None = None
) -> np.ndarray:
    """How often each word occurs: (N, I), whole numbers.

    With a ``vocabulary`` each of its words has a column of its own, and other words are left out. Without one, words
    are hashed into ``n_feature`` columns, and a column holds all words that fall into it.

    >>> word_counts(["to be or not to be"], vocabulary=["be", "to", "cat"]).tolist()
    [[2.0, 2.0, 0.0]]
    """
    _check_texts(texts)
    place = None if vocabulary is None else {word: i for i, word in enumerate(vocabulary)}
    n_column = n_feature if place is None else len(place)
    if n_column < 1:
        raise ValueError(f"n_feature is {n_column}; words are counted in at least one column")
    counts = np.zeros((len(texts), n_column))
    for row, text in enumerate(texts):
        for word, n in Counter(words(text)).items():
            where = column(word, n_feature) if place is None else place.get(word)
            if where is not None:
                counts[row, where] += n
    return counts


def bag_of_words(
    texts: Sequence[str], n_feature: int = 1024, vocabulary: Sequence[str] | None = None
) -> np.ndarray:
    """``word_counts``, damped: log(1 + count), each row scaled to a root mean square of 0.2: (N, I).

    So the tenth "the" counts for less than the first, and a long article for no more than a short one.

    Raises ``ValueError`` for a bare string, which is a list of letters, or no column to count in.

    >>> bag_of_words(["to be or not to be"], n_feature=8).shape
    (1, 8)
    """
    counts = np.log1p(word_counts(texts, n_feature, vocabulary))
    return 0.2 * counts / np.maximum(np.sqrt((counts**2).mean(axis=1, keepdims=True)), 1e-12)


@dataclass(frozen=True)
class Collisions:
    """What hashing puts together: different words, columns, words that share theirs, and the fullest column.

    ``drowned`` is the share of running words that stand in a column where another word is more frequent.
    """

    n_word: int
    n_column: int
    n_sharing: int
    fullest: int
    drowned: float


def collisions(texts: Sequence[str], n_feature: int = 1024) -> Collisions:
    """How many words share a column when the words of ``texts`` are hashed into ``n_feature`` columns.

    >>> collisions(["to be or not to be"], n_feature=1)
    Collisions(n_word=4, n_column=1, n_sharing=4, fullest=4, drowned=0.666...)
    """
    _check_texts(texts)
    if n_feature < 1:
        raise ValueError(f"n_feature is {n_feature}; words are counted in at least one column")
    counts = Counter(word for text in texts for word in words(text))
    columns: dict[int, list[int]] = {}
    for word, n in counts.items():
        columns.setdefault(column(word, n_feature), []).append(n)
    sharing = sum(len(ns) for ns in columns.values() if len(ns) > 1)
    drowned = 1 - sum(max(ns) for ns in columns.values()) / max(1, sum(counts.values()))
    return Collisions(len(counts), n_feature, sharing, max(map(len, columns.values()), default=0), drowned)


@lru_cache(maxsize=4)
def _counted(seed: int, n_feature: int) -> tuple[News, np.ndarray, np.ndarray]:
    """The split of a seed, and the bags of words of all it may learn from and of its test articles."""
    parts = split_news(seed)
    known = parts.train.texts + parts.valid.texts
    return parts, bag_of_words(known, n_feature), bag_of_words(parts.test.texts, n_feature)


def news(
    n_feature: int = 1024, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """``split_news`` as hashed bags of words once all choices are made: train and valid together (80 %), and test.

    Returns train x, train labels, held-out x, held-out labels, topics.
    """
    parts, known, held_out = _counted(seed, n_feature)
    labels = np.concatenate((parts.train.labels, parts.valid.labels))
    return known.copy(), labels, held_out.copy(), parts.test.labels, list(parts.topics)


def overfitting(
    sizes: Sequence[int], seeds: Iterable[int], *, lr: float, steps: int
) -> dict[str, np.ndarray]:
    """Accuracy on the training articles ("seen") and on "held out" ones, by number of training articles.

    Returns two arrays (len(sizes), len(seeds)); each seed draws another split and another start.
    Raises ``ValueError`` for a size below 1 or above the number of training articles.
    """
    seeds, most = list(seeds), len(news()[0])
    if any(not 1 <= n <= most for n in sizes):
        raise ValueError(f"sizes are {list(sizes)}; there are 1 to {most} articles to train on")
    result = {name: np.zeros((len(sizes), len(seeds))) for name in ("seen", "held out")}
    for j, seed in enumerate(seeds):
        x, y, x_held_out, y_held_out, topics = news(seed=seed)
        for i, n in enumerate(sizes):
            model = MLP((x.shape[1], 32, len(topics)), seed=seed)
            fit(model, x[:n], y[:n], lr=lr, steps=steps, batch_size=64, seed=seed)
            result["seen"][i, j] = accuracy(model.predict(x[:n]), y[:n])
            result["held out"][i, j] = accuracy(model.predict(x_held_out), y_held_out)
    return result


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise ValueError(f"texts is the string {texts[:40]!r}; give a list of texts")
