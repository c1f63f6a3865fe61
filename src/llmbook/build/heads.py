"""The line under a page's title: what was checked when it ran, for which seeds, how long it takes.

It is made when the site is built, from the stored notebook and from ``benchmarks/results/seeds.json``, so that it
cannot say more than these do.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from llmbook.build import pages, seeds
from llmbook.index.facts import facts

BETWEEN = " · "
COVER = "index"  # has nothing to read or to run first


def head(path: Path, root: Path) -> str:
    """The line under the title of the page at ``path``; parts that nothing is known of are left out."""
    known = facts(path)
    held = seeds.held(root, path.stem, pages.record(pages.read(path)).get("hash"))
    claims = f"{known.claims} claim{'s' if known.claims > 1 else ''} checked when this page ran"
    parts = [
        claims if known.claims else "",
        f"held for seed{'s' if len(held) > 1 else ''} {seeds.ranges(held)}" if held else "",
        known.running,
        known.reading,
    ]
    return BETWEEN.join(filter(None, parts))


def _insert(app: Sphinx, doctree: nodes.document) -> None:
    path, root = Path(app.env.doc2path(app.env.docname)), Path(app.srcdir)
    first = next(doctree.findall(nodes.title), None)
    if path.suffix != ".ipynb" or path.stem == COVER or first is None:
        return
    line = nodes.paragraph("", head(path, root), classes=["llmbook-head"])
    first.parent.insert(first.parent.index(first) + 1, line)


def _look(app: Sphinx, config: Config) -> None:
    """All pages are read again when the record of seeds has changed."""
    config.llmbook_seeds = json.dumps(seeds.records(Path(app.confdir)), sort_keys=True)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_config_value("llmbook_seeds", "", "env")
    app.connect("config-inited", _look)
    app.connect("doctree-read", _insert)
