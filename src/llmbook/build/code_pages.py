"""Links to source files open a highlighted view in the site, with a number to each line, instead of a download.

``[attention.py](../src/llmbook/core/models/attention.py)`` in a notebook leads to the file itself on GitHub and in
Jupyter; in the site it leads to ``code/src/llmbook/core/models/attention.html``, from where the raw file and the
repository are a click away. Line 12 is ``#L12``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from llmbook.build import cells

FOLDER = "code"


def page_of(path: str) -> str:
    """The name of the page that shows a file, both seen from the root.

    >>> page_of("src/llmbook/cli.py")
    'code/src/llmbook/cli'
    """
    return f"{FOLDER}/{path.removesuffix('.py')}"


def lines(code: str) -> str:
    """Python highlighted, each line in a box of its own that can be linked to.

    >>> lines("x = 1\\n").count('class="ln" id="L1"')
    1
    """
    text = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    parts = text.removesuffix("\n").split("\n")
    boxes = (cells.line(part, "\n", f' id="L{number}"') for number, part in enumerate(parts, 1))
    return f'<div class="highlight llmbook-code"><pre>{"".join(boxes)}</pre></div>'


def _linked(doctree: nodes.document, docname: str) -> Iterator[tuple[addnodes.download_reference, str]]:
    """The links of a page to source files, and these seen from the root."""
    for node in list(doctree.findall(addnodes.download_reference)):
        target = node.get("reftarget", "")
        if target.endswith(".py") and "filename" in node:
            here = target.lstrip("/") if target.startswith("/") else f"{posixpath.dirname(docname)}/{target}"
            yield node, posixpath.normpath(here).lstrip("/")


class CodeLinks(SphinxPostTransform):
    """Points links to source files at their pages."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for node, path in _linked(self.document, self.env.docname):
            address = self.app.builder.get_relative_uri(self.env.docname, page_of(path))
            node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=True))


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that is linked, whether or not the page that links it is built anew."""
    downloads = {
        path: node["filename"]
        for docname in sorted(app.env.found_docs)
        for node, path in _linked(app.env.get_doctree(docname), docname)
    }
    wanted = {Path(app.outdir, f"{page_of(path)}.html") for path in downloads}
    for old in Path(app.outdir, FOLDER).rglob("*.html"):
        if old not in wanted:
            old.unlink()
    for path, raw in sorted(downloads.items()):
        yield page_of(path), {"title": path, "body": _body(app, path, raw)}, "page.html"


def _body(app: Sphinx, path: str, raw: str) -> str:
    up = "../" * page_of(path).count("/")
    options = app.config.html_theme_options
    links = [f'<a href="{up}_downloads/{escape(quote(raw))}">the file itself</a>']
    if url := options.get("repository_url"):
        branch = options.get("repository_branch") or "main"
        links.append(
            f'<a href="{escape(url.rstrip("/"))}/blob/{branch}/{escape(quote(path))}">in the repository</a>'
        )
    code = lines((Path(app.srcdir) / path).read_text(encoding="utf-8"))
    return f"<h1>{escape(path)}</h1>\n<p>{' · '.join(links)}</p>\n{code}"


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_post_transform(CodeLinks)
    app.connect("html-collect-pages", lambda app: list(_pages(app)))
