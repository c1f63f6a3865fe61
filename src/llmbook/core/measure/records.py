"""Measurements too long for a page, kept with the book: rows of one dataclass, and what they were measured on.

The scripts in ``benchmarks/`` write them into ``llmbook/data``; pages read, draw and assert them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from llmbook.core.run.files import atomic_path
from llmbook.core.run.machine import hardware, versions

Row = TypeVar("Row")


def save(rows: Sequence[Any], path: str | Path, **about: object) -> None:
    """Write ``rows`` (instances of one dataclass) and ``about``, with hardware and versions; whole or not at all."""
    record = {
        "about": {**about, "hardware": hardware(), "versions": versions()},
        "rows": [asdict(row) for row in rows],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def load(path: str | Path, kind: type[Row]) -> tuple[list[Row], dict]:
    """Rows of the dataclass ``kind`` that ``save`` wrote, and what they were measured on.

    Raises ``ValueError`` when the file holds something else.
    """
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    try:
        record = json.loads(Path(path).read_text())
        rows, about = record["rows"], record["about"]
        if any(set(row) != names for row in rows):
            raise KeyError(f"rows of {kind.__name__} need exactly {', '.join(sorted(names))}")
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no record of {kind.__name__}: {error}; `git checkout` it, or run its script in benchmarks/"
        ) from error
    return [kind(**row) for row in rows], about
