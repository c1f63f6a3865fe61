"""What a longer context is worth to a real model: surprise at the same tokens, with more and more text before them.

The model is SmolLM2-135M with the book's own code. Its configuration says 8,192 tokens (``block_size``). Khandelwal
et al. 2018 (arXiv:1805.04623) asked this of LSTMs, by cutting and by exchanging what stands far away. Left out on
purpose: anything that stretches the context, and texts that the model cannot have seen (it surely has seen Shakespeare
and Python's manual; every comparison is of one token with itself).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llmbook.core.measure import intervals
from llmbook.core.measure.losses import bits_per_byte
from llmbook.core.measure.records import Record
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora
from llmbook.core.text.tokens import check_ids

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

N_LAST = 16  # tokens of each window that count, the same ones with every context
NEAR = 32  # tokens that stay when the rest of a context is exchanged
TEXTS = {"plays": lambda: corpora.plays_text("test"), "manual": corpora.manual_text}


@dataclass(frozen=True)
class ContextScore:
    """Bits per byte of one window's last tokens, with ``n_context`` tokens before the first of them.

    ``foreign``: all but the nearest 32 of these come from elsewhere in the text, from the other play for one.
    """

    text: str
    window: int
    n_context: int
    foreign: bool
    bits: float


def token_bytes(tokenizer: Any, ids: Sequence[int]) -> int:
    """How many bytes of UTF-8 tokens stand for, even where one ends inside a character.

    Byte-level BPE (Radford et al. 2019) writes each byte of a token's name as one character.
    """
    return sum(map(len, tokenizer.convert_ids_to_tokens(list(ids))))


@torch.no_grad()
def last_nats(model: Transformer, ids: Tensor, n_last: int = N_LAST) -> Tensor:
    """The surprise, in nats, at each of the last ``n_last`` of ids (T,), given all before it: (n_last,).

    Raises ``ValueError`` unless there is at least one token before them.
    """
    ids = check_ids(ids, ndim=1)
    if not 1 <= n_last < len(ids):
        raise ValueError(f"n_last is {n_last} of {len(ids)} tokens; give 1 to {len(ids) - 1}")
    hidden = model.hidden(ids[None, :-1])[0, -n_last:]  # (n_last, C)
    return F.cross_entropy(model.head(hidden).float(), ids[-n_last:], reduction="none")


def window_ends(n_token: int, longest: int, n_window: int, n_last: int = N_LAST) -> list[int]:
    """Where ``n_window`` windows end, evenly over a text; all have ``longest`` tokens before those that count.

    Raises ``ValueError`` when the text is too short for windows whose scored tokens do not overlap.

    >>> window_ends(1000, longest=100, n_window=3)
    [116, 558, 1000]
    """
    needed = longest + n_window * n_last
    if min(n_window, longest, n_last) < 1 or n_token < needed:
        raise ValueError(
            f"{n_window} windows with {longest} tokens before their last {n_last} in a text of {n_token}; give at "
            f"least 1 of each, and a text of at least {needed} tokens"
        )
    return torch.linspace(longest + n_last, n_token, n_window).long().tolist()


def context_of(ids: Tensor, end: int, n_context: int, foreign: bool = False, n_last: int = N_LAST) -> Tensor:
    """The last tokens of the window that stops before ``end``, with ``n_context`` before them.

    ``foreign`` leaves the nearest 32 and takes the others from half the text away, as many and in their order.

    >>> context_of(torch.arange(1000), end=200, n_context=3)[:5].tolist()
    [181, 182, 183, 184, 185]
    >>> context_of(torch.arange(1000), end=200, n_context=34, foreign=True)[:4].tolist()
    [650, 651, 152, 153]
    """
    scored = end - n_last
    own = ids[scored - n_context : end]
    if not foreign or n_context <= NEAR:
        return own
    where = torch.arange(scored - n_context, scored - NEAR) + len(ids) // 2
    return torch.cat((ids[where % len(ids)], own[n_context - NEAR :]))


def bits_by_context(
    lm: LanguageModel,
    text: str,
    contexts: Sequence[int],
    *,
    n_window: int,
    foreign: Sequence[int] = (),
    n_last: int = N_LAST,
    name: str = "text",
) -> Iterator[ContextScore]:
    """Score the same tokens of ``text`` with each number of tokens before them: bits per byte, window by window.

    The ``n_last`` tokens of a window that count also see each other: the i-th of them has i more tokens before it.
    ``foreign``: numbers of tokens to be tried once more with all but the nearest 32 exchanged.
    Raises ``ValueError`` for no context, a text that is too short, or a context beyond the model's ``block_size``.
    """
    if not contexts:
        raise ValueError("contexts is empty; give at least one number of tokens, such as (8, 64, 512)")
    ids = lm.encode(text)[0]  # (N,)
    kinds = [(n, False) for n in contexts] + [(n, True) for n in foreign]
    for i, end in enumerate(window_ends(len(ids), max(n for n, _ in kinds), n_window, n_last)):
        n_bytes = token_bytes(lm.tokenizer, ids[end - n_last : end].tolist())
        for n, other in kinds:
            nats = last_nats(lm.model, context_of(ids, end, n, other, n_last), n_last)
            yield ContextScore(name, i, n, other, bits_per_byte(float(nats.sum()), n_bytes))


def measure(
    contexts: Sequence[int], foreign: Sequence[int], windows: int, device: str = "auto"
) -> Iterator[ContextScore]:
    """SmolLM2 on the plays that the book holds out, and on Python's manual; ``windows`` of each."""
    lm = LanguageModel.load("smollm2", pick_device(device))
    for name, text in TEXTS.items():
        yield from bits_by_context(lm, text(), contexts, n_window=windows, foreign=foreign, name=name)


CONTEXT = Record(  # rows of ContextScore
    "context",
    measure,
    {
        "contexts": [8, 16, 32, 64, 128, 256, 512, 1024, 2048],
        "foreign": [512],
        "windows": 16,
        "device": "cpu",
    },
    seconds=300,
    path=Path(__file__).parent / "data" / "context.json",
)
ARTEFACTS = (CONTEXT,)

Condition = tuple[int, bool]  # tokens of context, and whether the far ones are foreign


def by_context(scores: Sequence[ContextScore], text: str) -> dict[Condition, list[float]]:
    """Of one text: (tokens of context, foreign) -> bits per byte of every window, in the order of the windows.

    Raises ``ValueError`` for a text without scores, or contexts that were not scored on the same windows.
    """
    found: dict[Condition, dict[int, float]] = {}
    for s in scores:
        if s.text == text:
            found.setdefault((s.n_context, s.foreign), {})[s.window] = s.bits
    if not found:
        raise ValueError(f"no score of {text!r}; there are {', '.join(sorted({s.text for s in scores}))}")
    windows = [sorted(at) for at in found.values()]
    if any(w != windows[0] for w in windows):
        raise ValueError(f"contexts of {text!r} were scored on different windows; they cannot be paired")
    return {kind: [at[w] for w in windows[0]] for kind, at in sorted(found.items())}


def mean_by_context(scores: Sequence[ContextScore], text: str) -> dict[Condition, intervals.Interval]:
    """(tokens of context, foreign) -> mean bits per byte and its 95 % interval over windows (Student's t)."""
    return {kind: intervals.seed_interval(bits) for kind, bits in by_context(scores, text).items()}


def gain_by_context(scores: Sequence[ContextScore], text: str) -> dict[int, intervals.Interval]:
    """Tokens of context -> bits per byte saved by having them instead of the next smaller number, paired by window.

    With its 95 % interval; the gain is more than luck where 0 lies below it. A loss is a negative gain.
    """
    own = {n: bits for (n, foreign), bits in by_context(scores, text).items() if not foreign}
    steps = zip(list(own), list(own)[1:], strict=False)
    return {more: intervals.paired_difference(own[less], own[more]) for less, more in steps}


def foreign_loss(scores: Sequence[ContextScore], text: str) -> dict[int, intervals.Interval]:
    """Tokens of context -> bits per byte lost when all but the nearest 32 are foreign, paired by window."""
    bits = by_context(scores, text)
    exchanged = [n for n, foreign in bits if foreign and (n, False) in bits]
    return {n: intervals.paired_difference(bits[n, True], bits[n, False]) for n in exchanged}


def draw_by_context(ax: Axes, scores: Sequence[ContextScore], crossed: int = 512) -> Axes:
    """A line for each text with its intervals, and a cross for foreign text at ``crossed`` tokens of context."""
    from llmbook.core.show.plotting import BLUE, ORANGE, label, whiskers

    texts = dict.fromkeys(s.text for s in scores)
    for text, color, marker in zip(texts, (BLUE, ORANGE), "os", strict=False):
        means = mean_by_context(scores, text)
        own = {n: i for (n, foreign), i in means.items() if not foreign}
        ax.plot(list(own), [i.mean for i in own.values()], color=color, marker=marker, label=text)
        whiskers(ax, list(own), [i.low for i in own.values()], [i.high for i in own.values()], color)
        ax.plot(crossed, means[crossed, True].mean, "X", color=color, markersize=9)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(own), [f"{n:,}" for n in own], rotation=40)
    ax.legend()
    return label(ax, "tokens of context", "bits per byte")
