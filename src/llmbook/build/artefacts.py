"""The artefacts of the package: found, listed, made, verified, cleared (``llmbook artefacts``).

A module that keeps some says so in ``ARTEFACTS = (...)`` at its top. They are found by reading the package's source, so
that nothing has to register itself, and only the modules that have some are imported.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import llmbook
from llmbook.core.measure.records import Record, explain
from llmbook.core.run import artefacts as kept
from llmbook.core.run import units
from llmbook.core.run.artefacts import DAMAGED, MADE, MISSING, STALE, Artefact

PACKAGE_DIR = Path(llmbook.__file__).resolve().parent
DECLARED = "ARTEFACTS"
Say = Callable[[str], None]


def modules(package_dir: Path = PACKAGE_DIR) -> list[str]:
    """Modules below ``package_dir`` that define ``ARTEFACTS``, found without importing any."""
    found = []
    for path in sorted(package_dir.rglob("*.py")):
        parts = path.relative_to(package_dir.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if any(
            isinstance(bound, str) for bound in units.read(name, path, package_dir).names.get(DECLARED, ())
        ):
            found.append(name)
    return found


def everything() -> dict[str, Artefact]:
    """All artefacts of the installed package, by name.

    Raises ``ValueError`` when two have the same name.
    """
    found: dict[str, Artefact] = {}
    for module in modules():
        for artefact in getattr(importlib.import_module(module), DECLARED):
            if artefact.name in found:
                raise ValueError(
                    f"two artefacts are called {artefact.name!r}, one of them in {module}: rename it"
                )
            found[artefact.name] = artefact
    return found


def chosen(names: Iterable[str]) -> list[Artefact]:
    """The artefacts called ``names``, all of them when there are none. Raises ``ValueError`` for an unknown name."""
    there = everything()
    if unknown := [name for name in names if name not in there]:
        raise ValueError(f"no artefact {unknown[0]!r}; there are {', '.join(sorted(there))}")
    return [there[name] for name in names] or list(there.values())


# ---------------------------------------------------------------- what the commands do


def listing() -> list[str]:
    """One line an artefact: name, key, size, state, about how many seconds it takes to make."""
    rows = [("name", "key", "MB", "state", "seconds to make")]
    for a in chosen(()):
        state = a.state()
        old = len([folder for folder in a.kept() if folder != a.folder])
        more = f" (and {old} older)" if old and state == MADE else ""
        rows.append((a.name, a.key[:16], f"{a.size() / 1e6:.1f}", state + more, f"{a.seconds:.0f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def make(names: Sequence[str], say: Say = print) -> None:
    """Make the named artefacts again, or whatever is missing, stale or damaged."""
    for artefact in chosen(names):
        if names or artefact.state() != MADE:
            say(f"{artefact.name}: {artefact.remake()}")


def verify(say: Say = print) -> int:
    """Read every stored byte again; the number of artefacts that are not as their maker left them."""
    kept._known_sound.clear()
    states = {artefact.name: artefact.state() for artefact in chosen(())}
    for name, state in states.items():
        say(f"{name}: {state}")
    return sum(state == DAMAGED or (state == STALE and name in _records()) for name, state in states.items())


def _records() -> dict[str, Record]:
    return {name: artefact for name, artefact in everything().items() if isinstance(artefact, Record)}


def clear(names: Sequence[str], stale: bool = False, say: Say = print) -> None:
    """Delete what is kept in the cache: of the named artefacts or of all, everything or only what is ``stale``.

    Raises ``ValueError`` for a record, which is stored with the book.
    """
    picked = chosen(names)
    if names and (records := [a.name for a in picked if isinstance(a, Record)]):
        raise ValueError(
            f"{', '.join(records)}: stored with the book, not in the cache; git keeps and removes it"
        )
    current = {a.folder for a in picked if not isinstance(a, Record)}
    folders = [folder for a in picked for folder in a.kept()] if names else list(kept.store().glob("*"))
    for folder in folders:
        being_made = folder.name.startswith(".")
        if folder.is_dir() and not being_made and not (stale and folder in current):
            kept.discard(folder)
            say(f"deleted {folder}")


# ---------------------------------------------------------------- for `llmbook check`


def old_records(root: Path) -> list[tuple[str, str]]:
    """Page and message for each record of the book at ``root`` that is missing or older than its maker."""
    package_dir = root.resolve() / "src" / "llmbook"
    if not package_dir.is_dir() or not modules(package_dir):
        return []
    return _old() if package_dir == PACKAGE_DIR else _asked(package_dir)


def _old() -> list[tuple[str, str]]:
    states = [(record, record.state()) for record in _records().values()]
    return [
        (_room(record), explain(record) if state == STALE else f"the record {record.path.name} is missing")
        for record, state in states
        if state in (STALE, MISSING)
    ]


def _room(record: Record) -> str:
    module: Any = record.make.__module__
    return module.split(".")[1]


def _asked(package_dir: Path) -> list[tuple[str, str]]:
    """The answer of another checkout than the one that runs: its code is imported in a process of its own."""
    code = "from llmbook.build.artefacts import _old\nfor page, text in _old(): print(page, text, sep='\\t')"
    paths = [str(package_dir.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return [("artefacts", f"the records of {package_dir} cannot be checked: {last}")]
    return [(page, text) for page, _, text in (line.partition("\t") for line in done.stdout.splitlines())]
