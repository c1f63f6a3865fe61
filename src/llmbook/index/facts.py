"""What a page costs to read and to run, and what it has checked: read from the stored notebook as JSON.

The time to read is an estimate from words and lines; the time to run is the one of the last execution, and the claims
are the lines that `llmbook.core.show.checks.check` printed in it. Nothing is executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS_A_MINUTE = 220  # of plain prose: Brysbaert 2019 finds 238 for silent reading of English non-fiction
WORDS_A_LINE = 8  # what one line of visible code counts as
MARK = "✓ "
_FOLDED = re.compile(
    r"<details>.*?</details>", re.DOTALL
)  # solutions: the reader who opens one has taken time already


@dataclass(frozen=True)
class Facts:
    """A page: its title, minutes to read, seconds of its last run (None: never run), claims checked in it."""

    name: str
    title: str
    minutes: int
    seconds: float | None
    claims: int

    @property
    def reading(self) -> str:
        """The time to read, in words."""
        return f"{self.minutes} minute{'s' if self.minutes > 1 else ''} to read"

    @property
    def running(self) -> str:
        """The time to run, in words; empty when the page was never run.

        >>> Facts("x", "X", 1, 57.2, 0).running, Facts("x", "X", 1, 3.1, 0).running, Facts("x", "X", 1, 200, 0).running
        ('runs in about 55 s', 'runs in a few seconds', 'runs in about 3 minutes')
        """
        if self.seconds is None:
            return ""
        if self.seconds < 7.5:
            return "runs in a few seconds"
        if self.seconds < 110:
            return f"runs in about {round(self.seconds / 5) * 5} s"
        return f"runs in about {round(self.seconds / 60)} minutes"


def facts(path: str | Path) -> Facts:
    """The facts of the page stored at ``path``.

    Raises:
        ValueError: the file is not a notebook.
    """
    path = Path(path)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = list(notebook["cells"])
        seconds = notebook["metadata"].get("llmbook", {}).get("seconds")
        return Facts(path.stem, title(cells) or path.stem, _minutes(cells), seconds, sum(map(_claims, cells)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook: {error!r}") from error


def title(cells: list[dict[str, Any]]) -> str:
    """The first heading of the first level; empty when there is none."""
    prose = (line for cell in cells if cell["cell_type"] == "markdown" for line in _text(cell).splitlines())
    return next((line[2:].strip() for line in prose if line.startswith("# ")), "")


def _minutes(cells: list[dict[str, Any]]) -> int:
    words = sum(
        len(_FOLDED.sub("", _text(cell)).split()) for cell in cells if cell["cell_type"] == "markdown"
    )
    lines = sum(1 for cell in cells if _is_open(cell) for line in _text(cell).splitlines() if line.strip())
    return max(1, round((words + WORDS_A_LINE * lines) / WORDS_A_MINUTE))


def _is_open(cell: dict[str, Any]) -> bool:
    """Whether the site shows the cell's code without a click."""
    hidden = {"launch", "hide-input", "hide-cell", "remove-input", "remove-cell"}
    return cell["cell_type"] == "code" and not hidden & set(cell["metadata"].get("tags", []))


def _claims(cell: dict[str, Any]) -> int:
    return sum(line.startswith(MARK) for text in _printed(cell) for line in text.splitlines())


def _printed(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            yield "".join(output["text"])


def _text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
