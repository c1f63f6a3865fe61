"""Mathematics typeset when the site is built, by KaTeX: a reader loads no script for it.

Each formula becomes HTML for the eye and MathML for screen readers. KaTeX runs in one Node process that answers line by
line; a formula that it cannot read is a warning, and so fails the build. Pages with formulas load KaTeX's style sheet
and those of its fonts that they use, cut down to the characters that stand in the book.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from llmbook.build import fonts, npm

SCRIPT = npm.HERE / "typeset.js"
CSS = "katex/katex.css"
CLASSES = "math notranslate nohighlight"
_SOURCES = re.compile(r"src:url\((fonts/[\w-]+)\.woff2\)[^}]*")
_SPACES = re.compile(r"\s+")
log = logging.getLogger(__name__)


class MathError(ValueError):
    """A formula that KaTeX cannot read; the message is KaTeX's."""


@lru_cache(maxsize=1)
def _node() -> Callable[[str], str]:
    """A function that asks a running Node, which ends with this process."""
    command = [str(npm.node()), str(SCRIPT), str(npm.install() / "katex")]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    atexit.register(child.kill)

    def ask(line: str) -> str:
        assert child.stdin and child.stdout
        child.stdin.write(line + "\n")
        child.stdin.flush()
        return child.stdout.readline()

    return ask


@lru_cache(maxsize=10_000)
def typeset(tex: str, display: bool = False) -> str:
    """HTML and MathML of a formula.

    Raises:
        MathError: KaTeX cannot read the formula.
        NpmError: Node or KaTeX cannot be had.

    >>> typeset("a^2")[:20], "<math" in typeset("a^2")
    ('<span class="katex">', True)
    """
    answer = _node()(json.dumps({"tex": tex, "display": display}))
    if not answer:
        _node.cache_clear()
        raise npm.NpmError(f"Node ended while it typeset {tex!r}; build again")
    found = json.loads(answer)
    if "error" in found:
        raise MathError(found["error"])
    return _SPACES.sub(" ", found["html"])


def aligned(text: str) -> str:
    """A displayed block as one formula: paragraphs and lines stand below each other, ``&`` aligns them.

    >>> aligned("a = b"), aligned("a &= b \\\\\\\\ c &= d")
    ('a = b', '\\\\begin{aligned}a &= b \\\\\\\\ c &= d\\\\end{aligned}')
    """
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    whole = r" \\ ".join(parts)
    return rf"\begin{{aligned}}{whole}\end{{aligned}}" if r"\\" in whole else whole


def _checked(node: nodes.Element, tex: str, display: bool) -> str:
    try:
        return typeset(tex, display)
    except MathError as error:
        log.warning("a formula that KaTeX cannot read: %s", error, location=node, type="math")
        return f"<code>{escape(tex)}</code>"


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(f'<span class="{CLASSES}">{_checked(node, node.astext(), False)}</span>')
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS=CLASSES))
    tex = node.astext() if node.get("nowrap") else aligned(node.astext())
    translator.body.append(_checked(node, tex, True))
    if node.get("number") and not node.get("nowrap"):  # an environment of amsmath has its own numbers
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def _load(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if 'class="katex' in context.get("body", ""):
        app.add_css_file(CSS)


class _Glyphs(HTMLParser):
    """Collects the characters that stand in formulas, as they are drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._depth = 0  # of spans, from the one that holds what is drawn

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "span" and (self._depth or ("class", "katex-html") in attrs):
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "span" and self._depth > 0

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.found.update(data)


def glyphs(page: str) -> set[str]:
    """The characters that the formulas of a page are drawn with.

    >>> sorted(glyphs("text " + typeset("a^2 + b")) - {"\u200b"})
    ['+', '2', 'a', 'b']
    """
    reader = _Glyphs()
    if "katex-html" in page:
        reader.feed(page)
    return reader.found


def copy_katex(static: Path, used: set[str]) -> None:
    """Put KaTeX's style sheet and fonts into the site; of the fonts, just the characters ``used``."""
    source, target = npm.install() / "katex" / "dist", static / "katex"
    shutil.rmtree(target, ignore_errors=True)
    (target / "fonts").mkdir(parents=True)
    css = (source / "katex.min.css").read_text(encoding="utf-8")
    css = _SOURCES.sub(r'src:url(\1.woff) format("woff")', css)
    (static / CSS).write_text(css, encoding="utf-8")
    for font in source.glob("fonts/*.ttf"):
        (target / "fonts" / f"{font.stem}.woff").write_bytes(fonts.subset(font, map(ord, used)))


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_html_math_renderer("katex", (_inline, None), (_block, None))
    app.connect("html-page-context", _load)
