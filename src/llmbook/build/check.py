"""Is every page as a page must be stored? Found by reading alone, nothing is executed.

It covers what nbval lets pass: a page stored without outputs, an emptied or altered output, pictures, a
``raises-exception`` cell that does not raise. Each check returns a list of problems; an empty list is good.
Left out: what only the rendered site shows, such as a request to another host (tests/site), and what only a run
shows (nbval).
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode

from llmbook.build import artefacts, freshness, pages

MAX_BYTES = 1_000_000  # GitHub shows no notebook that is much larger
MIN_COMPARED = 0.8  # of the cells with outputs, by nbval: the others may say anything
MAX_CODE_WIDTH = 88  # characters of code that fit into the column of a laptop's window
MAX_FOLDED_WIDTH = (
    120  # in cells that the site folds: sentences of questions and claims are not broken to fit
)
FOLDED = {"hide-input", "remove-input"}
IMAGES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
HOME = re.compile(r"(?<![\w.])(/home/|/Users/|/root/|[A-Z]:\\+Users\\)\w+")


@dataclass(frozen=True)
class Problem:
    """What is wrong, on which page, in which cell (from 1, over all cells; None: the page as a whole)."""

    page: str
    cell: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.page}{'' if self.cell is None else f', cell {self.cell}'}: {self.message}"


def check_book(root: Path) -> list[Problem]:
    """Every check of every page, of ``_toc.yml``, ``book/chapters.yml`` and ``book/systems.yml``."""
    found = check_toc(root)
    for path in pages.book_pages(root):
        found += check_page(path, root)
    found += [Problem(page, None, message) for page, message in artefacts.old_records(root)]
    return found + check_compared(root) + check_chapters(root) + check_systems(root)


def check_page(path: Path, root: Path) -> list[Problem]:
    """Freshness and everything that can be seen in the stored notebook."""
    name = path.stem
    try:
        notebook = pages.read(path)
    except ValueError as error:
        return [Problem(name, None, str(error))]
    found = [Problem(name, None, f"stale: {reason}") for reason in freshness.freshness(path, root).reasons]
    if path.stat().st_size > MAX_BYTES:
        found.append(Problem(name, None, f"{path.stat().st_size:,} bytes, {MAX_BYTES:,} are allowed"))
    found += [Problem(name, None, message) for message in _shape(notebook)]
    code = 0
    for number, cell in enumerate(notebook.cells, 1):
        code += cell.cell_type == "code"
        messages = _code_cell(cell, code) if cell.cell_type == "code" else _markdown_cell(cell)
        found += [Problem(name, number, message) for message in messages]
    return found


# ---------------------------------------------------------------- the page as a whole


def _shape(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernelspec is not python3"
    code = pages.code_cells(notebook)
    for place, tag in enumerate(("launch", "parameters")):
        if len(code) <= place or tag not in pages.tags(code[place]):
            yield f"code cell {place + 1} is not tagged {tag!r}"
    for identifier, times in Counter(cell.get("id") for cell in notebook.cells).items():
        if identifier is None:
            yield "it has cells without an id: save it in notebook format 4.5"
        elif times > 1:
            yield f"{times} cells have the id {identifier!r}"
    if any("injected-parameters" in pages.tags(cell) for cell in code):
        yield "it has a cell of injected parameters: publish the page executed without -p"


# ---------------------------------------------------------------- cells


def _code_cell(cell: NotebookNode, place: int) -> Iterator[str]:
    if not cell.source.strip():
        yield "an empty code cell: remove it"
    if cell.execution_count != place:
        yield f"execution count {cell.execution_count}, expected {place}: the page was not run once, in order"
    longest = max(map(len, cell.source.splitlines()), default=0)
    most = MAX_FOLDED_WIDTH if FOLDED & set(pages.tags(cell)) else MAX_CODE_WIDTH
    if longest > most and "launch" not in pages.tags(cell):  # which the site does not show
        yield f"a line of {longest} characters; {most} fit into the column"
    if "papermill" in cell.metadata:
        yield "papermill's metadata was left in it"
    yield from _errors(cell)
    if any(mime in output.get("data", {}) for output in cell.outputs for mime in IMAGES):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if not str(alt).strip():
            yield "a figure without alt text: set mystnb.image.alt in the cell's metadata"
    for output in cell.outputs:
        yield from _output(output)


def _errors(cell: NotebookNode) -> Iterator[str]:
    raised = [output.ename for output in cell.outputs if output.output_type == "error"]
    expected = "raises-exception" in pages.tags(cell)
    if raised and not expected:
        yield f"it stores an error: {raised[0]}"
    if expected and not raised:
        yield "tagged raises-exception, but it raised nothing"
    if any(output.output_type == "stream" and output.name == "stderr" for output in cell.outputs):
        yield "it stores stderr"


def _output(output: NotebookNode) -> Iterator[str]:
    data = output.get("data", {})
    for mime in data:
        if "widget" in mime:
            yield "a widget, which loads its scripts from another host: use plain output"
    texts = [output.get("text", ""), *(value for value in data.values() if isinstance(value, str))]
    if any(HOME.search(text) for text in texts):
        yield "its output names a folder of the machine that ran it"


def _markdown_cell(cell: NotebookNode) -> Iterator[str]:
    if cell.cell_type != "markdown":
        return
    for token in _inline_tokens(cell.source):
        if token.type == "image" and not token.content.strip():
            yield f"an image without alt text: {token.attrs.get('src', '')[:60]}"


def compared(notebook: NotebookNode) -> tuple[int, int]:
    """How many of the code cells with outputs nbval compares, and how many there are."""
    cells = [cell for cell in pages.code_cells(notebook) if cell.outputs]
    left_out = {"nbval-ignore-output", "nbval-skip"}
    return sum(not left_out & set(pages.tags(cell)) for cell in cells), len(cells)


def check_compared(root: Path) -> list[Problem]:
    """Nbval compares most of the cells that have outputs."""
    counts = []
    for path in pages.book_pages(root):
        with suppress(ValueError):  # a page that cannot be read is a problem of its own
            counts.append(compared(pages.read(path)))
    some, every = sum(some for some, _ in counts), sum(every for _, every in counts)
    if some >= MIN_COMPARED * every:
        return []
    return [Problem(pages.BOOK, None, f"nbval compares {some} of {every} cells with outputs, too few")]


# ---------------------------------------------------------------- contents and systems


def check_toc(root: Path) -> list[Problem]:
    """Each entry of ``_toc.yml`` is a file, each notebook of ``book/`` has an entry, once."""
    entries = [re.sub(r"\.(ipynb|md|rst)$", "", name) for name in pages.toc_files(root)]
    times = Counter(entries)
    found = [Problem(pages.TOC, None, f"{name} is listed {n} times") for name, n in times.items() if n > 1]
    for name in entries:
        if not any((root / f"{name}{suffix}").is_file() for suffix in (".ipynb", ".md", ".rst")):
            found.append(Problem(pages.TOC, None, f"{name} does not exist"))
    for path in pages.book_pages(root):
        if f"{pages.BOOK}/{path.stem}" not in entries:
            found.append(Problem(path.stem, None, f"it is not listed in {pages.TOC}"))
    return found


def check_chapters(root: Path) -> list[Problem]:
    """``_toc.yml`` has the pages of ``book/chapters.yml`` that are there, all of them, in the same order."""
    from llmbook.index import chapters

    path = root / pages.BOOK / chapters.FILE
    if not path.is_file():
        return []
    try:
        planned = [page for chapter in chapters.load(path) for page in chapter.pages]
    except ValueError as error:
        return [Problem(chapters.FILE, None, str(error))]
    there = [Path(name).with_suffix("").name for name in pages.toc_files(root)]
    there = there[1:] if there[:1] == ["index"] else there  # the cover is in front of all chapters
    found = [
        Problem(page, None, f"it is in no chapter of {chapters.FILE}")
        for page in there
        if page not in planned
    ]
    wanted = [page for page in planned if page in there]
    if not found and there != wanted:
        found.append(Problem(pages.TOC, None, f"by {chapters.FILE} the order is {', '.join(wanted)}"))
    return found


def check_systems(root: Path) -> list[Problem]:
    """Each entry of ``book/systems.yml`` is complete, unique, and names an anchor and a test that exist."""
    from llmbook import systems

    path = root / pages.BOOK / "systems.yml"
    if not path.is_file():
        return []
    try:
        entries = systems.load(path)
    except ValueError as error:
        return [Problem("systems.yml", None, str(error))]
    found = []
    for entry in entries:
        messages = [_missing_anchor(entry.page, root), _missing_test(entry.test, root)]
        found += [Problem("systems.yml", None, f"{entry.id}: {text}") for text in messages if text]
    return found


def _missing_anchor(target: str, root: Path) -> str:
    page, _, anchor = target.partition("#")
    path = root / pages.BOOK / f"{page}.ipynb"
    if not path.is_file():
        return f"page {page!r} does not exist"
    times = anchors(pages.read(path))[anchor]
    if times == 1:
        return ""
    return f"{page} has {times or 'no'} headings with the anchor #{anchor}"


def _missing_test(node: str, root: Path) -> str:
    file, *names = node.split("[")[0].split("::")
    if not (root / file).is_file():
        return f"test file {file} does not exist"
    body: Iterable[ast.stmt] = ast.parse((root / file).read_bytes()).body
    for name in names:
        found = [item for item in body if getattr(item, "name", None) == name]
        if not found:
            return f"{file} defines no {'::'.join(names)}"
        body = getattr(found[-1], "body", [])
    return "" if names and names[-1].startswith("test") else f"{node} is not a pytest node id"


def anchors(notebook: NotebookNode) -> Counter[str]:
    """Anchors of the rendered page: headings as Sphinx makes them, ``(label)=`` targets, ids in raw HTML.

    >>> import nbformat
    >>> cell = nbformat.v4.new_markdown_cell("## 3.1 Self-attention in *five* steps\\n(here)=")
    >>> sorted(anchors(nbformat.v4.new_notebook(cells=[cell])))
    ['here', 'self-attention-in-five-steps']
    """
    from docutils.nodes import make_id

    found: Counter[str] = Counter()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            found.update(make_id(title) for title in headings(cell.source))
            found.update(make_id(label) for label in re.findall(r"^\(([^)\n]+)\)=\s*$", prose, re.MULTILINE))
            found.pop("", None)  # a heading without Latin letters gets a number that others may shift
            found.update(re.findall(r"<[a-zA-Z][^>]*\sid=[\"']([^\"']+)", prose))
    return found


def headings(source: str) -> list[str]:
    """Texts of the Markdown headings in ``source``, without markup."""
    tokens = _markdown(source)
    titles = [tokens[i + 1].children or [] for i, token in enumerate(tokens) if token.type == "heading_open"]
    return ["".join(" " if part.type == "softbreak" else part.content for part in title) for title in titles]


def _inline_tokens(source: str) -> Iterator:  # type: ignore[type-arg]
    for token in _markdown(source):
        yield from token.children or []


@lru_cache(maxsize=512)
def _markdown(source: str) -> list:  # type: ignore[type-arg]
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    return MarkdownIt("commonmark").use(dollarmath_plugin).parse(source)
