"""Everything you can run: the systems of the book, where each is explained, and which test pins it.

The list is ``book/systems.yml``, one entry a system. This module reads it and makes the page's table; that
each anchor and each test exists is checked by ``llmbook check``. It needs no model and no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path

from llmbook.core.run.files import find_book
from llmbook.core.show.tables import Html, table

FILE = "systems.yml"


@dataclass(frozen=True)
class System:
    """One thing that runs.

    ``page`` is a page and an anchor in it (``architecture#self-attention``), ``test`` a pytest node id,
    ``shows`` one line on what the reader sees.
    """

    id: str
    name: str
    page: str
    test: str
    shows: str

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"system {self.id!r}: {field.name} is {value!r}, expected some text")
        if self.page.count("#") != 1:
            raise ValueError(f"system {self.id!r}: page is {self.page!r}, expected page#anchor")
        if "::" not in self.test:
            raise ValueError(f"system {self.id!r}: test is {self.test!r}, expected file::function")

    @property
    def link(self) -> str:
        """Address of the section in the rendered book, relative to a page beside it.

        >>> System("AR2", "self-attention", "architecture#five-steps", "tests/t.py::test_x", "weights").link
        'architecture.html#five-steps'
        """
        page, _, anchor = self.page.partition("#")
        return f"{page}.html#{anchor}"


def load(path: str | Path) -> list[System]:
    """Read a list of systems.

    Raises:
        ValueError: it is not a list of entries with id, name, page, test and shows, or an id occurs twice.
    """
    import yaml

    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or []
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: expected a list of entries")
    systems = [_system(entry, path) for entry in entries]
    twice = {system.id for system in systems if [other.id for other in systems].count(system.id) > 1}
    if twice:
        raise ValueError(f"{path}: id {', '.join(sorted(twice))} occurs more than once")
    return systems


def _system(entry: dict[str, str], path: str | Path) -> System:
    wanted = {field.name for field in fields(System)}
    if set(entry) != wanted:
        odd = ", ".join(sorted(str(key) for key in set(entry) ^ wanted))
        raise ValueError(f"{path}: entry {entry.get('id', '?')!r} lacks or does not know: {odd}")
    return System(**entry)


def show() -> Html:
    """The table of all systems, or a line that says where to find it when the book's files are not here."""
    book = find_book(FILE)
    if book is None:
        return Html(f"<p>The list is the file book/{FILE} of a clone of this book; there is none here.</p>")
    systems = load(book / FILE)
    return systems_table(systems, f"The {len(systems)} systems of this book")


def pages(systems: Iterable[System]) -> list[str]:
    """Names of the pages that have systems, in order of first mention.

    >>> pages([System("A", "a", "history#x", "t::u", "s"), System("B", "b", "history#y", "t::v", "s")])
    ['history']
    """
    return list(dict.fromkeys(system.page.partition("#")[0] for system in systems))


def systems_table(systems: Iterable[System], caption: str) -> Html:
    """The systems as a table whose names lead to the sections that run them."""
    rows = [
        (
            escape(system.id),
            f'<a href="{escape(system.link)}">{escape(system.name)}</a>',
            escape(system.shows),
            _breakable(system.test),
        )
        for system in systems
    ]
    return table(caption, ("Id", "System", "What you see", "The test that pins it"), rows)


def _breakable(test: str) -> str:
    """A test's address that may be broken into lines; what is copied from it is the address."""
    return "<code>" + re.sub(r"(::|[/_])", r"\1<wbr>", escape(test)) + "</code>"
