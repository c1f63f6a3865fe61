"""Texts and models that travel inside Python packages: where they are, and whether they are what their card says.

The packages are read as files, never imported, and their SHA-256 is checked before first use.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from llmbook.core.run.files import sha256
from llmbook.core.text.cards import DataCard

HELP = "run `llmbook fetch` (or `make fetch`) to install it"


class DataError(ValueError):
    """A text is missing, altered or unusable; the message says what to do."""


def locate(card: DataCard) -> Path:
    """Folder of an installed text or model, found without importing its package.

    Raises DataError when it is not installed, naming the one command that helps.
    """
    package, _, inside = card.folder.partition("/")
    spec = importlib.util.find_spec(package)
    folders = [Path(place, inside) for place in (spec.submodule_search_locations if spec else None) or ()]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DataError(f"{card.name!r} needs the package {card.package}, which is not installed; {HELP}")


def sha256_files(folder: Path, pattern: str) -> str:
    """One SHA-256 for the files matching `pattern`: over name, NUL, length, NUL, content, sorted by name."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern), key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@lru_cache
def verify(card: DataCard) -> Path:
    """Check the SHA-256 of an installed text or model once per process and return its folder.

    Raises DataError when it is missing or its content is not what the card says.
    """
    folder = locate(card)
    if "*" in card.files:
        found = sha256_files(folder, card.files)
    else:
        path = folder / card.files
        found = sha256(path) if path.is_file() else "missing"
    if found != card.sha256:
        raise DataError(
            f"{card.name!r} in {folder} is not as expected (SHA-256 {found[:12]}…, not {card.sha256[:12]}…): "
            f"damaged or another version; {HELP}"
        )
    return folder
