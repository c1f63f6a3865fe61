"""The map of the book: fifteen chapters, one line each, with the pages that are there and those that are planned.

The rows are ``book/chapters.yml``; titles and times come from the stored notebooks. That ``_toc.yml`` follows the
same order is checked by ``llmbook check``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from llmbook.core.run.files import find_book
from llmbook.core.show.tables import Html
from llmbook.index.facts import Facts, facts

FILE = "chapters.yml"


@dataclass(frozen=True)
class Chapter:
    """A chapter: its number, title, one line, and its pages in order, the first of which is its own."""

    number: int
    title: str
    line: str
    pages: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("title", "line"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise ValueError(
                    f"chapter {self.number}: {name} is {getattr(self, name)!r}, expected some text"
                )
        if not self.pages:
            raise ValueError(f"chapter {self.number} has no pages: name its own, planned or not")


def load(path: str | Path | None = None) -> list[Chapter]:
    """The chapters, in order; by default those of the book this runs in.

    Raises:
        ValueError: there is no such file, it is no list of chapters, chapters are not numbered from 1, or a page
            stands in two of them.
    """
    if path is None:
        path = (find_book(FILE) or Path("book")) / FILE
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist: the map of chapters needs a clone of the book")
    chapters = [_chapter(row, path) for row in yaml.safe_load(path.read_text(encoding="utf-8")) or []]
    if [chapter.number for chapter in chapters] != list(range(1, len(chapters) + 1)) or not chapters:
        raise ValueError(f"{path}: chapters are numbered from 1, in order")
    twice = [
        page for page, n in Counter(page for chapter in chapters for page in chapter.pages).items() if n > 1
    ]
    if twice:
        raise ValueError(f"{path}: {', '.join(twice)} stands in two places")
    return chapters


def _chapter(row: Any, path: Path) -> Chapter:
    try:
        return Chapter(int(row["number"]), row["title"], row["line"], tuple(map(str, row["pages"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {row!r} is no chapter: give number, title, line and pages") from error


def there(chapters: Sequence[Chapter], book: str | Path | None = None) -> dict[str, Facts]:
    """The pages of the map that are written, with what each costs."""
    folder = find_book(FILE) if book is None else Path(book)
    names = [name for chapter in chapters for name in chapter.pages]
    paths = [folder / f"{name}.ipynb" for name in names] if folder else []
    return {path.stem: facts(path) for path in paths if path.is_file()}


def progress(chapters: Sequence[Chapter], book: str | Path | None = None) -> str:
    """How much of the book is written, in a sentence."""
    pages = there(chapters, book)
    begun = sum(any(page in pages for page in chapter.pages) for chapter in chapters)
    return f"{len(pages)} pages in {begun} of {len(chapters)} chapters are written."


def chapter_map(chapters: Sequence[Chapter] | None = None, book: str | Path | None = None) -> Html:
    """The map as HTML: a numbered list of chapters, each with its line and its pages.

    What is written is a link with its times to read and to run; what is planned says so and leads nowhere.
    """
    chapters = load() if chapters is None else chapters
    pages = there(chapters, book)
    items = "\n".join(
        f'<li value="{chapter.number}">{"".join(_parts(chapter, pages))}</li>' for chapter in chapters
    )
    return Html(f'<ol class="llmbook-map">\n{items}\n</ol>')


def _parts(chapter: Chapter, pages: dict[str, Facts]) -> Iterator[str]:
    first, *others = chapter.pages
    title = f"<strong>{escape(chapter.title)}</strong>"
    yield (
        f"{_link(first, title)}{_cost(pages[first])}" if first in pages else f"{title} <small>planned</small>"
    )
    yield f"<br>{escape(chapter.line)}"
    written = [
        f"{_link(name, escape(pages[name].title))}{_cost(pages[name])}" for name in others if name in pages
    ]
    planned = [escape(name.replace("_", " ")) for name in others if name not in pages]
    sections = written + ([f"<small>planned: {', '.join(planned)}</small>"] if planned else [])
    yield "".join(f"<br>{section}" for section in sections)


def _link(name: str, words: str) -> str:
    return f'<a href="{escape(name)}.html">{words}</a>'


def _cost(page: Facts) -> str:
    return f" <small>{' · '.join(filter(None, [page.reading, page.running]))}</small>"
