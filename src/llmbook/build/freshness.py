"""Is a page's stored output still what its code would produce?

A page depends on its code cells (its parameters are one of them), on the definitions of ``src/llmbook`` that these
reach and on the data files that those name (see `llmbook.core.run.closure` for both), and on the files that its
metadata declares under ``llmbook.inputs``. Of definitions whose source code the page shows, the text counts as well.
The hash of each part is stored when the page is executed. Where one differs, or an output was changed by hand, the page
is stale. Caches that look at the cells alone show the old result after a helper has changed (MyST-NB issue 299).

Makers of artefacts are definitions like others, and records are data files, so that a page is stale when either
changes. Left out on purpose: prose, comments and documentation, the ``launch`` cell (it only prepares Colab and
Binder), installed packages (``other_versions`` tells them apart).
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from llmbook.build import pages, setup
from llmbook.core.run.closure import Closure, file_digest, of_code

PACKAGE = "llmbook"
CELLS = "code cells"


def digest(data: bytes | str | object) -> str:
    if not isinstance(data, bytes | str):
        data = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


# ---------------------------------------------------------------- what does a page depend on?


def plain_python(cell_source: str) -> str:
    """A code cell without what only IPython understands (``%magic``, ``!shell``, ``?help``).

    >>> plain_python("%matplotlib inline\\nimport llmbook")
    'pass\\nimport llmbook'
    """
    source = re.sub(r"\A\s*%%.*", "", cell_source)
    timed = r"^([ \t]*)%(?:timeit|time|prun)(?:[ \t]+-\w+(?:[ \t]+\d+)?)*[ \t]+"  # what follows is Python
    source = re.sub(timed, r"\1", source, flags=re.MULTILINE)
    return re.sub(r"^([ \t]*)(?:[%!?].*|[\w.]+\?\??[ \t]*)$", r"\1pass", source, flags=re.MULTILINE)


def dependencies(notebook: NotebookNode, root: Path) -> Closure:
    """What the notebook's code cells reach in ``root/src/llmbook``, the launch cell excepted.

    Raises:
        ValueError: a cell is not Python.
    """
    code = "\n".join(_python(cell, notebook) for cell in _hashed_cells(notebook))
    return of_code(code + _shown_by_helper(code), root / "src" / PACKAGE)


def _shown_by_helper(code: str) -> str:
    """What `llmbook.core.show.source` shows, in the words that the closure knows: ``source(f, g)`` as getsource calls.

    >>> _shown_by_helper("source(attention.attend, shorten)")
    '\\ngetsource(attention.attend)\\ngetsource(shorten)'
    """
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    shown = [
        argument
        for call in calls
        if ast.unparse(call.func).split(".")[-1] == "source"
        for argument in call.args
    ]
    return "".join(f"\ngetsource({ast.unparse(argument)})" for argument in shown)


def _python(cell: NotebookNode, notebook: NotebookNode) -> str:
    for source in (cell.source, plain_python(cell.source)):
        try:
            ast.parse(source)
        except SyntaxError as found:
            error = found
        else:
            return source
    raise ValueError(f"cell {notebook.cells.index(cell) + 1} is not Python: {error}")


def _hashed_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in pages.code_cells(notebook) if "launch" not in pages.tags(cell)]


def needs(root: Path) -> dict[Path, set[Path]]:
    """Page -> the pages that have to run before it: those it shows the record of, and those whose room it uses."""
    found = {path: pages.read(path) for path in pages.book_pages(root) if _is_whole(path)}
    return {path: set(_needed(notebook, path, root, found)) for path, notebook in found.items()}


def _needed(
    notebook: NotebookNode, path: Path, root: Path, there: dict[Path, NotebookNode]
) -> Iterator[Path]:
    try:
        units = dependencies(notebook, root).units
        yield from (other for other in inputs(notebook, path, root) if other in there)
    except ValueError:  # which makes it stale, and says why
        return
    rooms = {".".join(name.partition(":")[0].split(".")[:2]) for name in units}
    yield from (other for other in there if other != path and f"{PACKAGE}.{other.stem}" in rooms)


def _is_whole(path: Path) -> bool:
    try:
        pages.read(path)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- hashes


def _file_digest(path: Path) -> str:
    """A notebook counts by its record of execution, so that prose does not matter; a file by its bytes."""
    if path.suffix == ".ipynb":
        return digest(pages.record(pages.read(path)))
    return file_digest(path)


def inputs(notebook: NotebookNode, path: Path, root: Path) -> list[Path]:
    """Files that ``llmbook.inputs`` in the notebook's metadata declares, itself excepted.

    Raises:
        ValueError: a pattern matches no file.
    """
    found: set[Path] = set()
    for pattern in pages.record(notebook).get("inputs", []):
        matches = [match for match in root.glob(pattern) if match.is_file()]
        if not matches:
            raise ValueError(f"llmbook.inputs names {pattern!r}, which matches no file below {root}")
        found.update(matches)
    return sorted(found - {path})


def _without_trailing(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.splitlines())


def page_parts(path: Path, root: Path, notebook: NotebookNode | None = None) -> dict[str, str]:
    """Everything the page's outputs depend on, each with the first 16 digits of its SHA-256.

    A module is one part: of it only the definitions that the page reaches count.
    """
    return facts(path, root, notebook)["parts"]


def facts(path: Path, root: Path, notebook: NotebookNode | None = None) -> dict[str, Any]:
    """``parts`` (see `page_parts`), ``hash`` over them, and ``units``, which tell the definitions of a module apart."""
    path, root = Path(path).resolve(), Path(root).resolve()
    notebook = pages.read(path) if notebook is None else notebook
    found, parts = dependencies(notebook, root), {}
    parts[CELLS] = digest([_without_trailing(cell.source) for cell in _hashed_cells(notebook)])
    modules = _by_module(found)
    parts |= {name: digest(units) for name, units in sorted(modules.items())}
    parts |= {f"the text of {name}": text for name, text in sorted(found.shown.items())}
    parts |= {f"src/{name}": file_digest(file) for name, file in sorted(found.files.items())}
    parts |= {file.relative_to(root).as_posix(): _file_digest(file) for file in inputs(notebook, path, root)}
    short = {name: value[:16] for name, value in parts.items()}
    return {"parts": short, "hash": digest(short), "units": {name: _marks(u) for name, u in modules.items()}}


def _by_module(found: Closure) -> dict[str, dict[str, str]]:
    """Module -> definition -> digest of its code."""
    modules: dict[str, dict[str, str]] = {}
    for name, unit in sorted(found.units.items()):
        module = name.partition(":")[0]
        if module.startswith(PACKAGE):  # the cells themselves count as text
            modules.setdefault(module, {})[name] = unit.code
    return modules


def _marks(units: dict[str, str]) -> str:
    """Eight hex digits a definition, four for its name and four for its code: enough to say which has changed."""
    return "".join(digest(name)[:4] + code[:4] for name, code in sorted(units.items()))


def outputs_hash(notebook: NotebookNode) -> str:
    """SHA-256 over the stored outputs and their order, to notice one that was altered or emptied by hand."""
    cells = pages.code_cells(notebook)
    return digest([[cell.get("execution_count"), cell.get("outputs", [])] for cell in cells])


# ---------------------------------------------------------------- verdict


@dataclass(frozen=True)
class Freshness:
    """Why a page is stale; no reasons means that it is fresh."""

    page: str
    reasons: tuple[str, ...]

    @property
    def stale(self) -> bool:
        return bool(self.reasons)


def freshness(path: Path, root: Path) -> Freshness:
    """Compare a page with the record of its last execution."""
    try:
        return Freshness(path.stem, tuple(_reasons(path, root)))
    except ValueError as error:
        return Freshness(path.stem, (str(error),))


def _reasons(path: Path, root: Path) -> Iterator[str]:
    notebook = pages.read(path)
    stored = pages.record(notebook)
    if "hash" not in stored or any(cell.execution_count is None for cell in pages.code_cells(notebook)):
        yield "never executed"
        return
    if stored.get("outputs", outputs_hash(notebook)) != outputs_hash(notebook):
        yield "its stored outputs are not those of its last execution"
    now = facts(path, root, notebook)
    if now["hash"] != stored["hash"]:
        yield from _changes(stored, now, dependencies(notebook, root))


def _changes(stored: dict[str, Any], now: dict[str, Any], found: Closure) -> list[str]:
    old, new = stored.get("parts", {}), now["parts"]
    modules, marks = _by_module(found), stored.get("units", {})
    changed = [
        line
        for part in new
        if part in old and old[part] != new[part]
        for line in (_definitions(modules.get(part, {}), marks.get(part, "")) or [f"{part} changed"])
    ]
    added = [f"{part} added" for part in new if part not in old]
    gone = [f"{part} no longer used" for part in old if part not in new]
    return changed + added + gone or ["the recorded hash does not fit"]


def _definitions(units: dict[str, str], marks: str) -> list[str]:
    """Which definitions of a module differ from those of the last execution, as far as their marks tell."""
    old = {marks[i : i + 4]: marks[i + 4 : i + 8] for i in range(0, len(marks), 8)}
    now = {name: (digest(name)[:4], code[:4]) for name, code in units.items()} if old else {}
    changed = [f"{name} changed" for name, (mark, code) in now.items() if old.get(mark, code) != code]
    return changed + [f"{name} added" for name, (mark, _) in now.items() if mark not in old]


def stale_pages(root: Path) -> list[Freshness]:
    """The stale pages of the book, in reading order, with the reasons."""
    return [found for path in pages.book_pages(root) if (found := freshness(path, root)).stale]


# ---------------------------------------------------------------- versions, which make no page stale


def other_versions(root: Path) -> list[str]:
    """One line for each page that ran with other versions than those of ``requirements.lock``."""
    lock = root / "requirements.lock"
    if not lock.is_file():
        return []
    pinned = {
        name: version for name, (version, _) in setup.read_lock(lock.read_text(encoding="utf-8")).items()
    }
    found = []
    for path in filter(_is_whole, pages.book_pages(root)):
        ran = pages.record(pages.read(path)).get("versions", {})
        public = {
            name: str(version).partition("+")[0] for name, version in ran.items()
        }  # 2.13.0+cpu is 2.13.0
        other = [name for name in public if name in pinned and public[name] != pinned[name]]
        told = [f"{name} {public[name]}, the lock has {pinned[name]}" for name in other]
        found += [f"{path.stem} ran with {'; '.join(told)}"] if told else []
    return found
