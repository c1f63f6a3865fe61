"""Overfitting as it happens: the losses of a reader of short texts while it trains, and two ways to hold it back.

The reader sees only the first words of each article, so there is little to go by and much to learn by heart. Weight
decay is AdamW's (Loshchilov & Hutter 2019, arXiv:1711.05101). Early stopping keeps the weights of the step at which the
loss on the validation articles was lowest (Prechelt 1998, "Early stopping - but when?", doi:10.1007/3-540-49430-8_3).

Left out on purpose: dropout, and stopping before the lowest point is certain ("patience").

Shapes: P points in time at which the losses are looked at, S seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmbook.core.measure.metrics import accuracy
from llmbook.core.measure.records import Record
from llmbook.neural_networks.articles import split_news, words
from llmbook.neural_networks.autograd import cross_entropy
from llmbook.neural_networks.mlp import MLP
from llmbook.neural_networks.optimizers import AdamW
from llmbook.neural_networks.reading import own_bags

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

RATE = 0.01  # of AdamW
DIGITS = 4  # of what is stored


@dataclass(frozen=True)
class Course:
    """One training run, looked at P times: losses in nats on three parts of the news, and the test's share right.

    >>> Course(0, 0.0, [0, 20, 40], train=[2, 1, 0], valid=[2, 1, 1.5], test=[2, 1, 2], right=[0.2, 0.8, 0.8]).stop
    1
    """

    seed: int
    weight_decay: float
    steps: list[int]
    train: list[float]
    valid: list[float]
    test: list[float]
    right: list[float]

    @property
    def stop(self) -> int:
        """Early stopping: at which of the P points the validation loss is lowest (the first of them)."""
        return int(np.argmin(self.valid))


def first_words(texts: Sequence[str], n: int) -> list[str]:
    """The first ``n`` words of each text, in small letters.

    >>> first_words(["Shares FELL on Monday, again."], 3)
    ['shares fell on']

    Raises ``ValueError`` for fewer than one word, or a bare string.
    """
    if n < 1 or isinstance(texts, str):
        raise ValueError(
            f"n is {n}, texts a {type(texts).__name__}; give at least one word, and a list of texts"
        )
    return [" ".join(words(text)[:n]) for text in texts]


def measure(seeds: int, decays: list[float], steps: int, every: int, n_read: int) -> Iterator[Course]:
    """A training run for each seed and each amount of weight decay.

    A seed draws a split, a start and batches of 64, the same for all amounts. The reader knows the 1,024 most frequent
    words among the first ``n_read`` of its training articles, and has 32 hidden neurons.

    Raises ``ValueError`` unless ``steps`` is a multiple of ``every``, both at least 1.
    """
    if every < 1 or steps < every or steps % every:
        raise ValueError(f"steps is {steps}, every {every}; give a multiple of every, both at least 1")
    for seed in range(seeds):
        news = split_news(seed)
        parts = (news.train, news.valid, news.test)
        bags = own_bags(*(first_words(part.texts, n_read) for part in parts))
        tasks = [(x, part.labels) for x, part in zip(bags, parts, strict=True)]
        for decay in decays:
            yield _course(tasks, seed, decay, steps, every)


def _course(
    tasks: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, decay: float, steps: int, every: int
) -> Course:
    """Train on the first task; look at all three before the first step and after every ``every`` steps."""
    (x, y), rng, seen = tasks[0], np.random.default_rng(seed), []
    model = MLP((x.shape[1], 32, int(y.max()) + 1), seed=seed)
    optimizer = AdamW(model.parameters(), RATE, weight_decay=decay)
    for step in range(steps + 1):
        if step % every == 0:
            seen.append([cross_entropy(model(bags), labels).value.item() for bags, labels in tasks])
            seen[-1].append(accuracy(model.predict(tasks[-1][0]), tasks[-1][1]))
        rows = rng.integers(len(x), size=64)
        cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    columns = np.round(seen, DIGITS).T.tolist()  # train, valid, test, right: (P,) each
    return Course(seed, decay, list(range(0, steps + 1, every)), *columns)


STOPPING = Record(  # rows of Course
    "stopping",
    measure,
    {"seeds": 10, "decays": [0.0, 0.3, 1.0, 3.0], "steps": 400, "every": 20, "n_read": 25},
    seconds=60,
    path=Path(__file__).parent / "data" / "stopping.json",
)
ARTEFACTS = (STOPPING,)


def by_decay(rows: Sequence[Course]) -> dict[float, list[Course]]:
    """The courses of each amount of weight decay, in the order of their seeds.

    Raises ``ValueError`` unless every amount has the same seeds, at least one.
    """
    found: dict[float, list[Course]] = {}
    for row in sorted(rows, key=lambda row: (row.weight_decay, row.seed)):
        found.setdefault(row.weight_decay, []).append(row)
    seeds = {tuple(row.seed for row in courses) for courses in found.values()}
    if len(seeds) != 1:
        raise ValueError(f"the amounts {list(found)} have {len(seeds)} different lists of seeds; give one")
    return found


def best_decay(runs: Mapping[float, Sequence[Course]]) -> float:
    """The amount of weight decay above 0 after which the validation articles have the lowest mean loss.

    Raises ``ValueError`` when there is none above 0.
    """
    ends = {
        decay: float(np.mean([c.valid[-1] for c in courses])) for decay, courses in runs.items() if decay > 0
    }
    if not ends:
        raise ValueError(f"the amounts are {list(runs)}; there is none above 0 to choose")
    return min(ends, key=lambda decay: ends[decay])


def draw_courses(ax: Axes, courses: Sequence[Course]) -> Axes:
    """Mean losses over the seeds against steps, a circle at the lowest validation loss, and a band over the seeds.

    The band goes from the lowest to the highest seed's validation loss.
    """
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, band

    steps = np.array(courses[0].steps)
    train, valid = (np.array([getattr(c, part) for c in courses]) for part in ("train", "valid"))  # (S, P)
    ax.plot(steps, train.mean(0), color=ORANGE, linestyle="--", label="training articles")
    ax.plot(steps, valid.mean(0), color=BLUE, label="validation articles")
    band(ax, steps, valid.min(0), valid.max(0), BLUE)
    stop = int(valid.mean(0).argmin())
    ax.axvline(steps[stop], color=INK, linewidth=1, linestyle=":")
    ax.plot(
        steps[stop], valid.mean(0)[stop], "o", color=INK, markersize=7, label="lowest: stop here", zorder=4
    )
    ax.set(ylim=(0, 1), xlim=(0, steps[-1]))
    return ax
