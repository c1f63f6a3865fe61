"""Where a page runs: seed, device, threads, cache folder, locks, clocks, and a description of the machine.

Everything else in the book asks this module instead of the operating system, so that the same seed gives the
same numbers and a killed process never leaves half a file. It deliberately leaves out distributed set-up
(see `llmbook.core.training`) and anything about models.
"""

from __future__ import annotations

import hashlib
import os
import platform
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import filelock
import numpy as np
import platformdirs
import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
REPORTED_PACKAGES = ("llmbook", "torch", "transformers", "tokenizers", "safetensors", "numpy", "matplotlib")


def cache_dir() -> Path:
    """Folder for files that are made once and read often; it is created when missing.

    `$LLMBOOK_CACHE` wins, else the platform's user cache (`~/.cache/llmbook` on Linux).

    >>> cache_dir().is_dir()
    True
    """
    named = os.environ.get("LLMBOOK_CACHE")
    folder = (
        Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("llmbook", appauthor=False))
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the cache folder {folder} cannot be made ({error}); set LLMBOOK_CACHE to another one"
        ) from error
    return folder


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and PyTorch, and return a CPU generator seeded alike.

    Raises ValueError unless `seed` is an integer in [0, 2**32).

    >>> a = torch.rand(3, generator=seed_everything(1))
    >>> torch.equal(a, torch.rand(3, generator=seed_everything(1)))
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; give an integer from 0 to {2**32 - 1}")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # seeds every accelerator too
    return torch.Generator().manual_seed(seed)


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` or `mps` into a device that is really there.

    `auto` prefers CUDA, then Apple's MPS, then the CPU.
    Raises ValueError for an unknown name or a device that this machine does not have.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    text = str(name)
    kind, _, index = text.partition(":")
    if kind not in DEVICES or (index and (kind == "auto" or not index.isdigit())):
        raise ValueError(f"device is {text!r}; choose one of {', '.join(DEVICES)} (or cuda:0, cuda:1, ...)")
    there = _available()
    if kind == "auto":
        return torch.device(there[0])
    if kind not in there:
        raise ValueError(f"device {text!r} is not available here, only {', '.join(there)}; use device='auto'")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise ValueError(
            f"device {text!r} does not exist; there are {torch.cuda.device_count()} CUDA devices"
        )
    return torch.device(text)


def _available() -> list[str]:
    """Kinds of device on this machine, fastest first."""
    there = ["cuda"] if torch.cuda.is_available() else []
    return there + (["mps"] if torch.backends.mps.is_available() else []) + ["cpu"]


def set_threads(n: int | None = None) -> int:
    """Set PyTorch's CPU threads and return how many are used now.

    `None` takes `$LLMBOOK_THREADS`, else `$OMP_NUM_THREADS`, else the cores this process may use.
    Raises ValueError when the number is not a positive integer.

    >>> before = torch.get_num_threads(); set_threads(1)
    1
    >>> _ = set_threads(before)
    """
    asked = os.environ.get("LLMBOOK_THREADS") or os.environ.get("OMP_NUM_THREADS")
    given = n if n is not None else asked or _cores()
    try:
        count = int(given)
    except ValueError:
        count = 0
    if count < 1 or count != float(given):
        raise ValueError(f"threads is {given!r}; give a whole number of at least 1, or None for all cores")
    torch.set_num_threads(count)
    return torch.get_num_threads()


def _cores() -> int:
    """Cores this process may use (a container often allows fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Write to the path this yields; it becomes `target` in one step, or vanishes if the block raises.

    A reader, or a kill at any moment, therefore sees the old file or the new one, never a half.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # same folder, so os.replace stays on one file system; same suffix, as some writers look at it
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.{random_suffix()}.tmp{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def random_suffix() -> str:
    """Eight characters for temporary names; independent of `seed_everything`.

    >>> len(random_suffix())
    8
    """
    return os.urandom(4).hex()


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in pieces (1 MiB of memory whatever its size).

    Raises ValueError when the file is missing.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a").write_bytes(b"abc"), sha256(Path(folder, "a"))[:16]
    (3, 'ba7816bf8f01cfea')
    """
    if not Path(path).is_file():
        raise ValueError(f"cannot hash {path}: no such file")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: str | Path, timeout: float = -1) -> Iterator[None]:
    """Hold an exclusive lock beside `path` (file `path`.lock); other processes wait their turn.

    The operating system drops the lock when its holder dies. `timeout` in seconds, -1 waits for ever.
    Raises TimeoutError when the lock is not free in time.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, locked(Path(folder, "cache")):
    ...     "alone"
    'alone'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout as error:
        raise TimeoutError(
            f"another process has held {path}.lock for {timeout} s; wait for it or end it"
        ) from error
    try:
        yield
    finally:
        lock.release()


class Stopwatch:
    """Wall-clock seconds since `start`, frozen by `stop`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stop: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far, or in all once stopped."""
        return (time.perf_counter() if self._stop is None else self._stop) - self._start

    def stop(self) -> None:
        """Freeze `seconds`."""
        self._stop = time.perf_counter()


@contextmanager
def stopwatch(device: str | torch.device = "cpu") -> Iterator[Stopwatch]:
    """Time a block; on an accelerator, wait for its queued work before the clock starts and stops.

    >>> with stopwatch() as clock:
    ...     _ = sum(range(1000))
    >>> 0 < clock.seconds < 60
    True
    """
    _synchronize(device)
    clock = Stopwatch()
    try:
        yield clock
    finally:
        _synchronize(device)
        clock.stop()


def _synchronize(device: str | torch.device) -> None:
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()


@lru_cache
def bfloat16_is_faster(device: str | torch.device = "cpu", size: int = 512) -> bool:
    """Whether this machine multiplies matrices faster in bfloat16 than in float32: measured, in milliseconds.

    Processors without instructions for it emulate bfloat16 and are slower; asking them for their flags would tell
    what they can do, not what it costs.

    >>> bfloat16_is_faster() in (True, False)
    True
    """
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, best[dtype] = torch.ones(size, size, dtype=dtype, device=device), float("inf")
        for _ in range(6):  # the first calls set things up
            with stopwatch(device) as clock:
                x @ x
            best[dtype] = min(best[dtype], clock.seconds)
    return best[torch.bfloat16] < best[torch.float32]


def peak_memory_mb() -> float:
    """The most resident memory this process has had, in MB (10**6 bytes); memory-mapped pages count.

    >>> peak_memory_mb() > 10
    True
    """
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would include what the parent held when it forked us
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), None)
        if line:
            return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def hardware() -> dict[str, str | int | float | None]:
    """The machine in four facts: `cpu` (model), `cores` (usable), `memory_gib`, `accelerator` (name or None).

    >>> sorted(hardware())
    ['accelerator', 'cores', 'cpu', 'memory_gib']
    """
    return {"cpu": _cpu(), "cores": _cores(), "memory_gib": _memory_gib(), "accelerator": _accelerator()}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    if sys.platform == "darwin" and shutil.which("sysctl"):
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory_gib() -> float | None:
    """Memory in GiB: the machine's, or what a container is allowed when that is less."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        size = min(size, int(text))
    return round(size / 2**30, 1)


def _accelerator() -> str | None:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return "Apple MPS" if torch.backends.mps.is_available() else None


def versions() -> dict[str, str]:
    """Python and the packages a result may depend on; what is not installed is left out.

    >>> versions()["torch"] == metadata.version("torch")
    True
    """
    found = {"python": platform.python_version()}
    for package in REPORTED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
