"""Is a page's stored output still what its code would produce?

A page depends on its code cells (its parameters are one of them), on every module of ``src/llmbook`` that
those cells import, directly or through other modules, on the package's data files that these name, and on the
files that its metadata declares under ``llmbook.inputs``. The hash of each part is stored when the page is
executed. Where one differs, or an output was changed by hand, the page is stale. Caches that look at the
cells alone show the old result after a helper has changed (MyST-NB issue 299).

Left out on purpose: prose, the ``launch`` cell (it only prepares Colab and Binder), installed packages (the
lock pins those). Modules count byte for byte, comments included, because pages show source code.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from llmbook.build import pages

PACKAGE = "llmbook"


def digest(data: bytes | str | object) -> str:
    if not isinstance(data, bytes | str):
        data = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


# ---------------------------------------------------------------- which modules does a piece of code import?


def plain_python(cell_source: str) -> str:
    """A code cell without what only IPython understands (``%magic``, ``!shell``, ``?help``).

    >>> plain_python("%matplotlib inline\\nimport llmbook")
    'pass\\nimport llmbook'
    """
    source = re.sub(r"\A\s*%%.*", "", cell_source)
    return re.sub(r"^([ \t]*)(?:[%!?].*|[\w.]+\?\??[ \t]*)$", r"\1pass", source, flags=re.MULTILINE)


def module_path(name: str, root: Path) -> Path | None:
    """The file of local module ``name`` below ``root/src``; None when it is not a local module."""
    if name != PACKAGE and not name.startswith(PACKAGE + "."):
        return None
    base = root / "src" / Path(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def imported(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Dotted names that ``tree`` may import; ``package`` is what its relative imports start from.

    >>> sorted(imported(ast.parse("from llmbook.core import data"), ""))
    ['llmbook.core', 'llmbook.core.data']
    >>> sorted(imported(ast.parse("from . import data"), "llmbook.core"))
    ['llmbook.core', 'llmbook.core.data']
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
            constants = (arg.value for arg in node.args if isinstance(arg, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _local(names: Iterable[str], root: Path) -> set[str]:
    """Those of ``names`` that are local modules, with the packages they lie in (importing runs these too)."""
    found: set[str] = set()
    for name in names:
        if module_path(name, root):
            parts = name.split(".")
            found.update(".".join(parts[: end + 1]) for end in range(len(parts)))
    return found


@lru_cache(maxsize=1024)
def _module_imports(name: str, path: Path, root: Path, stamp: tuple[int, int]) -> frozenset[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return frozenset(_local(imported(ast.parse(path.read_bytes(), str(path)), package), root))


def direct_imports(name: str, root: Path) -> frozenset[str]:
    """Local modules that module ``name`` itself imports, with the packages they lie in."""
    path = module_path(name, root)
    if path is None:
        raise ValueError(f"{name} is not a module below {root / 'src'}")
    stat = path.stat()
    return _module_imports(name, path, root, (stat.st_mtime_ns, stat.st_size))


def closure(names: Iterable[str], root: Path) -> set[str]:
    """Local modules among ``names`` and all that they import, directly or not."""
    waiting, seen = list(_local(names, root)), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(direct_imports(name, root))
    return seen


def _parsed(source: str) -> ast.AST:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(plain_python(source))


def page_modules(notebook: NotebookNode, root: Path) -> set[str]:
    """Local modules that the notebook's code cells depend on, the launch cell excepted.

    Raises:
        ValueError: a cell is not Python.
    """
    names: list[str] = []
    for cell in _hashed_cells(notebook):
        try:
            names.extend(imported(_parsed(cell.source)))
        except SyntaxError as error:
            raise ValueError(f"cell {notebook.cells.index(cell) + 1} is not Python: {error}") from error
    return closure(names, root)


def _module_bytes(name: str, root: Path) -> bytes:
    path = module_path(name, root)
    if path is None:
        raise ValueError(f"{name} is not a module below {root / 'src'}")
    return path.read_bytes().replace(b"\r\n", b"\n")


def data_files(modules: Iterable[str], root: Path) -> list[Path]:
    """The package's data files that one of ``modules`` names in a string, as in ``"data/timeline.toml"``."""
    folder = root / "src" / PACKAGE
    files = [
        path
        for path in folder.rglob("*.*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".typed")
    ]
    if not files:
        return []
    trees = [ast.parse(_module_bytes(name, root)) for name in modules]
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    strings = "\n".join(node.value for node in nodes if isinstance(node.value, str))
    return sorted(path for path in files if path.name in strings)


# ---------------------------------------------------------------- hashes


def _hashed_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in pages.code_cells(notebook) if "launch" not in pages.tags(cell)]


def _file_digest(path: Path) -> str:
    """A notebook counts by its record of execution, so that prose does not matter; a file by its bytes."""
    if path.suffix == ".ipynb":
        return digest(pages.record(pages.read(path)))
    return digest(path.read_bytes().replace(b"\r\n", b"\n"))


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


def reads_pages(notebook: NotebookNode) -> bool:
    """Whether the notebook's inputs are other pages, so that it has to run after them."""
    return any(pattern.endswith(".ipynb") for pattern in pages.record(notebook).get("inputs", []))


def _without_trailing(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.splitlines())


def page_parts(path: Path, root: Path, notebook: NotebookNode | None = None) -> dict[str, str]:
    """Everything the page's outputs depend on, each with the first 16 digits of its SHA-256."""
    path, root = Path(path).resolve(), Path(root).resolve()
    notebook = pages.read(path) if notebook is None else notebook
    parts = {"code cells": digest([_without_trailing(cell.source) for cell in _hashed_cells(notebook)])}
    modules = sorted(page_modules(notebook, root))
    for name in modules:
        parts[name] = digest(_module_bytes(name, root))
    for file in [*data_files(modules, root), *inputs(notebook, path, root)]:
        parts[file.relative_to(root).as_posix()] = _file_digest(file)
    return {name: digest[:16] for name, digest in parts.items()}


def page_hash(path: Path, root: Path, notebook: NotebookNode | None = None) -> str:
    """SHA-256 over the page's code cells, parameters, imported local modules and declared inputs."""
    return digest(page_parts(path, root, notebook))


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
    parts = page_parts(path, root, notebook)
    if digest(parts) != stored["hash"]:
        yield from _changes(stored.get("parts", {}), parts)


def _changes(old: dict[str, Any], new: dict[str, str]) -> list[str]:
    changed = [f"{name} changed" for name in new if name in old and old[name] != new[name]]
    added = [f"{name} added" for name in new if name not in old]
    gone = [f"{name} no longer used" for name in old if name not in new]
    return changed + added + gone or ["the recorded hash does not fit"]


def stale_pages(root: Path) -> list[Freshness]:
    """The stale pages of the book, in reading order, with the reasons."""
    return [found for path in pages.book_pages(root) if (found := freshness(path, root)).stale]
