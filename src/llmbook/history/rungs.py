"""The networks of the ladder, and the one grid from which size, optimizer and learning rate of each are chosen.

The models are in ``recurrent`` (Bengio et al. 2003, Mikolov et al. 2010, Hochreiter & Schmidhuber 1997) and
``core.models.transformer`` (Vaswani et al. 2017). Recurrent ones start helped (``starts``): a plain start is the weaker
version of the loser. The Transformer has parts that came after 2017: RMSNorm before each part instead of LayerNorm
after it, rotary positions, a squared ReLU, normalised queries and keys, output projections that start at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from torch import nn

from llmbook.core.models.config import Config
from llmbook.core.models.transformer import Transformer
from llmbook.history.recurrent import FeedForwardLM, RecurrentLM
from llmbook.history.scoring import BLOCK
from llmbook.history.starts import help_start

RATES = (4e-3, 1e-2, 2.5e-2)  # the same three for every network, size and optimizer
OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class Rung:
    """A network of the ladder: what it is called, how it is built for a vocabulary, and how it is trained."""

    name: str
    year: int
    size: str
    make: Callable[[int], nn.Module]
    optimizer: str = "muon"
    lr: float = 1e-2


def _feed_forward(n_hidden: int) -> Callable[[int], nn.Module]:
    return lambda v: FeedForwardLM(v, n_embd=64, n_hidden=n_hidden, context=4, block_size=BLOCK)


def _recurrent(kind: str, n_hidden: int) -> Callable[[int], nn.Module]:
    return lambda v: help_start(RecurrentLM(kind, v, n_embd=128, n_hidden=n_hidden, block_size=BLOCK))


def _transformer(n_layer: int) -> Callable[[int], nn.Module]:
    return lambda v: Transformer(
        Config(v, BLOCK, n_layer=n_layer, n_head=4, n_embd=128, norm="rms", position="rope", activation="relu2",
               bias=False, qk_norm=True, tied=False, zero_init=True)
    )  # fmt: skip


RUNGS = (  # two sizes each: the larger costs 1.5 to 1.8 times as much a token
    Rung("feed-forward", 2003, "256 units", _feed_forward(256)),
    Rung("feed-forward", 2003, "512 units", _feed_forward(512)),
    Rung("RNN", 2010, "256 units", _recurrent("rnn", 256)),
    Rung("RNN", 2010, "384 units", _recurrent("rnn", 384)),
    Rung("LSTM", 1997, "256 units", _recurrent("lstm", 256)),
    Rung("LSTM", 1997, "384 units", _recurrent("lstm", 384)),
    Rung("Transformer", 2017, "2 layers", _transformer(2)),
    Rung("Transformer", 2017, "4 layers", _transformer(4)),
)
NAMES = tuple(dict.fromkeys(rung.name for rung in RUNGS))


def grid(name: str) -> Iterator[Rung]:
    """All that is tried for one network: sizes x optimizers x rates, the same number for each.

    Raises ``ValueError`` for an unknown name.

    >>> len(list(grid("LSTM"))), len(list(grid("feed-forward")))
    (12, 12)
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; the networks are {', '.join(NAMES)}")
    for rung, optimizer, lr in product(RUNGS, OPTIMIZERS, RATES):
        if rung.name == name:
            yield replace(rung, optimizer=optimizer, lr=lr)


def rung(name: str, size: str, optimizer: str, lr: float) -> Rung:
    """The rung of that name and size, trained in that way. Raises ``ValueError`` for a size that there is not.

    >>> rung("LSTM", "256 units", "muon", 0.01).year
    1997
    """
    sizes = {r.size: r for r in RUNGS if r.name == name}
    if size not in sizes:
        raise ValueError(
            f"{name!r} of size {size!r}: there are {', '.join(f'{r.name} of {r.size}' for r in RUNGS)}"
        )
    return replace(sizes[size], optimizer=optimizer, lr=lr)
