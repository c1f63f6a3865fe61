"""Execute pages: the stale ones, the named ones or all, several at a time, each in a process of its own.

A page is replaced only when it ran from its first cell to its last without an error or a word on stderr.
Whatever is killed, and whenever, every page in `book/` stays whole. A page that needs others, such as one that
shows their record (`llmbook.inputs` naming notebooks), runs after them.

Asked for other parameters than the page's own, it writes copies to another folder and leaves `book/` alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import psutil

from llmbook.build import freshness, pages
from llmbook.build.run_page import Job, Result
from llmbook.core.run.machine import cores

# A page runs without a network, and the same way everywhere. The discard port makes a request fail at once.
NOWHERE = "http://127.0.0.1:9"
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
}
STEADY = {
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not one in the user's folder
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def kernel_environment(jobs: int, *, offline: bool = True) -> dict[str, str]:
    """Environment variables for pages of which ``jobs`` run at once: no network, threads shared out."""
    threads = {name: str(max(1, cores() // jobs)) for name in THREADS}
    return {**STEADY, **threads, **(OFFLINE if offline else {})}


@dataclass(frozen=True)
class Request:
    """What to execute and how.

    ``parameters`` or ``output`` make it write copies to ``output`` (or ``_build/run``), never to ``book/``.
    """

    names: tuple[str, ...] = ()
    everything: bool = False
    jobs: int = 2
    timeout: int = 600
    parameters: dict[str, Any] = field(default_factory=dict)
    output: Path | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}: give 1 or more")
        if self.timeout < 1:
            raise ValueError(f"timeout is {self.timeout} seconds: give 1 or more")

    @property
    def copies(self) -> bool:
        return bool(self.parameters) or self.output is not None


def execute(root: Path, request: Request, say: Callable[[str], None] = print) -> list[Result]:
    """Run what ``request`` asks for and return one result a page; failed pages keep their old content.

    Raises:
        ValueError: an unknown page, or an output folder that is the book's own.
        KeyboardInterrupt: interrupted; the running pages have been ended and nothing was replaced.
    """
    root = root.resolve()
    named = [pages.page_path(root, name) for name in request.names]
    chosen = named or pages.book_pages(root)
    if request.copies:
        return _run_all(chosen, root, request, say)
    forced = set(chosen if named or request.everything else ())
    results = []
    for wave in waves(root, chosen):  # whether a page is stale is known only after those it needs have run
        todo = [path for path in wave if path in forced or freshness.freshness(path, root).stale]
        results += _run_all(todo, root, request, say)
    if not results:
        say("every page is fresh")
    return results


def waves(root: Path, chosen: Sequence[Path]) -> Iterator[list[Path]]:
    """The chosen pages, and those that need other pages, in groups that can run at the same time.

    Raises ``ValueError`` when pages need each other in a circle.
    """
    needs = freshness.needs(root)
    wanted = [path for path in pages.book_pages(root) if path in chosen or needs.get(path)]
    order = TopologicalSorter({path: needs.get(path, set()) for path in pages.book_pages(root)})
    try:
        order.prepare()
    except CycleError as error:
        circle = " needs ".join(path.stem for path in error.args[1][::-1])
        raise ValueError(
            f"no page of these can run first: {circle}; see llmbook.inputs in their metadata"
        ) from error
    while order.is_active():
        ready = order.get_ready()
        yield [path for path in wanted if path in ready]
        order.done(*ready)


def _run_all(paths: Sequence[Path], root: Path, request: Request, say: Callable[[str], None]) -> list[Result]:
    if not paths:
        return []
    jobs = min(request.jobs, cores(), len(paths))
    folder = _output_folder(root, request)
    _make_font_cache()
    facts = _environment()
    _sweep(folder / ".running" if folder else root / "_build" / "running")
    with ThreadPoolExecutor(jobs) as pool, _children() as run:  # left in the other order: end, then wait

        def one(path: Path) -> Result:
            say(f"{path.stem}: started")
            job = _job(path, root, folder, request, facts)
            result = run(job, _process_environment(jobs, request))
            say(_line(result, root))
            return result

        return list(pool.map(one, paths))


def _job(path: Path, root: Path, folder: Path | None, request: Request, facts: dict[str, Any]) -> Job:
    build = root / "_build"
    work = folder / ".running" if folder else build / "running"  # where a rename can reach the target
    target = folder / path.name if folder else path
    return Job(
        source=str(path),
        target=str(target),
        root=str(root),
        work=str(work),
        failed=str(build / "failed"),
        timeout=request.timeout,
        parameters=request.parameters,
        environment=facts,
    )


def _sweep(work: Path) -> None:
    """Remove what killed executions left behind: files named after processes that are no more."""
    for path in work.glob("*.*.ipynb"):
        pid = path.name.split(".")[-2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _line(result: Result, root: Path) -> str:
    if result.error:
        kept = root / "_build" / "failed" / f"{result.page}.ipynb"
        hint = f" (what it did: {kept.relative_to(root)})" if kept.is_file() else ""
        return f"{result.page}: FAILED: {result.error}{hint}"
    return f"{result.page}: done in {result.seconds:.1f} s, peak {result.peak_mb:.0f} MB"


def _output_folder(root: Path, request: Request) -> Path | None:
    if not request.copies:
        return None
    folder = (request.output or root / "_build" / "run").resolve()
    if folder == (root / pages.BOOK).resolve():
        raise ValueError(f"{folder} holds the published pages: give another --output, such as _build/run")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _environment() -> dict[str, Any]:
    from llmbook.core.run import machine

    return {"versions": machine.versions(), "hardware": machine.hardware()}


@cache
def _make_font_cache() -> None:
    """matplotlib announces the making of its font cache on stderr: let it do so here, not in a page."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], capture_output=True, check=False)


def _process_environment(jobs: int, request: Request) -> dict[str, str]:
    # A copy may go to a hub when the user says so; a published page may not.
    offline = not (request.copies and os.environ.get("HF_HUB_OFFLINE") == "0")
    environment = {**os.environ, **kernel_environment(jobs, offline=offline)}
    environment.pop("MPLBACKEND", None)  # the kernel chooses the inline one
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    return environment


# ---------------------------------------------------------------- processes


@contextmanager
def _children() -> Iterator[Callable[[Job, dict[str, str]], Result]]:
    """A function that runs a job in a process; leaving early, by Ctrl-C or SIGTERM, ends all of them."""
    running: set[subprocess.Popen[str]] = set()
    stopping, lock = threading.Event(), threading.Lock()

    def run(job: Job, environment: dict[str, str]) -> Result:
        command = [sys.executable, "-m", "llmbook.build.run_page", json.dumps(asdict(job))]
        with lock:
            if stopping.is_set():
                return Result(Path(job.source).stem, error="not started: interrupted")
            child = subprocess.Popen(
                command,
                env=environment,
                text=True,
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            running.add(child)
        result = _wait(child, job)
        running.discard(child)
        return result

    with _sigterm_interrupts():
        try:
            yield run
        finally:
            stopping.set()
            for child in list(running):
                _end(child)


def _wait(child: subprocess.Popen[str], job: Job) -> Result:
    """Read both pipes to their ends, keeping stdin open: its closing tells the child that we are gone."""
    assert child.stdin and child.stdout and child.stderr
    errors: list[str] = []
    stderr = child.stderr
    reader = threading.Thread(target=lambda: errors.append(stderr.read()), daemon=True)
    reader.start()
    lines = child.stdout.read().splitlines()
    child.wait()
    reader.join()
    child.stdin.close()
    try:
        return Result(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        told = errors[0].strip().splitlines()[-1:] if errors else []
        error = f"its process ended with status {child.returncode}: {''.join(told)}"
        return Result(Path(job.source).stem, error=error)


def _end(child: subprocess.Popen[str]) -> None:
    """End a child, its kernel and whatever that started."""
    try:
        family = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C while children run (only the main thread may set handlers)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
