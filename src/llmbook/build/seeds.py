"""Which seeds a page's assertions hold for: run with each of them, and keep what held.

``llmbook seeds history --seeds 0-9`` executes the page once for each seed, into ``_build/seeds``, and writes what held
to ``benchmarks/results/seeds.json`` with the fingerprint of the page's code. A seed that held for the same code is not
run again, so that a killed run goes on where it was. The head of the page says what stands there, as long as the
page's outputs come from that code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmbook.build import freshness, pages
from llmbook.build.execute import Request, execute
from llmbook.core.run import machine
from llmbook.core.run.files import atomic_path, locked

FILE = "benchmarks/results/seeds.json"


def numbers(text: str) -> tuple[int, ...]:
    """Seeds as they are given on the command line.

    Raises:
        ValueError: the text is none, or a range runs backwards.

    >>> numbers("0-3,7")
    (0, 1, 2, 3, 7)
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(
                f"--seeds {text!r}: expected numbers and ranges from low to high, such as 0-9 or 0,3,5-7"
            )
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(found))


def ranges(seeds: Sequence[int]) -> str:
    """Seeds in as few words as they can be told.

    >>> ranges([0, 1, 2, 3, 7, 9, 10]), ranges([5])
    ('0–3, 7, 9, 10', '5')
    """
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def records(root: Path) -> dict[str, dict[str, Any]]:
    """What is stored, by page; nothing where there is no file.

    Raises:
        ValueError: the file is no such record.
    """
    path = root / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} is not a record of seeds ({error}); restore it from git") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a record of seeds: expected pages by name; restore it from git")
    return found


def held(root: Path, page: str, fingerprint: str | None) -> list[int]:
    """The seeds for which the page held with this code, lowest first; none when one of them failed."""
    stored = records(root).get(page, {})
    if not fingerprint or stored.get("fingerprint") != fingerprint or stored.get("failed"):
        return []
    return sorted(stored["held"])


def run(
    root: Path,
    names: Sequence[str],
    seeds: Sequence[int],
    timeout: int = 600,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Run pages with seeds and store what held; the failures, one line each, are returned.

    Raises:
        ValueError: an unknown page, or one whose code changed while it ran.
    """
    root = root.resolve()
    chosen = [pages.page_path(root, name) for name in names] or pages.book_pages(root)
    return [line for path in chosen for line in _page(root, path, seeds, timeout, say)]


def _page(
    root: Path, path: Path, seeds: Sequence[int], timeout: int, say: Callable[[str], None]
) -> list[str]:
    if "seed" not in pages.parameters(pages.read(path)):
        say(f"{path.stem}: no parameter `seed`, so nothing to try")
        return []
    fingerprint, failures = freshness.facts(path, root)["hash"], []
    for seed in seeds:
        if seed in _so_far(root, path.stem, fingerprint)["held"]:
            say(f"{path.stem}, seed {seed}: held before")
            continue
        error = _one(root, path, seed, timeout)
        if freshness.facts(path, root)["hash"] != fingerprint:
            raise ValueError(f"the code of {path.stem} changed while seed {seed} ran: run it again")
        _store(root, path.stem, fingerprint, seed, error)
        say(f"{path.stem}, seed {seed}: {error or 'held'}")
        failures += [f"{path.stem}, seed {seed}: {error}"] if error else []
    return failures


def _one(root: Path, path: Path, seed: int, timeout: int) -> str:
    """Run the page with one seed; what failed, or nothing."""
    output = root / "_build" / "seeds" / str(seed)
    request = Request((path.stem,), jobs=1, timeout=timeout, parameters={"seed": seed}, output=output)
    return execute(root, request, say=lambda line: None)[0].error


def _so_far(root: Path, page: str, fingerprint: str) -> dict[str, Any]:
    stored = records(root).get(page, {})
    return stored if stored.get("fingerprint") == fingerprint else {"held": [], "failed": {}}


def _store(root: Path, page: str, fingerprint: str, seed: int, error: str) -> None:
    path = root / FILE
    with locked(root / "_build" / "seeds"):
        before = _so_far(root, page, fingerprint)
        failed = {name: line for name, line in before["failed"].items() if name != str(seed)}
        record = {
            "fingerprint": fingerprint,
            "held": sorted({*before["held"], *([] if error else [seed])}),
            "failed": {**failed, **({str(seed): error} if error else {})},
            "date": datetime.now(UTC).date().isoformat(),
            "versions": machine.versions(),
            "hardware": machine.hardware(),
        }
        text = json.dumps({**records(root), page: record}, indent=1, sort_keys=True, ensure_ascii=False)
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
