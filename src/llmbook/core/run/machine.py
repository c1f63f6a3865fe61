"""The machine a page runs on: cores, memory, clocks, versions; what it is and what it costs to use.

Left out on purpose: choosing among its devices (``runtime`` does that). Importing this module does not import torch.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

REPORTED_PACKAGES = ("llmbook", "torch", "transformers", "tokenizers", "safetensors", "numpy", "matplotlib")


def cores() -> int:
    """Cores this process may use (a container often allows fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    import torch

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
    import torch

    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, best[dtype] = torch.ones(size, size, dtype=dtype, device=device), float("inf")
        for _ in range(6):  # the first calls set things up
            with stopwatch(device) as clock:
                x @ x
            best[dtype] = min(best[dtype], clock.seconds)
    return best[torch.bfloat16] < best[torch.float32]


def hardware() -> dict[str, str | int | float | None]:
    """The machine in four facts: `cpu` (model), `cores` (usable), `memory_gib`, `accelerator` (name or None).

    >>> sorted(hardware())
    ['accelerator', 'cores', 'cpu', 'memory_gib']
    """
    return {"cpu": _cpu(), "cores": cores(), "memory_gib": _memory_gib(), "accelerator": _accelerator()}


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
    import torch

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
