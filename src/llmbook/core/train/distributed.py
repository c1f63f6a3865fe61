"""Several processes that train one model: each takes its rows of every batch, and PyTorch averages the gradients.

`torchrun --nproc-per-node N script.py` starts N processes and tells each its rank in the environment. Either each
process holds the whole model (DistributedDataParallel: Li et al. 2020, arXiv:2006.15704), or each holds a share of
weights, gradients and optimizer state and gathers a block's weights when it needs them (FSDP2, `fully_shard`:
Zhao et al. 2023, arXiv:2304.11277). With one process every function here does nothing. Left out on purpose: tensor,
pipeline and expert parallelism.
"""

from __future__ import annotations

import atexit
import copy
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from llmbook.core.measure.losses import Loss
from llmbook.core.run.runtime import pick_device

PARALLEL = ("ddp", "fsdp")
Batch = tuple[Any, ...]  # tensors whose first dimension is B; for language models x (B, T) and y (B, T)
LossFn = Callable[[nn.Module, Batch], Loss]


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


# ---- The model in several processes ----


class ModelWithLoss(nn.Module):
    """Model and loss as one module, batch -> Loss, so that DDP and FSDP see the whole computation.

    A loss may then call other methods of the model than `forward`.
    """

    def __init__(self, model: nn.Module, loss_fn: LossFn) -> None:
        super().__init__()
        self.model, self.loss_fn = model, loss_fn

    def forward(self, batch: Batch) -> Loss:
        loss = self.loss_fn(self.model, batch)
        if not isinstance(loss, Loss):
            raise ValueError(
                f"loss_fn returned {type(loss).__name__}; return Loss(total, weight): the sum over the targets "
                f"that count, and their number, as losses.cross_entropy does"
            )
        return loss


def parallelize(model: nn.Module, loss_fn: LossFn, parallel: str = "ddp") -> tuple[nn.Module, nn.Module]:
    """What turns a batch into its loss, and the model in it, whose weights train.

    With `ddp`, and in one process, that is the model given. With `fsdp` it is a sharded copy; the model given waits
    in the CPU's memory until `collect_weights`. Every process starts from the weights of the first. A parameter that
    only some processes use (an expert without tokens) is for `ddp`: FSDP2 waits for its gradient from all.
    """
    if n_processes() == 1:
        return ModelWithLoss(model, loss_fn), model
    if parallel == "fsdp":
        return _shard(model, loss_fn)
    # "unused": a parameter that no process used keeps grad None, so not even weight decay touches it
    return DistributedDataParallel(ModelWithLoss(model, loss_fn), find_unused_parameters=True), model


def _shard(model: nn.Module, loss_fn: LossFn) -> tuple[nn.Module, nn.Module]:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard  # takes a second to import

    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)
    sharded = copy.deepcopy(model)
    model.cpu()
    mesh = init_device_mesh(next(sharded.parameters()).device.type, (n_processes(),))
    # resharding after each forward pass: `parameters()` then always means the sharded ones
    for block in _blocks(sharded):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    objective = ModelWithLoss(sharded, loss_fn)
    fully_shard(objective, mesh=mesh, reshard_after_forward=True)
    return objective, sharded


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Members of the outermost ModuleLists: the layers of a deep network."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _blocks(child)


@contextmanager
def averaging_gradients(objective: nn.Module, wanted: bool) -> Iterator[None]:
    """Whether backward passes inside the block average gradients over processes, or only add them up here."""
    if (set_sync := getattr(objective, "set_requires_gradient_sync", None)) is not None:  # FSDP2
        set_sync(wanted)
    silent = isinstance(objective, DistributedDataParallel) and not wanted
    with cast(DistributedDataParallel, objective).no_sync() if silent else nullcontext():
        yield


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered from all processes, which have to ask together; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def sharded_like(tensor: Tensor, own: Tensor) -> Tensor:
    """This process's share of a whole `tensor`, where `own` is sharded; else all of it."""
    if not hasattr(own, "full_tensor") or tensor.shape != own.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = own.device_mesh, own.placements  # type: ignore[attr-defined]
    return distribute_tensor(tensor.to(own.device), mesh, placements, src_data_rank=None)


def collect_weights(model: nn.Module, trained: nn.Module, device: torch.device) -> None:
    """Give `model` the weights of its sharded copy, whole in every process."""
    if trained is not model:
        model.load_state_dict({name: whole(tensor) for name, tensor in trained.state_dict().items()})
        model.to(device)


# ---- Numbers and rows in several processes ----


def own_rows(rows: Tensor) -> Tensor:
    """This process's share of a batch that every process has drawn alike.

    Raises ValueError when the rows cannot be shared evenly.

    >>> own_rows(torch.arange(4))  # one process: all of it
    tensor([0, 1, 2, 3])
    """
    check_shares(len(rows))
    return rows.chunk(n_processes())[rank()] if n_processes() > 1 else rows


def check_shares(n_rows: int, accumulate: int = 1) -> None:
    """Raise ValueError unless every process gets as many rows, in as many micro-batches.

    >>> check_shares(6, accumulate=4)
    Traceback (most recent call last):
    ValueError: a batch of 6 rows cannot be shared evenly by 4 micro-batches; make batch_size a multiple of 4
    """
    n = n_processes()
    if n_rows % (n * accumulate):
        by = [f"{n} processes"] if n > 1 else []
        by += [f"{accumulate} micro-batches"] if accumulate > 1 else []
        raise ValueError(
            f"a batch of {n_rows} rows cannot be shared evenly by {' with '.join(by)}; "
            f"make batch_size a multiple of {n * accumulate}"
        )


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of a tensor over processes, in place."""
    if n_processes() > 1:
        dist.all_reduce(values)
    return values


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
