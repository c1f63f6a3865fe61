"""Reading the news: articles as counted words, and what more of them are worth."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.articles import split_news, words
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


def known_words(sentence: str, vocabulary: Sequence[str]) -> list[str]:
    """The words of a sentence that the vocabulary has, in their order: all that a reader of it sees.

    >>> known_words("The striker scored, the cup is ours", ["the", "cup", "scored"])
    ['the', 'scored', 'the', 'cup']

    Raises ``ValueError`` for a vocabulary that is a bare string.
    """
    _check_texts(vocabulary)
    known = set(vocabulary)
    return [word for word in words(sentence) if word in known]


N_WORD = 1024  # of a vocabulary, unless the articles have fewer


def own_bags(learned: Sequence[str], *others: Sequence[str], n_word: int = N_WORD) -> list[np.ndarray]:
    """Bags of words of ``learned`` and of each of ``others``, over the most frequent words of ``learned`` alone.

    Columns are the ``n_word`` most frequent words, or all where there are fewer: a list of arrays (N, I).

    >>> [x.shape for x in own_bags(["to be or not to be"], ["to err", "is human"])]
    [(1, 4), (2, 4)]
    """
    _check_texts(learned)
    distinct: set[str] = set()
    for text in learned:
        distinct.update(words(text))
        if len(distinct) >= n_word:
            break
    known = frequent_words(learned, min(n_word, len(distinct)))
    return [bag_of_words(texts, vocabulary=known) for texts in (learned, *others)]


def overfitting(
    sizes: Sequence[int], seeds: Iterable[int], *, lr: float, steps: int
) -> dict[str, np.ndarray]:
    """Accuracy on the training articles ("seen") and on "held out" ones, by number of training articles.

    Trained is on the first of the train and valid parts together, scored on the test part. A network knows the 1,024
    most frequent words of its own training articles, and no other.

    Returns two arrays (len(sizes), len(seeds)); each seed draws another split and another start.
    Raises ``ValueError`` for a size below 1 or above the number of training articles.
    """
    seeds, whole = list(seeds), split_news()
    most = len(whole.train) + len(whole.valid)
    if any(not 1 <= n <= most for n in sizes):
        raise ValueError(f"sizes are {list(sizes)}; there are 1 to {most} articles to train on")
    result = {name: np.zeros((len(sizes), len(seeds))) for name in ("seen", "held out")}
    for j, seed in enumerate(seeds):
        parts = split_news(seed)
        texts, y = (
            parts.train.texts + parts.valid.texts,
            np.concatenate((parts.train.labels, parts.valid.labels)),
        )
        for i, n in enumerate(sizes):
            x, x_held_out = own_bags(texts[:n], parts.test.texts)
            model = MLP((x.shape[1], 32, len(parts.topics)), seed=seed)
            fit(model, x, y[:n], lr=lr, steps=steps, batch_size=64, seed=seed)
            result["seen"][i, j] = accuracy(model.predict(x), y[:n])
            result["held out"][i, j] = accuracy(model.predict(x_held_out), parts.test.labels)
    return result


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise ValueError(f"texts is the string {texts[:40]!r}; give a list of texts")
