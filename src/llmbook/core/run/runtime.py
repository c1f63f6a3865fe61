"""Seeds, devices, threads and evaluation mode: the same seed gives the same numbers.

Left out on purpose: files and locks (``files``), clocks and hardware (``machine``), several processes
(`llmbook.core.train.distributed`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from llmbook.core.run.machine import cores

DEVICES = ("auto", "cpu", "cuda", "mps")


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
    given = n if n is not None else asked or cores()
    try:
        count = int(given)
    except ValueError:
        count = 0
    if count < 1 or count != float(given):
        raise ValueError(f"threads is {given!r}; give a whole number of at least 1, or None for all cores")
    torch.set_num_threads(count)
    return torch.get_num_threads()


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No gradients and no dropout inside the block; afterwards every part of the model is in the mode it was in."""
    training = [m for m in model.modules() if m.training] if isinstance(model, torch.nn.Module) else []
    for module in training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
