"""How often a network of few hidden neurons solves exclusive or, and how often training leaves it stuck.

Two hidden neurons are enough to say it; whether gradient descent finds the weights depends on where it starts. Measured
once from forty starts for each number of neurons; the page reads the rows.

Left out on purpose: what frees a stuck network (another rate, momentum, more steps).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmbook.core.measure.intervals import Interval, wilson_interval
from llmbook.core.measure.records import Record
from llmbook.neural_networks.autograd import cross_entropy
from llmbook.neural_networks.mlp import MLP, XOR, fit

LOW = 0.1  # nats: a loss below it is an answer, and no hesitation


@dataclass(frozen=True)
class Trained:
    """One network after training: of the four points, how many it gets right, and its loss on them in nats."""

    n_hidden: int
    seed: int
    n_right: int
    loss: float

    @property
    def solved(self) -> bool:
        """All four points right, and with confidence."""
        return self.n_right == 4 and self.loss < LOW


def train(n_hidden: int, seed: int, lr: float, steps: int) -> Trained:
    """A network of one tanh layer after ``steps`` steps of plain descent on all four points.

    >>> train(2, seed=0, lr=0.5, steps=0).solved
    False
    """
    points, labels = XOR
    model = MLP((2, n_hidden, 2), "tanh", seed)
    fit(model, points, labels, lr=lr, steps=steps)
    n_right = int((model.predict(points) == labels).sum())
    return Trained(n_hidden, seed, n_right, float(cross_entropy(model(points), labels).value))


def measure(sizes: list[int], seeds: int, lr: float, steps: int) -> Iterator[Trained]:
    """Every number of hidden neurons from the same seeds."""
    for n_hidden in sizes:
        for seed in range(seeds):
            yield train(n_hidden, seed, lr, steps)


STUCK = Record(  # rows of Trained
    "stuck",
    measure,
    {"sizes": [2, 3, 4, 8], "seeds": 40, "lr": 0.5, "steps": 1000},
    seconds=90,
    path=Path(__file__).parent / "data" / "stuck.json",
)
ARTEFACTS = (STUCK,)


def solved_by_size(rows: Sequence[Trained]) -> dict[int, tuple[int, Interval]]:
    """By number of hidden neurons: how many networks solved it, and their share with a 95 % interval (Wilson).

    >>> rows = [Trained(2, seed, n_right=4, loss=0.01 if seed else 0.5) for seed in range(20)]
    >>> n_solved, share = solved_by_size(rows)[2]
    >>> print(n_solved, share)
    19 0.950 (95 % interval 0.764 to 0.991, n = 20)

    Raises ``ValueError`` without a row.
    """
    if not rows:
        raise ValueError("no rows: give what load(STUCK, Trained) returns")
    by_size: dict[int, list[bool]] = {}
    for row in rows:
        by_size.setdefault(row.n_hidden, []).append(row.solved)
    return {
        n: (sum(solved), wilson_interval(sum(solved), len(solved))) for n, solved in sorted(by_size.items())
    }


def stuck_runs(rows: Sequence[Trained], n_hidden: int | None = None) -> list[Trained]:
    """The runs that did not solve it, of all sizes or of one.

    >>> stuck_runs([Trained(2, 0, 4, 0.01), Trained(2, 1, 2, 0.35), Trained(3, 2, 2, 0.35)], n_hidden=2)
    [Trained(n_hidden=2, seed=1, n_right=2, loss=0.35)]
    """
    return [row for row in rows if not row.solved and n_hidden in (None, row.n_hidden)]
