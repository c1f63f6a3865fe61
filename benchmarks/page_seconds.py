"""What a typical change costs: seconds of pages that have to run again, by module and by definition.

    python benchmarks/page_seconds.py 9b370c0 --commits 30 --output benchmarks/page_seconds.json

replays the commits up to the given one. A page is stale when what it depends on differs from before, and costs the
seconds that its last execution took. Two rules are compared: the older one, by which a page depended on every byte of
every module that its modules import, and that of `llmbook.build.freshness`.

Two kinds of change are counted. A commit as a whole, where the pages whose own cells it edits are stale by any rule;
and each file of the package that it changes, alone, with all else as it was: what one edit of a module costs. Left out:
pages that show the record of others, whose inputs change with every execution. The working tree is not touched.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmbook.build import freshness, pages
from llmbook.core.run.files import atomic_path

ROOT = Path(__file__).resolve().parents[1]
Parts = dict[str, dict[str, str]]  # page -> part -> digest


@dataclass(frozen=True)
class Cost:
    """Seconds of the pages that one change makes stale, by either rule; ``file`` is empty for a whole commit."""

    commit: str
    file: str
    by_module: float
    by_definition: float
    stale_by_module: list[str]
    stale_by_definition: list[str]


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


def commits(last: str, n: int) -> list[str]:
    """The last ``n`` commits up to ``last``, first parents only, oldest first, with the one before them."""
    found = git("rev-list", "--first-parent", f"--max-count={n + 1}", last).decode().split()
    return found[::-1]


def unpack(commit: str, folder: Path) -> Path:
    """The package and the notebooks as they were at ``commit``."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "src", "book"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


# ---------------------------------------------------------------- two rules


def by_definition(notebook: Any, root: Path) -> dict[str, str]:
    """Parts by today's rule; of the declared inputs, files but no notebooks."""
    kept = [name for name in pages.record(notebook).get("inputs", []) if not name.endswith(".ipynb")]
    notebook.metadata["llmbook"] = {"inputs": kept}
    return freshness.page_parts(root / "book" / "page.ipynb", root, notebook)


def by_module(notebook: Any, root: Path) -> dict[str, str]:
    """Parts by the older rule: every byte of every module that the cells reach, and data files that these name."""
    parts = {
        name: digest for name, digest in by_definition(notebook, root).items() if _is_cell_or_input(name)
    }
    waiting, seen, strings = list(_imported(_cells(notebook), "")), set(), ""
    while waiting:
        name = waiting.pop()
        path = _file(name, root)
        if path is None or name in seen:
            continue
        seen.add(name)
        tree = ast.parse(path.read_bytes())
        waiting += _imported(tree, name if path.name == "__init__.py" else name.rpartition(".")[0])
        parts[name] = freshness.file_digest(path)
        strings += "\n".join(
            n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        )
    data = [
        path for path in (root / "src/llmbook").rglob("*.*") if path.suffix not in (".py", ".pyc", ".typed")
    ]
    return parts | {str(path): freshness.file_digest(path) for path in data if path.name in strings}


def _is_cell_or_input(part: str) -> bool:
    return part == freshness.CELLS or part.startswith("book/")


def _cells(notebook: Any) -> ast.AST:
    cells = [cell for cell in pages.code_cells(notebook) if "launch" not in pages.tags(cell)]
    return ast.parse("\n".join(freshness.plain_python(cell.source) for cell in cells))


def _file(name: str, root: Path) -> Path | None:
    base = root / "src" / Path(*name.split("."))
    return next((p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()), None)


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that ``tree`` may import, with the packages they lie in."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            steps = name.split(".")
            yield from (".".join(steps[:end]) for end in range(1, len(steps) + 1))


# ---------------------------------------------------------------- replay


@dataclass(frozen=True)
class State:
    """Parts of every page by both rules, and the seconds that each page took."""

    old: Parts
    new: Parts
    seconds: dict[str, float]

    @classmethod
    def of(cls, root: Path) -> State:
        state = cls({}, {}, {})
        for path in sorted((root / "book").glob("*.ipynb")):
            notebook = pages.read(path)
            state.seconds[path.stem] = float(pages.record(notebook).get("seconds", 0))
            parts = by_module(notebook, root)
            state.old[path.stem] = {name.removeprefix(str(root)): digest for name, digest in parts.items()}
            state.new[path.stem] = by_definition(notebook, root)
        return state

    def cost_after(self, before: State, commit: str, file: str = "") -> Cost:
        stale = [
            sorted(page for page in now if now[page] != then.get(page))
            for now, then in ((self.old, before.old), (self.new, before.new))
        ]
        seconds = [round(sum(self.seconds[page] for page in found), 1) for found in stale]
        return Cost(commit, file, *seconds, *stale)


def replay(last: str, n: int) -> Iterator[Cost]:
    """Rows of each commit, oldest first: the commit as a whole, then its files alone."""
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        roots = [Path(first).resolve(), Path(second).resolve()]
        before: State | None = None
        for commit in commits(last, n):
            root, parent = roots[0] / commit, roots[1]
            now = State.of(unpack(commit, root))
            if before:
                yield now.cost_after(before, commit[:7])
                yield from file_by_file(commit, before, parent, root)
                shutil.rmtree(parent)
            before, roots = now, [roots[0], root]


def file_by_file(commit: str, before: State, parent: Path, root: Path) -> Iterator[Cost]:
    """What each changed file of the package costs when nothing else changes."""
    changed = git(
        "diff", "--name-only", "--diff-filter=M", f"{commit}^", commit, "--", "src/llmbook"
    ).decode()
    for file in changed.split():
        old = (parent / file).read_bytes()
        (parent / file).write_bytes((root / file).read_bytes())
        yield State.of(parent).cost_after(before, commit[:7], file)
        (parent / file).write_bytes(old)


def summary(costs: list[Cost]) -> dict[str, float]:
    """How many changes, and seconds a change by either rule."""
    n = max(1, len(costs))
    means = {
        rule: round(sum(getattr(cost, rule) for cost in costs) / n, 1)
        for rule in ("by_module", "by_definition")
    }
    return {"changes": len(costs), **means}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("last", nargs="?", default="HEAD", help="the commit to end with")
    options.add_argument("--commits", type=int, default=30)
    options.add_argument("--output", type=Path, help="for the rows, as JSON")
    args = options.parse_args()
    print(f"{'commit':9}{'by module':>10}{'by definition':>15}  change")
    costs = []
    for cost in replay(args.last, args.commits):
        costs.append(cost)
        subject = cost.file or git("show", "-s", "--format=%s", cost.commit).decode().strip()[:70]
        print(f"{cost.commit:9}{cost.by_module:8.1f} s{cost.by_definition:13.1f} s  {subject}", flush=True)
    whole = [cost for cost in costs if not cost.file]
    kinds = {
        "commits": whole,
        "commits that change the package": [
            c for c in whole if c.commit in {d.commit for d in costs if d.file}
        ],
        "files of the package": [cost for cost in costs if cost.file],
    }
    found = {kind: summary(chosen) for kind, chosen in kinds.items()}
    for kind, mean in found.items():
        by_module, by_definition = mean["by_module"], mean["by_definition"]
        print(f"{mean['changes']} {kind}: {by_module} s each by module, {by_definition} s by definition")
    if args.output:
        with atomic_path(args.output) as temporary:
            record = {"last": args.last, "means": found, "changes": [asdict(cost) for cost in costs]}
            temporary.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
