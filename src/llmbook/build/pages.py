"""Where the book's pages are and what a page is made of: paths, order, cells, metadata.

The order of the pages lives only in ``_toc.yml``; everything that lists pages asks this module.
It deliberately knows nothing about running, checking or rendering them.
"""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

BOOK = "book"
TOC = "_toc.yml"


def is_root(folder: Path) -> bool:
    """Whether ``folder`` is the root of a book: it holds ``book/`` and ``_toc.yml`` or ``src/llmbook``."""
    return (folder / BOOK).is_dir() and ((folder / TOC).is_file() or (folder / "src" / "llmbook").is_dir())


def find_root(start: Path | str | None = None) -> Path:
    """The root of the book: the nearest folder above ``start`` (or the working folder), else this checkout.

    Raises:
        ValueError: no book above ``start``, and the package was not installed from a checkout.
    """
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if is_root(folder):
            return folder
    checkout = Path(__file__).resolve().parents[3]
    if start is None and is_root(checkout):
        return checkout
    raise ValueError(f"no book in {here} or above it: run this inside a clone of the book, or pass --root")


def toc_files(root: Path) -> list[str]:
    """Documents that ``_toc.yml`` names, in reading order, as written there: ``["book/overview", ...]``."""
    path = root / TOC
    if not path.is_file():
        return []
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(str(node[key]) for key in ("root", "file") if key in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def book_pages(root: Path) -> list[Path]:
    """Every notebook of the book, in the order of ``_toc.yml``; notebooks it forgets come last, by name."""
    order = {Path(name).with_suffix("").name: place for place, name in enumerate(toc_files(root))}
    found = (root / BOOK).glob("*.ipynb")
    return sorted(found, key=lambda path: (order.get(path.stem, len(order)), path.stem))


def page_path(root: Path, name: str) -> Path:
    """The notebook called ``name``: ``history``, ``history.ipynb`` or ``book/history.ipynb``.

    Raises:
        ValueError: there is no such page; the message lists those there are.
    """
    path = root / BOOK / f"{Path(name).name.removesuffix('.ipynb')}.ipynb"
    if not path.is_file():
        known = ", ".join(page.stem for page in book_pages(root)) or "none"
        raise ValueError(f"no page {name!r}: expected one of: {known}")
    return path


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``, in format 4.

    Raises:
        ValueError: it is not a whole notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except (json.JSONDecodeError, nbformat.reader.NotJSONError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole notebook ({error}); restore it from git") from error


def write(notebook: NotebookNode, path: Path, via: Path) -> None:
    """Write ``notebook`` to ``path`` so that a kill leaves the old file or the new one, never a piece.

    ``via`` is a temporary file in a folder of the same file system.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, max(5, notebook.get("nbformat_minor", 5))
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    with open(via, "w", encoding="utf-8", newline="\n") as file:
        file.write(text.rstrip("\n") + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(via, path)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def record(notebook: NotebookNode) -> dict[str, Any]:
    """What the last execution left in the notebook's metadata under ``llmbook`` (empty when never run)."""
    return dict(notebook.metadata.get("llmbook", {}))


def parameters(notebook: NotebookNode) -> dict[str, Any]:
    """Literal values that the cells tagged ``parameters`` and ``injected-parameters`` assign, in order.

    >>> cell = nbformat.v4.new_code_cell("seed = 0; scale = 'laptop'", metadata={"tags": ["parameters"]})
    >>> parameters(nbformat.v4.new_notebook(cells=[cell]))
    {'seed': 0, 'scale': 'laptop'}
    """
    values: dict[str, Any] = {}
    for cell in code_cells(notebook):
        if {"parameters", "injected-parameters"} & set(tags(cell)):
            for node in ast.parse(cell.source).body:
                values.update(_literal_assignment(node))
    return values


def _literal_assignment(node: ast.stmt) -> dict[str, Any]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    try:
        return dict.fromkeys(names, ast.literal_eval(node.value)) if names else {}  # type: ignore[attr-defined]
    except (ValueError, TypeError, AttributeError):
        return {}
