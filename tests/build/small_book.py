"""A book of three pages under the real configuration, for tests of what the site makes of pages."""

import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
TABLE = "<table class='dataframe'><tr><td>1</td></tr></table>"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def html_cell(html: str, *tags: str) -> nbformat.NotebookNode:
    """A cell that shows HTML."""
    output = new_output("execute_result", {"text/html": html, "text/plain": "shown"}, execution_count=1)
    return new_code_cell("shown", execution_count=1, outputs=[output], metadata={"tags": list(tags)})


def printing(source: str, text: str, *tags: str) -> nbformat.NotebookNode:
    """A cell that prints ``text``."""
    outputs = [new_output("stream", name="stdout", text=text)] if text else []
    return new_code_cell(source, execution_count=1, outputs=outputs, metadata={"tags": list(tags)})


def write_page(
    root: Path, name: str, prose: str, *cells: nbformat.NotebookNode, record: dict | None = None
) -> None:
    """A page of prose, then ``cells`` (a table where none are given); ``record`` is what its execution left."""
    cells = [new_markdown_cell(prose), *(cells or [html_cell(TABLE)])]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    metadata = {**KERNEL, **({"llmbook": record} if record else {})}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), root / "book" / f"{name}.ipynb")


def make(root: Path) -> Path:
    """Three pages under the real configuration."""
    (root / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    toc = "format: jb-book\nroot: book/one\nchapters:\n  - file: book/two\n  - file: book/three\n"
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    write_page(root, "one", "# One\n\nSee [the other](two.ipynb#a-part) and $a^2$.")
    write_page(root, "two", "# Two\n\n## A part\n\nText.")
    write_page(root, "three", "# Three\n\nMore text.")
    return root
