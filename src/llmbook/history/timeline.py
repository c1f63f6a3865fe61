"""Milestones of language modelling: who, when, how large, trained on what.

The table is ``data/timeline.toml``. A row says when something first became public, what its authors
published about its size, and (where the architecture is documented) the numbers from which
:func:`~llmbook.core.models.parameters.parameter_count` recomputes that size: nobody has to trust a rounded figure.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from llmbook.core.models.config import Config
from llmbook.core.models.parameters import (
    active_parameter_count,
    parameter_count,
    parameters_by_part,
    training_flops,
)
from llmbook.core.run.fields import check, from_table

KINDS = (
    "rule", "statistical", "feedforward", "recurrent", "encoder", "decoder", "encoder-decoder", "moe", "undisclosed",
)  # fmt: skip
DATED_BY = ("release", "arXiv v1", "publication")
UNITS = ("tokens", "words", "characters")


@dataclass(frozen=True)
class Source:
    """Where a row comes from: ``author`` (and year), ``title``, ``url`` (paper, DOI or official page)."""

    author: str
    year: int
    title: str
    url: str


@dataclass(frozen=True)
class Milestone:
    """One row of the table.

    ``date`` is ISO 8601 to the precision that is known (``1948-07``, ``2022-11-30``); ``dated_by`` says what
    it dates. ``parameters`` and ``active`` are the authors' published figures, ``None`` when they gave none.
    ``corpus`` is the size of the training text in ``corpus_unit``; ``tokens_seen`` counts repetitions too, so
    it decides what training cost. Where it is our own product of published numbers, ``tokens_computed`` says of which:
    "1,000 steps x 256 sequences x 512 tokens", perhaps with "at most" before it. ``open`` means the weights can be
    downloaded. ``kind`` is what is published of the architecture: "undisclosed" where nothing is.
    """

    name: str
    date: str
    dated_by: str
    kind: str
    source: Source
    open: bool = False
    parameters: int | None = None
    active: int | None = None
    corpus: int | None = None
    corpus_unit: str = "tokens"
    tokens_seen: int | None = None
    tokens_computed: str = ""
    note: str = ""
    config: Config | None = None

    def __post_init__(self) -> None:
        where = f"milestone {self.name!r}: "
        check(bool(self.name.strip()), "a milestone needs a name")
        _first_day(self.date, where)
        check(self.kind in KINDS, f"{where}kind={self.kind!r}: choose one of {', '.join(KINDS)}")
        check(
            self.dated_by in DATED_BY,
            f"{where}dated_by={self.dated_by!r}: choose one of {', '.join(DATED_BY)}",
        )
        check(
            self.corpus_unit in UNITS,
            f"{where}corpus_unit={self.corpus_unit!r}: choose one of {', '.join(UNITS)}",
        )
        check(
            self.source.url.startswith("https://"),
            f"{where}url={self.source.url!r}: must begin with https://",
        )
        for name in ("parameters", "active", "corpus", "tokens_seen"):
            given = getattr(self, name)
            check(
                given is None or (type(given) is int and given > 0),
                f"{where}{name}={given!r}: must be a positive whole number; leave it out when undisclosed",
            )

        if self.tokens_computed:
            factors = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", self.tokens_computed)]
            check(
                math.prod(factors) == self.tokens_seen,
                f"{where}tokens_seen={self.tokens_seen!r} is not the product of {self.tokens_computed!r}",
            )

    @property
    def day(self) -> dt.date:
        """First day the date can mean: for axes and sorting."""
        return _first_day(self.date)

    @property
    def computed(self) -> int | None:
        """Parameters computed from ``config``; ``None`` without one."""
        return None if self.config is None else parameter_count(self.config)

    @property
    def size(self) -> int | None:
        """Parameters to plot: computed when possible, else published, else ``None``."""
        return self.computed or self.parameters

    @property
    def dated_as(self) -> str:
        """What its date dates: a "release" or a "paper" (its first version on arXiv, or its publication)."""
        return "release" if self.dated_by == "release" else "paper"

    @property
    def non_embedding(self) -> int | None:
        """Parameters computed without tables and output layer of the vocabulary, and without learned positions.

        That is the N of Kaplan et al. 2020 (arXiv:2001.08361, section 2.1), up to biases and norms; ``None`` without
        a config.
        """
        if self.config is None:
            return None
        parts = parameters_by_part(self.config)
        return self.computed - sum(parts[name] for name in ("embedding", "positions", "output"))  # type: ignore[operator]

    @property
    def flops(self) -> float | None:
        """Training compute by :func:`training_flops`; ``None`` when a number is missing.

        N counts all parameters, as Hoffmann et al. 2022 do; Kaplan et al. leave the embeddings out, which makes a
        difference for small models (a third for GPT-2 small) and hardly one for large (under 1 % for GPT-3). A mixture
        of experts counts with its active parameters, and n-gram tables not at all.
        """
        used: int | None
        if self.config is not None:
            used = active_parameter_count(self.config)
        elif self.kind in ("moe", "rule", "statistical", "undisclosed"):
            used = self.active
        else:
            used = self.parameters
        return None if used is None or self.tokens_seen is None else training_flops(used, self.tokens_seen)


def _first_day(date: str, where: str = "") -> dt.date:
    text = date if isinstance(date, str) else repr(date)
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", text):
        raise ValueError(f"{where}date={text!r}: write YYYY, YYYY-MM or YYYY-MM-DD in quotes")
    try:
        return dt.date.fromisoformat((text + "-01-01")[:10])
    except ValueError as error:
        raise ValueError(f"{where}date={text!r}: {error}") from error


def parse_milestones(text: str) -> tuple[Milestone, ...]:
    """Read rows from TOML ``text``, in the order written.

    Raises:
        ValueError: for a row with an unknown, missing or wrong field, an unsorted or a repeated row.

    >>> parse_milestones("")
    ()
    """
    rows = tuple(_milestone(row) for row in tomllib.loads(text).get("milestone", []))
    for before, after in itertools.pairwise(rows):
        check(
            before.day <= after.day,
            f"{after.name!r} ({after.date}) stands below {before.name!r} ({before.date}): sort by date",
        )
    names = [row.name for row in rows]
    repeated = sorted({name for name in names if names.count(name) > 1})
    check(not repeated, f"names must be unique; repeated: {', '.join(repeated)}")
    return rows


def _milestone(row: Mapping[str, Any]) -> Milestone:
    what, values = f"milestone {row.get('name', '?')!r}", dict(row)
    if "source" in values:
        values["source"] = from_table(Source, values["source"], f"{what}, source")
    if "config" in values:
        values["config"] = from_table(Config, values["config"], f"{what}, config")
    return from_table(Milestone, values, what)


@functools.cache
def milestones() -> tuple[Milestone, ...]:
    """All rows of the table, oldest first.

    >>> milestones()[0].source.author
    'Shannon'
    """
    path = resources.files("llmbook.history").joinpath("data/timeline.toml")
    return parse_milestones(path.read_text(encoding="utf-8"))


def milestone(name: str) -> Milestone:
    """The row called ``name``.

    >>> milestone("BERT-base").computed
    109482240
    """
    rows = {row.name: row for row in milestones()}
    if name not in rows:
        raise ValueError(f"no milestone {name!r}; there are {', '.join(rows)}")
    return rows[name]
