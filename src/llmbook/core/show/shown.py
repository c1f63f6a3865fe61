"""What a cell leaves behind to be seen: HTML for a browser, and plain text that says the same everywhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """Something to leave as a cell's last value: ``html`` for a browser, ``text`` for GitHub's diffs and a terminal.

    >>> Shown("<b>three</b>", "three")
    three
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text
