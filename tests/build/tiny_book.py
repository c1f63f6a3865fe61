"""A book small enough to run in a second, for tests of what executes, checks and describes books.

Pages: `alpha` (imports its module, which imports `core.shared`; shows text, HTML and a picture), `beta`
(imports its own module only), `gamma` (shows the record of the others, as the colophon does).
"""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MODULES = {
    "__init__": "",
    "core/__init__": "",
    "core/shared": "def double(x):\n    return 2 * x\n",
    "alpha": "from llmbook.core import shared\n\n\ndef answer():\n    return shared.double(21)\n",
    "beta": "VALUE = 7\n",
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PICTURE = f"""\
import base64
from IPython.display import Image
pixel = ("{PIXEL[:60]}"
         "{PIXEL[60:]}")
Image(base64.b64decode(pixel))"""
READ_OTHERS = """\
import json
from pathlib import Path
for path in sorted(Path().glob("[ab]*.ipynb")):
    metadata = json.loads(path.read_text())["metadata"]
    print(path.stem, metadata.get("llmbook", {}).get("hash"))"""


def code(source: str, *tags: str, **metadata: object) -> nbformat.NotebookNode:
    """A code cell with tags and other metadata."""
    return new_code_cell(source, metadata={"tags": list(tags), **metadata})


def page(title: str, *cells: nbformat.NotebookNode, **record: object) -> nbformat.NotebookNode:
    """A page: title, launch cell, parameters, then `cells`; `record` is its metadata under `llmbook`."""
    first = [new_markdown_cell(f"# {title}\n\nSome prose."), code("import sys", "launch")]
    notebook = new_notebook(cells=[*first, code("seed = 0\nscale = 'laptop'", "parameters"), *cells])
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if record:
        notebook.metadata.llmbook = record
    return notebook


def pages() -> dict[str, nbformat.NotebookNode]:
    """The three pages, not executed."""
    alpha = page(
        "Alpha",
        new_markdown_cell("## Self-attention in *five* steps"),
        code("from llmbook import alpha\nprint('answer', alpha.answer())"),
        code(PICTURE, mystnb={"image": {"alt": "one dark pixel"}}),
        code(
            "from IPython.display import HTML\nlink = '<a href=\"https://example.org\">link</a>'\nHTML(link)"
        ),
    )
    beta = page("Beta", code("import llmbook.beta\nllmbook.beta.VALUE, seed"))
    gamma = page("Gamma", code(READ_OTHERS), inputs=["book/*.ipynb"])
    return {"alpha": alpha, "beta": beta, "gamma": gamma}


def make(root: Path, notebooks: dict[str, nbformat.NotebookNode] | None = None) -> Path:
    """Write a book to `root`: modules, pages and contents."""
    notebooks = pages() if notebooks is None else notebooks
    for name, source in MODULES.items():
        path = root / "src" / "llmbook" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (root / "book").mkdir(parents=True)
    for name, notebook in notebooks.items():
        save(root, name, notebook)
    first, *others = notebooks
    chapters = "".join(f"  - file: book/{name}\n" for name in others)
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/{first}\nchapters:\n{chapters}")
    return root


def load(root: Path, name: str) -> nbformat.NotebookNode:
    """A page as it is stored."""
    return nbformat.read(root / "book" / f"{name}.ipynb", as_version=4)


def save(root: Path, name: str, notebook: nbformat.NotebookNode) -> None:
    """Store a page."""
    nbformat.write(notebook, root / "book" / f"{name}.ipynb")
