"""Build the book's HTML with Jupyter Book 1: warnings are errors, and only problems are printed.

A second build re-reads only the pages that changed. Executing notebooks is not this module's business.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import yaml


class SiteError(RuntimeError):
    """The site could not be built, or was built with warnings; they have been printed."""


def site_dir(root: Path) -> Path:
    """Where the HTML of the book at ``root`` goes."""
    return Path(root) / "_build" / "html"


def build(root: Path) -> Path:
    """Build the site of the book at ``root`` into ``root/_build/html`` and return its first page.

    Unresolved references (``-n``) and warnings (``-W``) are errors, reported together (``--keep-going``).

    Raises:
        ValueError: ``root`` holds no ``_config.yml`` and ``_toc.yml``.
        SiteError: there were warnings or errors; they are on standard error.
    """
    root = Path(root).resolve()
    missing = [name for name in ("_config.yml", "_toc.yml") if not (root / name).is_file()]
    if missing:
        raise ValueError(f"{root} is not the root of the book: it has no {' and no '.join(missing)}")
    with warnings.catch_warnings():  # Sphinx looks at every live object, and torch's old names complain
        warnings.simplefilter("ignore", FutureWarning)
        status = _sphinx(root)
    if status != 0:
        shutil.rmtree(root / "_build" / "doctrees", ignore_errors=True)  # else the next build would not warn
        raise SiteError(f"the site of {root} has problems; they are listed above")
    return _front_door(root)


def _sphinx(root: Path) -> Any:
    from jupyter_book.sphinx import build_sphinx  # slow to import

    return build_sphinx(
        str(root),
        str(site_dir(root)),
        noconfig=True,
        path_config=str(root / "_config.yml"),
        confoverrides={
            "external_toc_path": str(root / "_toc.yml"),
            "nitpicky": True,
            "latex_individualpages": False,
        },
        doctreedir=str(root / "_build" / "doctrees"),
        quiet=True,
        warningiserror=True,
        keep_going=True,
    )


def _front_door(root: Path) -> Path:
    """Make ``index.html`` lead to the first page, which is returned."""
    first = str(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["root"]) + ".html"
    (site_dir(root) / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>llmbook</title>\n'
        f'<meta http-equiv="refresh" content="0; url={first}">\n'
        f'<p><a href="{first}">Open the book</a></p></html>\n',
        encoding="utf-8",
    )
    return site_dir(root) / first
