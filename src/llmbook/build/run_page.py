"""Execute one page in a process of its own: what `llmbook.build.execute` starts for every page.

The job comes in as JSON on the command line, the result leaves as the last line of standard output. Standard
input is a rope to the parent: when it closes, because the parent was killed, this process ends its kernel and
itself. The page in `book/` is touched once, by a rename, after everything has gone well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat import NotebookNode

from llmbook.build import freshness, pages

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"}
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Job:
    """One execution. `target` equal to `source` publishes the page; else a copy is written there."""

    source: str
    target: str
    root: str
    work: str  # folder for temporary files, on the file system of `target`
    failed: str  # folder for what is left of a page that failed
    timeout: int = 600  # seconds a cell may take
    parameters: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)  # versions, hardware

    @property
    def publishes(self) -> bool:
        return self.source == self.target


@dataclass
class Result:
    """How it went; `error` is empty when it went well."""

    page: str
    seconds: float = 0.0
    peak_mb: float = 0.0
    error: str = ""


class PageError(Exception):
    """The page did not run as a page of the book must."""


# ---------------------------------------------------------------- memory


class PeakMemory:
    """Watch the processes below this one and remember the most memory they held together."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.bytes = max(self.bytes, _largest_child())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, _held(psutil.Process().children(recursive=True)))


def _held(processes: list[psutil.Process]) -> int:
    """Bytes of memory; pages that several processes share are divided among them where the system tells."""
    total = 0
    for process in processes:
        try:
            memory = process.memory_full_info() if len(processes) > 1 else process.memory_info()
            total += getattr(memory, "pss", memory.rss)
        except psutil.Error:
            continue
    return total


def _largest_child() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# ---------------------------------------------------------------- running


@contextmanager
def partial_file(job: Job) -> Iterator[Path]:
    """Where papermill writes while the page runs; what is left of a failed run goes to `failed/`."""
    work = Path(job.work)
    work.mkdir(parents=True, exist_ok=True)
    name = Path(job.source).stem
    path, failed = work / f"{name}.{os.getpid()}.ipynb", Path(job.failed, f"{name}.ipynb")
    try:
        yield path
        path.unlink(missing_ok=True)
        failed.unlink(missing_ok=True)
    except (PageError, ValueError, OSError):
        failed.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.move(path, failed)
        raise


def run_papermill(job: Job, source: NotebookNode, partial: Path) -> NotebookNode:
    """The executed notebook.

    Raises:
        PageError: a cell raised, took too long, wrote to stderr, or the kernel died.
    """
    import papermill

    from llmbook.build.kernels import AsyncSocketKernelManager

    try:
        executed = papermill.execute_notebook(
            nbformat.from_dict(source),
            str(partial),
            parameters=job.parameters or None,
            kernel_name="python3",
            progress_bar=False,
            cwd=str(Path(job.target).parent),
            execution_timeout=job.timeout,
            kernel_manager_class=AsyncSocketKernelManager,
        )
    except papermill.PapermillExecutionError as error:
        where = f"In [{error.exec_count}] {first_line(error.source)!r}"
        raise PageError(f"{where}: {error.ename}: {error.evalue}") from error
    except Exception as error:  # timeouts, dead kernels: papermill passes nbclient's errors through
        what = f"{type(error).__name__}: {_first_sentence(error)}"
        raise PageError(f"{_last_started(partial)}{what}") from error
    refuse_stderr(executed)
    return executed


def refuse_stderr(executed: NotebookNode) -> None:
    """A page of the book shows no warnings: fix or filter what causes them."""
    for cell in pages.code_cells(executed):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                where = f"In [{cell.execution_count}] {first_line(cell.source)!r}"
                raise PageError(f"{where} wrote to stderr: {output.text.strip()[-500:]}")


def first_line(source: str) -> str:
    """The first line of a cell that says something, shortened."""
    lines = (line.strip() for line in source.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")[:60]


def _first_sentence(error: Exception) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return text.splitlines()[0][:300] if text else "no message"


def _last_started(partial: Path) -> str:
    try:
        cells = pages.code_cells(pages.read(partial))
    except (OSError, ValueError):
        return ""
    started = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    return f"{first_line(started[-1].source)!r}: " if started else ""


# ---------------------------------------------------------------- what is kept


def graft(executed: NotebookNode, onto: NotebookNode) -> NotebookNode:
    """The notebook `onto` with the outputs of `executed`: nothing else of what papermill writes is kept.

    Raises:
        PageError: the code cells of the two differ, because the page was edited while it ran.
    """
    new, old = pages.code_cells(executed), pages.code_cells(onto)
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise PageError("its code was edited while it ran, so nothing was replaced; run it again")
    for cell, ran in zip(old, new, strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    return onto


def without_papermill(executed: NotebookNode) -> NotebookNode:
    """The executed notebook without papermill's metadata: times, status, absolute paths."""
    for cell in executed.cells:
        cell.metadata.pop("papermill", None)
    executed.metadata.pop("papermill", None)
    return executed


def stamp(notebook: NotebookNode, facts: dict[str, Any], duration: float) -> None:
    """Write the record of this execution into the notebook's metadata; what the author declared stays."""
    inputs = {key: value for key, value in pages.record(notebook).items() if key == "inputs"}
    notebook.metadata["llmbook"] = nbformat.from_dict(inputs | facts)
    notebook.metadata["papermill"] = nbformat.from_dict({"duration": round(duration, 1)})
    notebook.metadata["kernelspec"] = nbformat.from_dict(KERNEL)
    notebook.metadata["language_info"] = nbformat.from_dict(LANGUAGE)


def run(job: Job) -> Result:
    """Execute the page and write it to its target, or leave the target alone."""
    result, source = Result(Path(job.source).stem), Path(job.source)
    try:
        with partial_file(job) as partial:
            _run(job, source, partial, result)
    except (PageError, ValueError, OSError) as error:
        result.error = str(error)
    return result


def _run(job: Job, source: Path, partial: Path, result: Result) -> None:
    notebook, root = pages.read(source), Path(job.root)
    made_of = freshness.facts(source, root, notebook)  # now: a change during the run makes the page stale
    paths = [str(root / "src"), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    start = time.perf_counter()
    with PeakMemory() as memory:
        executed = run_papermill(job, notebook, partial)
    result.seconds, result.peak_mb = round(time.perf_counter() - start, 1), round(memory.bytes / 1e6)
    final = graft(executed, pages.read(source)) if job.publishes else without_papermill(executed)
    facts = {
        **made_of,
        "outputs": freshness.outputs_hash(final),
        "seconds": result.seconds,
        "peak_mb": result.peak_mb,
        "executed": datetime.now(UTC).date().isoformat(),
        "parameters": pages.parameters(final),
        **job.environment,
    }
    stamp(final, facts, result.seconds)
    Path(job.target).parent.mkdir(parents=True, exist_ok=True)
    pages.write(final, Path(job.target), via=partial)


# ---------------------------------------------------------------- life and death


def end_with_parent() -> None:
    """End this process and its kernel as soon as standard input closes, that is when the parent is gone."""

    def wait() -> None:
        sys.stdin.buffer.read()
        for process in psutil.Process().children(recursive=True):
            process.kill()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(argv: list[str]) -> int:
    """`python -m llmbook.build.run_page '{"source": ...}'`."""
    end_with_parent()
    result = run(Job(**json.loads(argv[0])))
    print(json.dumps(asdict(result)), flush=True)
    return 1 if result.error else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the thread that waits for the parent must not keep us
