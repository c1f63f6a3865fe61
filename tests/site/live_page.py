"""A book of one page that holds every live widget, built with the real configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tokenizers import pre_tokenizers

from llmbook.build.site import build, site_dir
from llmbook.core.show import live

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "The capital of France is"
TEXT = "The doctor asked the nurse to help the doctor."
STORED = {" Paris": 0.75, " a": 0.25}  # not the model's: nobody can take it for an answer
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
OWN = {"name": "Ours", "tokens": [*BYTES, "ab", "Ġab"], "merges": ["a b", "Ġ ab"], "digits": False}
PLACES = {
    "pieces": live.pieces("ab ab", OWN, {"Ours": ["ab", " ab"]}),
    "next-token": live.next_token(PROMPT, STORED),
    "surprise": live.surprise(TEXT, [("The", None), (" doctor", 12.5)]),
    "chat": live.chat(
        "What is the capital of France?", [("You", "Hi"), ("SmolLM2", "Hello!")], temperature=0.0
    ),
}


def make_book(root: Path) -> Path:
    """Write the sources of the book to ``root``."""
    (root / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    toc = "format: jb-book\nroot: book/live\nchapters:\n  - file: book/plain\n"
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    _write(root, "live", "# Live\n\nThe model itself.", list(PLACES.values()))
    _write(root, "plain", "# Plain\n\nNothing alive here.", [])
    return root


def build_book(root: Path) -> Path:
    """The folder of the built site."""
    build(make_book(root))
    return site_dir(root)


def _write(root: Path, name: str, prose: str, places: list[live.Shown]) -> None:
    cells = [new_markdown_cell(prose)]
    for place in places:
        data = {"text/html": place.html, "text/plain": place.text}
        output = new_output("execute_result", data, execution_count=1)
        cells.append(new_code_cell("place", execution_count=1, outputs=[output]))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), root / "book" / f"{name}.ipynb")
