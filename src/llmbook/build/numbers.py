"""Chapter numbers: ``book/chapters.yml`` says which page is chapter 3 and which is 5b, whether or not all are written.

Sphinx numbers pages in the order in which they are there, so that a chapter would change its number when one before it
is written. Here the number of a page is fixed; its headings have none.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from llmbook.build import pages
from llmbook.index import chapters

LETTERS = ascii_lowercase  # of the pages of a chapter; the first has none


def numbers(root: Path) -> dict[str, str]:
    """Page -> number, for each page that is planned: ``{"overview": "1", "neural_networks": "1b", ...}``.

    Nothing for a book without a map of chapters.
    """
    path = root / pages.BOOK / chapters.FILE
    listed = chapters.load(path) if path.is_file() else []
    return {
        page: f"{chapter.number}{LETTERS[place] if place else ''}"
        for chapter in listed
        for place, page in enumerate(chapter.pages)
    }


def _look(app: Sphinx, config: Config) -> None:
    """All pages are read again when the map of chapters has changed."""
    config.llmbook_numbers = json.dumps(numbers(Path(app.confdir)))


def _assign(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give each page its number, and name those whose number has changed."""
    known = {f"{pages.BOOK}/{page}": number for page, number in numbers(Path(app.srcdir)).items()}
    found = {name: known[name] for name in sorted(env.found_docs) if name in known}
    for name, number in found.items():
        title, *headings = env.tocs[name].findall(nodes.reference)
        title["secnumber"] = env.titles[name]["secnumber"] = (number,)
        own: tuple[Any, ...] = (number,)  # Sphinx joins the parts of a number by dots, whatever they are
        env.toc_secnumbers[name] = {"": own, **{heading["anchorname"]: () for heading in headings}}
    before = getattr(env, "llmbook_numbers", {})
    env.llmbook_numbers = found  # type: ignore[attr-defined]
    return [name for name, number in found.items() if before.get(name) != number]


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_config_value("llmbook_numbers", "", "env")
    app.connect("config-inited", _look)
    app.connect("env-get-updated", _assign, priority=900)  # after Sphinx has numbered what it numbers
