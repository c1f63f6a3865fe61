"""Is a fact found again? A number planted in a long text, at some depth, and asked for at its end.

After the passkeys of Mohtashami and Jaggi 2023 (arXiv:2305.16300) and "Lost in the middle" (Liu et al. 2023,
arXiv:2307.03172), on SmolLM2-135M. Left out on purpose: questions that need more than looking up, and chat templates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from llmbook.architecture.context import TEXTS
from llmbook.core.measure import intervals
from llmbook.core.measure.records import Record
from llmbook.core.models.attention import KVCache
from llmbook.core.models.lm import LanguageModel
from llmbook.core.run.runtime import pick_device

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # 0: the text begins with the fact, 1: it ends with it
COLOURS = ("red", "blue", "green", "white", "black")
FACT = "\n\nThe code of the {colour} box is {code}.\n\n"
QUESTIONS = {
    "same words": "\n\nThe code of the {colour} box is ",
    "other words": "\n\nTo open the {colour} box, enter the number ",
}


@dataclass(frozen=True)
class Fact:
    """The box of a ``colour`` opens with ``code``, four digits as text."""

    colour: str
    code: str

    def __post_init__(self) -> None:
        if not (len(self.code) == 4 and self.code.isascii() and self.code.isdigit()):
            raise ValueError(f"code is {self.code!r}; give four digits as text, such as '7421'")
        if not self.colour.isalpha():
            raise ValueError(f"colour is {self.colour!r}; give one word, such as 'red'")


@dataclass(frozen=True)
class Recall:
    """One question asked of one text.

    ``planted``: "one" fact, "five" facts of which one is asked for, or "none". ``depth``: of the fact that is asked
    for, from 0 to 1; None without. ``p_first``, ``rank``: the probability of the code's first digit and its rank among
    all tokens (1: the likeliest). ``p_other``: the mean probability of the nine other digits. ``bits``: surprise at all
    four digits. ``said``: the four tokens that follow greedily, as text.
    """

    planted: str
    filler: str
    trial: int
    n_context: int
    depth: float | None
    question: str
    code: str
    p_first: float
    p_other: float
    rank: int
    bits: float
    said: str

    @property
    def exact(self) -> bool:
        """Whether the model says the code, all of it."""
        return self.said == self.code


def plant(filler: Tensor, facts: Sequence[Tensor], depths: Sequence[float]) -> Tensor:
    """Put facts, as ids, into filler (N,) so that N tokens remain; the end of the filler makes room.

    Depth 0 is before the filler, 1 behind it, 0.5 behind half of what remains of it.
    Raises ``ValueError`` for depths outside 0 to 1, not one for each fact, or facts that fill the text.

    >>> plant(torch.arange(6), [torch.tensor([100, 101])], [0.5]).tolist()
    [0, 1, 100, 101, 2, 3]
    """
    room = len(filler) - sum(map(len, facts))
    if len(depths) != len(facts) or not all(0 <= d <= 1 for d in depths):
        raise ValueError(f"depths are {list(depths)} for {len(facts)} facts; give one from 0 to 1 for each")
    if room < 1:
        raise ValueError(f"{len(facts)} facts do not fit into {len(filler)} tokens; give a longer filler")
    parts, done = [], 0
    for depth, fact in sorted(zip(depths, facts, strict=True), key=lambda both: both[0]):
        at = round(depth * room)
        parts += [filler[done:at], fact]
        done = at
    return torch.cat([*parts, filler[done:room]])


def leaks(text: str, facts: Sequence[Fact]) -> list[str]:
    """What of the facts stands in ``text`` already: codes, and boxes of their colour."""
    return [part for f in facts for part in (f.code, f"{f.colour} box") if part in text.lower()]


def draw_filler(
    lm: LanguageModel, text_ids: Tensor, n_context: int, facts: Sequence[Fact], generator: torch.Generator
) -> Tensor:
    """A random run of ``n_context`` tokens in which nothing of the facts stands.

    Raises ``ValueError`` for a text that is too short, or in which every place leaks.
    """
    if len(text_ids) < n_context:
        raise ValueError(f"n_context is {n_context}, the text has {len(text_ids)} tokens; give a longer one")
    for _ in range(100):
        start = int(torch.randint(len(text_ids) - n_context + 1, (1,), generator=generator))
        filler = text_ids[start : start + n_context]
        if not leaks(lm.tokenizer.decode(filler.tolist()), facts):
            return filler
    raise ValueError(f"100 places of the text all hold part of {list(facts)}; choose other facts")


class Reader:
    """A model with what it has read: questions are asked of the same keys and values, and it can be wound back."""

    ROOM = 64  # tokens for a question and its answer

    def __init__(self, lm: LanguageModel, n_token: int):
        self.lm, self.n = lm, 0
        self.cache = KVCache(lm.model.config.n_layer, n_token + self.ROOM)

    @torch.no_grad()
    def read(self, ids: Tensor, keep: int = 0) -> None:
        """Forget all but the first ``keep`` tokens, then read ids (T,) behind them."""
        self.cache.length = keep  # what lies beyond is written over
        self.lm.model.hidden(ids[None], cache=self.cache)
        self.n = keep + len(ids)

    @torch.no_grad()
    def log_probabilities(self, ids: Tensor, done: int = 0) -> Tensor:
        """ln p of every token behind each of ids (T,) that follow the text and ``done`` tokens more: (T, V)."""
        self.cache.length = self.n + done
        return self.lm.model(ids[None], cache=self.cache)[0].float().log_softmax(-1)

    def say(self, question: Tensor, n_token: int = 4) -> str:
        """The ``n_token`` likeliest tokens that follow text and question, one after the other."""
        said = [self.log_probabilities(question)[-1].argmax()]
        for i in range(n_token - 1):
            said.append(self.log_probabilities(said[-1][None], len(question) + i)[-1].argmax())
        return self.lm.tokenizer.decode(torch.stack(said).tolist())


def ask(reader: Reader, fact: Fact, question: str) -> dict[str, float | int | str]:
    """What the model makes of one question: the measured fields of ``Recall``."""
    encode = reader.lm.encode
    asked = encode(QUESTIONS[question].format(colour=fact.colour), start=False)[0]
    answer = encode(fact.code, start=False)[0]  # a token a digit
    log_p = reader.log_probabilities(torch.cat((asked, answer)))[len(asked) - 1 : -1]  # (A, V)
    digits = torch.cat([encode(str(d), start=False)[0] for d in range(10)])
    p_first, p_digits = float(log_p[0, answer[0]].exp()), float(log_p[0, digits].exp().sum())
    right = torch.equal(log_p.argmax(-1), answer)  # then greedy decoding says just that
    return {
        "p_first": p_first,
        "p_other": (p_digits - p_first) / 9,
        "rank": int((log_p[0] > log_p[0, answer[0]]).sum()) + 1,
        "bits": -float(log_p.gather(1, answer[:, None]).sum()) / math.log(2),
        "said": fact.code if right else reader.say(asked, len(answer)),
    }


def draw_facts(generator: torch.Generator) -> list[Fact]:
    """A fact for each colour, in random order; all codes differ."""
    codes = torch.randperm(9000, generator=generator)[: len(COLOURS)].tolist()
    order = torch.randperm(len(COLOURS), generator=generator).tolist()
    return [Fact(COLOURS[i], str(1000 + code)) for i, code in zip(order, codes, strict=True)]


Told = tuple[
    str, list[tuple[int, float | None]]
]  # what is planted; which facts are asked for, and their depths


def tell(reader: Reader, filler: Tensor, facts: Sequence[Tensor]) -> Iterator[Told]:
    """Have the reader read each version of the text, and say which questions to ask of it.

    All versions begin with the same filler, up to the fact. So the fact moves from the end to the beginning, and each
    time only what follows it is read again.
    """
    reader.read(filler)
    yield "none", [(0, None)]
    room = len(filler) - len(facts[0])
    for depth in sorted(DEPTHS, reverse=True):
        at = round(depth * room)
        reader.read(plant(filler, facts[:1], [depth])[at:], keep=at)
        yield "one", [(0, depth)]
    reader.read(plant(filler, facts, DEPTHS))
    yield "five", list(enumerate(DEPTHS))


def recalls(
    lm: LanguageModel,
    filler_name: str,
    text_ids: Tensor,
    n_context: int,
    trial: int,
    questions: Sequence[str] = tuple(QUESTIONS),
) -> Iterator[Recall]:
    """One trial: facts and filler drawn by its number, the same ones for every depth and for what is planted.

    "one": each depth has a text of its own, all with the same fact. "five": one text with a fact at each depth, and a
    question for each. "none": the first fact's question, of the filler alone.
    """
    generator = torch.Generator().manual_seed(trial)
    facts = draw_facts(generator)
    filler = draw_filler(lm, text_ids, n_context, facts, generator)
    written = [lm.encode(FACT.format(colour=f.colour, code=f.code), start=False)[0] for f in facts]
    reader = Reader(lm, n_context)
    for planted, wanted in tell(reader, filler, written):
        for (i, depth), question in product(wanted, questions):
            found = ask(reader, facts[i], question)
            yield Recall(planted, filler_name, trial, n_context, depth, question, facts[i].code, **found)  # type: ignore[arg-type]


def measure(contexts: Sequence[int], trials: int, device: str = "auto") -> Iterator[Recall]:
    """SmolLM2, ``trials`` drawings of facts and filler for each length; plays and manual by turns."""
    lm = LanguageModel.load("smollm2", pick_device(device))
    texts = {name: lm.encode(text())[0] for name, text in TEXTS.items()}
    for trial, n_context in product(range(trials), contexts):
        name = list(texts)[trial % len(texts)]
        yield from recalls(lm, name, texts[name], n_context, trial)


RECALL = Record(  # rows of Recall
    "planted",
    measure,
    {"contexts": [256, 1024, 2048], "trials": 30, "device": "cpu"},
    seconds=2100,
    path=Path(__file__).parent / "data" / "planted.json",
)
ARTEFACTS = (RECALL,)


def verdict(row: Recall) -> str:
    """What was said: "right", the code of "another box" that was planted too, or "wrong"."""
    if row.exact:
        return "right"
    facts = draw_facts(torch.Generator().manual_seed(row.trial))
    planted = {f.code for f in facts} if row.planted == "five" else set()
    return "another box" if row.said in planted else "wrong"


Group = tuple[str | int | float | None, ...]


def shares(rows: Sequence[Recall], *by: str, said: str = "right") -> dict[Group, intervals.Interval]:
    """The values of the fields ``by`` -> the share of answers that are ``said``, and its 95 % interval (Wilson).

    Wilson's interval takes answers for independent. Those of one trial share their facts and their filler: where a
    group holds several answers of a trial, ``trial_shares`` is the honest interval.
    Raises ``ValueError`` for no rows.

    >>> row = Recall("one", "plays", 0, 256, 0.5, "same words", "7421", 0.9, 0.01, 1, 0.5, said="7421")
    >>> print(shares([row], "planted", "depth")["one", 0.5])
    1.000 (95 % interval 0.207 to 1.000, n = 1)
    """
    if not rows:
        raise ValueError("there are no rows; measure some, or load the record")
    found: dict[Group, list[bool]] = {}
    for row in rows:
        found.setdefault(tuple(getattr(row, name) for name in by), []).append(verdict(row) == said)
    return {group: intervals.wilson_interval(sum(right), len(right)) for group, right in found.items()}


def trial_shares(rows: Sequence[Recall], *by: str, said: str = "right") -> dict[Group, intervals.Interval]:
    """As ``shares``, but the unit is the trial: mean of the trials' shares and its 95 % interval (Student's t).

    The interval may reach beyond 0 and 1. Raises ``ValueError`` for a group of fewer than two trials.
    """
    found: dict[Group, dict[int, list[bool]]] = {}
    for row in rows:
        group = found.setdefault(tuple(getattr(row, name) for name in by), {})
        group.setdefault(row.trial, []).append(verdict(row) == said)
    return {
        group: intervals.seed_interval([sum(right) / len(right) for right in trials.values()])
        for group, trials in found.items()
    }


def trial_difference(
    rows: Sequence[Recall], one: Mapping[str, object], other: Mapping[str, object]
) -> intervals.Interval:
    """By how much the share of right answers in ``one`` group exceeds that in the ``other``, paired by trial.

    Groups are given by their fields, such as ``{"planted": "one", "n_context": 256}``; 95 % interval over trials.
    Raises ``ValueError`` unless both have the same trials.
    """
    by_trial = []
    for fields in (one, other):
        mine = [row for row in rows if all(getattr(row, name) == value for name, value in fields.items())]
        trials = sorted({row.trial for row in mine})
        right = [[verdict(row) == "right" for row in mine if row.trial == t] for t in trials]
        by_trial.append({t: sum(r) / len(r) for t, r in zip(trials, right, strict=True)})
    if by_trial[0].keys() != by_trial[1].keys() or len(by_trial[0]) < 2:
        raise ValueError(
            f"{dict(one)} has trials {list(by_trial[0])}, {dict(other)} {list(by_trial[1])}; pairs need the same"
        )
    return intervals.paired_difference(list(by_trial[0].values()), list(by_trial[1].values()))


def draw_by_depth(ax: Axes, rows: Sequence[Recall], n_context: int) -> Axes:
    """The share of codes found against where the one fact stood, a line and intervals for each question."""
    from llmbook.core.show.plotting import BLUE, ORANGE, label, whiskers

    found = shares([r for r in rows if r.planted == "one" and r.n_context == n_context], "question", "depth")
    for i, (question, color, marker) in enumerate(zip(QUESTIONS, (BLUE, ORANGE), "os", strict=True)):
        at = [found[question, depth] for depth in DEPTHS]
        x = [depth + 0.015 * i for depth in DEPTHS]
        ax.plot(x, [share.mean for share in at], color=color, marker=marker, label=question)
        whiskers(ax, x, [share.low for share in at], [share.high for share in at], color)
    ax.set_xticks(DEPTHS, ["beginning", "", "middle", "", "end"])
    ax.set_ylim(-0.03, 1.03)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    return label(ax, "where the fact was planted", "share found")
