"""What becomes of a notebook's cells in the site: folds with words, results before their code, checks as ticks.

A cell tagged ``hide-input`` folds under one quiet line that says what is inside: its other tags choose the words.
A figure comes before the code that draws it, and a check before the code that made it. Lines of printed text that begin
with a tick become a list of checks. In Jupyter and on GitHub the notebook is as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

WORDS = {"parameters": "Parameters", "check": "How this was checked", "drawing": "Code of this figure"}
BELOW = {"check", "drawing"}  # their code comes after what it made
MARK = "✓ "
PHONE = 64  # columns of printed text that can be read on a screen of 390 pixels


class Fold(nodes.Element):
    """What is folded, under the line ``words``."""


class Cells(SphinxPostTransform):
    """Runs before MyST-NB's own folding (priority 199), which then finds nothing left to fold."""

    default_priority = 198
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for cell in list(self.document.findall(_is_cell)):
            tags = cell["cell_metadata"].get("tags", [])
            if cell.get("hide_mode") == "input":
                _fold(cell, tags)
            for printed in list(cell.findall(_is_printed)):
                printed.parent.replace(printed, list(ticked(printed)))


def _is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _is_printed(node: nodes.Node) -> bool:
    return isinstance(node, nodes.literal_block) and "stream" in node["classes"]


def words(tags: list[str]) -> str:
    """The line under which the code of a cell with these tags folds.

    >>> words(["hide-input", "drawing"]), words(["hide-input"])
    ('Code of this figure', 'Code')
    """
    return next((WORDS[tag] for tag in tags if tag in WORDS), "Code")


def _fold(cell: nodes.container, tags: list[str]) -> None:
    del cell["hide_mode"]
    code = next((child for child in cell.children if child.get("nb_element") == "cell_code_source"), None)
    if code is None:
        return
    cell.remove(code)
    fold = Fold("", code, words=words(tags))
    cell.insert(len(cell.children) if BELOW & set(tags) else 0, fold)


def ticked(printed: nodes.literal_block) -> Iterator[nodes.Node]:
    """Printed text, cut where checks begin and end: each run of checks is a list."""
    for text in re.split(rf"((?:^{MARK}.*\n?)+)", printed.astext(), flags=re.MULTILINE):
        if text.startswith(MARK):
            claims = [line.removeprefix(MARK).strip() for line in text.splitlines()]
            items = [nodes.list_item("", nodes.paragraph("", claim)) for claim in claims]
            yield nodes.bullet_list("", *items, classes=["llmbook-checks"])
        elif text.strip():
            part = printed.copy()
            part.rawsource = text.strip("\n")
            part += nodes.Text(text.strip("\n"))
            yield part


def _open_fold(translator: Any, node: Fold) -> None:
    translator.body.append(f'<details class="llmbook-fold"><summary>{escape(node["words"])}</summary>\n')


def _close_fold(translator: Any, node: Fold) -> None:
    translator.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_node(Fold, html=(_open_fold, _close_fold))
    app.add_post_transform(Cells)


# ---------------------------------------------------------------- lines that wrap and stay readable

_PRE = re.compile(
    r'(<div class="(?P<box>[^"]*)">\s*)?<div class="highlight[^"]*"><pre>(?P<code>.*?)</pre>', re.DOTALL
)
_TAG = re.compile(r"<[^>]+>")


def hang(page: str) -> str:
    """Give each line of code and printed text its own box, so that what wraps hangs below where its line began.

    Printed tables say how many columns of text they have: a style sheet can then fit them to a small screen.
    Doing it twice changes nothing.

    >>> hang('<div class="highlight"><pre>if x:\\n    y</pre>')
    '<div class="highlight"><pre><span class="ln">if x:\\n</span><span class="ln" style="--in:4">    y</span></pre>'
    """
    return _PRE.sub(_hung, page)


def _hung(match: re.Match[str]) -> str:
    code = match["code"]
    if 'class="ln"' in code:
        return match[0]
    lines = code.removeprefix("<span></span>").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    ends = ["\n"] * (len(lines) - 1) + [""]
    boxes = "".join(line(code, end) for code, end in zip(lines, ends, strict=True))
    printed = {"stream", "text_plain"} & set((match["box"] or "").split())
    width = columns([_plain(code) for code in lines]) if printed else 0
    head = match[0][: match.start("code") - match.start()]
    if width:
        kind = ' class="wide"' if width > PHONE else ""
        head = head.removesuffix("<pre>") + f'<pre{kind} style="--columns:{width}">'
    return f"{head}{boxes}</pre>"


def line(code: str, end: str = "\n", more: str = "") -> str:
    """A line of highlighted code in a box that knows how far in it begins; ``more`` are other attributes."""
    text = _plain(code)
    depth = len(text) - len(text.lstrip(" ")) if text.strip() else 0
    style = f' style="--in:{depth}"' if depth else ""
    return f'<span class="ln"{more}{style}>{code}{end}</span>'


def _plain(line: str) -> str:
    from html import unescape

    return unescape(_TAG.sub("", line))


def columns(lines: list[str]) -> int:
    """How many characters wide a printed table is; 0 for text that is none.

    A table is two lines or more in which a gap of two spaces or more divides what stands there.

    >>> columns(["name   loss", "gpt    2.1", "lstm   2.25"]), columns(["Once upon a time", "there was  a"])
    (11, 0)
    """
    tabular = [line for line in lines if re.search(r"\S {2,}\S", line)]
    return max(map(len, lines)) if len(tabular) >= 2 else 0
