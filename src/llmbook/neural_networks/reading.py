"""Reading the news: articles as counted words, and what more of them are worth."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from llmbook.core.measure.metrics import accuracy
from llmbook.core.text import corpora
from llmbook.neural_networks.mlp import MLP, fit


def bag_of_words(texts: Sequence[str], n_feature: int = 1024) -> np.ndarray:
    """How often each word occurs, words hashed into ``n_feature`` columns: (N, I).

    Each row has root mean square 0.2. log(1 + count), so that the tenth "the" counts for less than the first.

    Raises ``ValueError`` for a bare string, which is a list of letters, or no column to count in.

    >>> bag_of_words(["to be or not to be"], n_feature=8).shape
    (1, 8)
    """
    if isinstance(texts, str):
        raise ValueError(f"texts is the string {texts[:40]!r}; give a list of texts")
    if n_feature < 1:
        raise ValueError(f"n_feature is {n_feature}; words are counted in at least one column")
    counts = np.zeros((len(texts), n_feature))
    for row, text in enumerate(texts):
        for word in re.findall(r"[a-z']+", text.lower()):
            counts[row, zlib.crc32(word.encode()) % n_feature] += 1
    counts = np.log1p(counts)
    return 0.2 * counts / np.maximum(np.sqrt((counts**2).mean(axis=1, keepdims=True)), 1e-12)


@lru_cache(maxsize=2)
def counted_news(n_feature: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All articles as rows, their topics as numbers, and the topics' names.

    About a hundred articles occur twice in the collection; here once, so that no split has one on both sides.
    """
    articles = list({" ".join(re.findall(r"[a-z']+", a.text.lower())): a for a in corpora.news()}.values())
    topics = sorted({a.topic for a in articles})
    return (
        bag_of_words([a.text for a in articles], n_feature),
        np.array([topics.index(a.topic) for a in articles]),
        topics,
    )


def news(
    n_feature: int = 1024, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """BBC news in five topics, shuffled and split 80/20.

    Returns train x, train labels, held-out x, held-out labels, topics.
    """
    x, labels, topics = counted_news(n_feature)
    order = np.random.default_rng(seed).permutation(len(x))
    x, labels = x[order], labels[order]
    cut = len(order) * 4 // 5
    return x[:cut], labels[:cut], x[cut:], labels[cut:], topics


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
