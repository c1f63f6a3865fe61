"""How this book was made: what each page cost to run, with which versions, on which machine.

Read from the record that ``llmbook execute`` leaves in each notebook's metadata, so it cannot disagree with
the outputs that stand in the book. Notebooks are read as JSON; nothing is executed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from llmbook.core.run.files import find_book
from llmbook.core.show.tables import Html, table

THIS = "colophon"
BINDER_MB = 1800  # Binder gives 2 GB; the rest is for the notebook server


@dataclass(frozen=True)
class Run:
    """The last execution of a page: wall-clock seconds, peak memory in MB (10**6 bytes), and where it ran."""

    page: str
    title: str
    seconds: float
    peak_mb: float
    executed: str
    scale: str
    versions: dict[str, str]
    hardware: dict[str, Any]


def read_run(path: str | Path) -> Run | None:
    """The record in a notebook's metadata; None when the page was never executed.

    Raises:
        ValueError: the file is not a notebook.
    """
    path = Path(path)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        stored = notebook["metadata"].get("llmbook", {})
        title = _title(notebook["cells"]) or path.stem
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook: {error!r}") from error
    if "seconds" not in stored:
        return None
    scale = str(stored.get("parameters", {}).get("scale", ""))
    numbers = (stored["seconds"], stored["peak_mb"])
    return Run(path.stem, title, *numbers, stored["executed"], scale, stored["versions"], stored["hardware"])


def _title(cells: list[dict[str, Any]]) -> str:
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return ""


def runs(book: str | Path | None = None) -> list[Run]:
    """The runs of all pages but the colophon itself, slowest first; none without the book's files."""
    folder = find_book(f"{THIS}.ipynb") if book is None else Path(book)
    paths = sorted(folder.glob("*.ipynb")) if folder else []
    found = [run for path in paths if path.stem != THIS and (run := read_run(path))]
    return sorted(found, key=lambda run: (-run.seconds, run.page))


def environments(runs: Sequence[Run]) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """The different pairs of versions and hardware among ``runs``, most used first."""
    found = [(run.versions, run.hardware) for run in runs]
    different = [pair for i, pair in enumerate(found) if pair not in found[:i]]
    return sorted(different, key=lambda pair: -found.count(pair))


def runs_table(runs: Sequence[Run]) -> Html:
    """One row a page: time, memory, date, scale, and the letter of its environment."""
    letters = environments(runs)
    rows = [
        (
            f'<a href="{escape(run.page)}.html">{escape(run.title)}</a>',
            f"{run.seconds:.1f}",
            f"{run.peak_mb:,.0f}",
            f'<span style="white-space: nowrap">{escape(run.executed)}</span>',
            escape(run.scale),
            letter(letters.index((run.versions, run.hardware))),
        )
        for run in runs
    ]
    columns = ("Page", "Seconds", "Peak MB", "Executed", "Scale", "Environment")
    return table("Cost of each page", columns, rows)


def environments_table(runs: Sequence[Run]) -> Html:
    """One row an environment: versions and hardware."""
    rows = [
        (letter(place), escape(describe(versions)), escape(describe(hardware)))
        for place, (versions, hardware) in enumerate(environments(runs))
    ]
    return table("Environments", ("Environment", "Versions", "Hardware"), rows)


def letter(place: int) -> str:
    """A, B, ... Z, AA, AB, ...

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    first = letter(place // 26 - 1) if place >= 26 else ""
    return first + chr(ord("A") + place % 26)


def describe(facts: dict[str, Any]) -> str:
    """Names and values on one line.

    >>> describe({"cores": 2, "memory_gib": 7.5, "accelerator": None})
    'cores 2, memory 7.5 GiB, no accelerator'
    """
    parts = []
    for name, value in facts.items():
        plain, unit = (name.removesuffix("_gib").replace("_", " "), " GiB" if name.endswith("_gib") else "")
        parts.append(f"no {plain}" if value is None else f"{plain} {value}{unit}")
    return ", ".join(parts)


def summary(runs: Sequence[Run]) -> str:
    """Three lines on the whole book, or one on why there is nothing to tell."""
    if not runs:
        return "No executed pages were found here: this page needs the notebooks of a clone of the book."
    slowest = max(runs, key=lambda run: run.seconds)
    largest = max(runs, key=lambda run: run.peak_mb)
    lines = [
        f"All of them, one after the other ({len(runs)}): {sum(run.seconds for run in runs):.0f} s",
        f"the slowest, {slowest.page}: {slowest.seconds:.0f} s",
        f"the largest, {largest.page}: {largest.peak_mb:,.0f} MB",
    ]
    return "\n".join(lines)
