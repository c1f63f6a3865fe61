"""Several processes that train one model: each takes its rows of every batch, and they average gradients.

`torchrun --nproc-per-node N script.py` starts N processes and tells each its rank in the environment. With
one process every function here does nothing. Left out on purpose: sharding the model itself.
"""

from __future__ import annotations

import atexit
import os
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn

from llmbook.core.run.runtime import pick_device


def rank() -> int:
    """This process's number, from 0; the first one logs and saves."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def n_processes() -> int:
    """How many processes train together.

    >>> n_processes()
    1
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def join_processes(device: str | torch.device) -> torch.device:
    """Join the processes that torchrun started, if it did, and return the device of this one."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"] and sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all on this machine: stay off the network
            os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(dist.destroy_process_group)
    device = pick_device(device)
    if device.type != "cuda" or not dist.is_initialized():
        return device
    device = pick_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
    torch.cuda.set_device(device)
    return device


def share_weights(model: nn.Module) -> None:
    """Start every process from the weights of the first."""
    if n_processes() > 1:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)


def average_gradients(model: nn.Module) -> None:
    """Replace each gradient by its mean over processes, in one message."""
    if n_processes() == 1:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    used = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    flat = torch.cat([used, *(grad.flatten() for grad in grads)])
    dist.all_reduce(flat)
    used, *means = (flat / n_processes()).split([len(trained), *(p.numel() for p in trained)])
    for p, share, mean in zip(trained, used.tolist(), means, strict=True):
        p.grad = mean.view_as(p).to(p.dtype) if share > 0 else None  # None: no process used it; leave it


def own_rows(whole: Tensor) -> Tensor:
    """This process's share of a batch that every process has drawn alike.

    Raises ValueError when the rows cannot be shared evenly.

    >>> own_rows(torch.arange(4))  # one process: all of it
    tensor([0, 1, 2, 3])
    """
    n = n_processes()
    if len(whole) % n:
        raise ValueError(
            f"a batch of {len(whole)} rows cannot be shared evenly by {n} processes; "
            f"make batch_size a multiple of {n}"
        )
    return whole.chunk(n)[rank()] if n > 1 else whole


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a scalar over processes."""
    if n_processes() > 1:
        dist.all_reduce(value)
        value /= n_processes()
    return value


def as_first_process(value: float, device: torch.device) -> float:
    """What the first process says, for decisions that all have to make alike (is the time over?)."""
    if n_processes() == 1:
        return value
    said = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(said, src=0)
    return said.item()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if n_processes() > 1:
        dist.barrier()
