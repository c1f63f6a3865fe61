"""Measurements too long for a page, kept with the book: rows of one dataclass, and what they were measured on.

A record is an artefact that is stored in the page's ``data`` folder instead of the cache. It holds the key of the
code and the configuration that made it; ``load`` warns when they have changed since. ``llmbook artefacts make NAME``
measures again; pages read, draw and assert the rows.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from llmbook.core.run.artefacts import MADE, MISSING, STALE, Artefact, announce
from llmbook.core.run.files import atomic_path
from llmbook.core.run.machine import hardware, versions

Row = TypeVar("Row")


class StaleRecord(UserWarning):
    """A stored measurement is older than the code that makes it."""


@dataclass(frozen=True, kw_only=True)
class Record(Artefact):
    """Rows that ``make(**config)`` yields one after the other, stored as JSON in ``path``."""

    path: Path

    def about(self) -> dict[str, Any]:
        """What the stored rows were measured on, with their configuration and key; empty when there are none."""
        try:
            return dict(json.loads(self.path.read_text())["about"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def state(self) -> str:
        """`MADE`, `STALE` or `MISSING`."""
        if not self.path.exists():
            return MISSING
        return MADE if self.about().get("key") == self.key else STALE

    def kept(self) -> list[Path]:
        return []  # it belongs to the book, not to the cache

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def get(self) -> Path:
        """The file, measured only when it is missing; an old one stays until it is asked for again by ``remake``."""
        return self.path if self.path.exists() else self.remake()

    def remake(self) -> Path:
        """Measure again and store the rows, whole or not at all."""
        announce(f"measuring {self.name} for {self.path}: about {self.seconds:.0f} s")
        key = self.key  # of the code as it is now, not as it may be when the last row is there
        save(self, list(self._rows()), key)
        return self.path

    def _rows(self) -> Iterator[Any]:
        for row in self.make(**self.config):
            announce(f"  {row}")
            yield row


def save(record: Record, rows: list[Any], key: str) -> None:
    """Write ``rows`` (instances of one dataclass) as ``record``, with hardware and versions; whole or not at all."""
    about = {**record.config, "key": key, "hardware": hardware(), "versions": versions()}
    stored = {"about": about, "rows": [asdict(row) for row in rows]}
    with atomic_path(record.path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1, allow_nan=False) + "\n")


def load(record: Record, kind: type[Row]) -> tuple[list[Row], dict[str, Any]]:
    """Rows of the dataclass ``kind``, and what they were measured on.

    Warns with ``StaleRecord`` when other code or another configuration than today's made them.
    Raises ``ValueError`` when the file holds something else.
    """
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    try:
        stored = json.loads(record.path.read_text())
        rows, about = stored["rows"], stored["about"]
        if any(set(row) != names for row in rows):
            raise KeyError(f"rows of {kind.__name__} need exactly {', '.join(sorted(names))}")
        stale = about.get("key") != record.key
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{record.path} is no record of {kind.__name__}: {error}; `git checkout` it, or measure it again: "
            f"`llmbook artefacts make {record.name}`"
        ) from error
    if stale:
        warnings.warn(f"{explain(record)}", StaleRecord, stacklevel=2)
    return [kind(**row) for row in rows], about


def explain(record: Record) -> str:
    """What is wrong with a stale record, and which command helps."""
    return (
        f"the record {record.name} ({record.path.name}) is older than the code or the configuration that makes it; "
        f"`llmbook artefacts make {record.name}` measures it again, in about {record.seconds:.0f} s"
    )
