"""Where a training run stands, and the one file it is kept in.

The file is written so that a kill at any moment leaves the old one or the new one. Tensors (weights,
optimizer state, random-number state) are stored as safetensors; everything else is JSON in the header of
the same file. Nothing in it can run code when it is read, unlike pickle, the default of `torch.save`.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from llmbook.core.run.files import atomic_path
from llmbook.core.train.distributed import (
    as_first_process,
    n_processes,
    rank,
    sharded_like,
    wait_for_all,
    whole,
)
from llmbook.core.train.optim import Recipe

FORMAT = "llmbook-checkpoint-1"
Row = dict[str, Any]


@dataclass
class History:
    """What happened: one row each `log_every` steps, at each evaluation, and at the end.

    A row has `step`, `seconds` (training only), `tokens` (trained on so far), `lr`, `grad_norm` (of this step,
    before clipping), `loss` (nats per target, mean of the steps since the row before) and `valid_loss` (None where
    it was not measured).

    >>> history = History([{"step": 1, "valid_loss": None}, {"step": 2, "valid_loss": 3.5}])
    >>> history.column("step"), history.curve("valid_loss"), history.last["valid_loss"]
    ([1, 2], ([2], [3.5]), 3.5)
    """

    rows: list[Row] = field(default_factory=list)

    @property
    def last(self) -> Row:
        """The row at the end of the run."""
        if not self.rows:
            raise ValueError("the history has no rows; train for at least one step")
        return self.rows[-1]

    def column(self, name: str) -> list[Any]:
        """One column, None where a row has no value."""
        return [row[name] for row in self.rows]

    def curve(self, name: str, by: str = "step") -> tuple[list[Any], list[Any]]:
        """x and y for a plot: the columns `by` and `name`, without the rows where `name` is None."""
        kept = [row for row in self.rows if row[name] is not None]
        return [row[by] for row in kept], [row[name] for row in kept]

    def to_json(self) -> str:
        """The rows as JSON; a loss that is not finite becomes null."""
        finite = [
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
            for row in self.rows
        ]
        return json.dumps(finite, indent=1)


class Run:
    """Where a run stands: its clock, its counts and its history. A checkpoint holds it."""

    def __init__(self, recipe: Recipe, seed: int, data: dict[str, Any] | None = None) -> None:
        self.recipe, self.seed, self.data, self.history = recipe, seed, data, History()
        self.step = self.tokens = self.steps_since_row = 0
        self.seconds = self.loss_sum = self.grad_norm = 0.0
        self.start_clock()

    def done(self, ahead: int = 0) -> float:
        """Share of the budget that is used up; of steps, including the `ahead` next ones."""
        if self.recipe.seconds is not None:
            return self.seconds / self.recipe.seconds
        return (self.step + ahead) / (self.recipe.steps or 1)  # a recipe has one of the two budgets

    def over(self) -> bool:
        return self.done() >= 1

    def due(self, every: int | None) -> bool:
        return every is not None and self.step % every == 0

    def check_finite(self, lr: float, **values: float) -> None:
        """Raise FloatingPointError, naming the step under way, unless each value is a finite number."""
        for name, value in values.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"training diverged at step {self.step + 1} with lr {lr:g}: {name} is {value}. Lower lr, lengthen "
                    f"warmup or look for bad values in the data; a checkpoint still holds the last step saved"
                )

    def count(self, loss: float, grad_norm: float, batch: tuple[Any, ...]) -> None:
        """Note one more step."""
        self.step += 1
        self.grad_norm = grad_norm
        self.steps_since_row += 1
        self.loss_sum += loss
        self.tokens += batch[0].numel() * n_processes()
        self.seconds = as_first_process(time.perf_counter() - self.started, batch[0].device)

    def start_clock(self) -> None:
        """Let time run on from `seconds`, which is 0 or what a checkpoint said."""
        self.started = time.perf_counter() - self.seconds

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """What happens inside the block takes no time."""
        yield
        self.start_clock()

    def log(self, lr: float, valid_loss: float | None) -> Row:
        """Append a row to the history."""
        row: Row = {"step": self.step, "seconds": self.seconds, "tokens": self.tokens, "lr": lr}
        row |= {
            "grad_norm": self.grad_norm,
            "loss": self.loss_sum / self.steps_since_row,
            "valid_loss": valid_loss,
        }
        self.history.rows.append(row)
        self.loss_sum, self.steps_since_row = 0.0, 0
        return row

    # a checkpoint holds these, and recipe and data as they have to be again
    SAVED = ("step", "tokens", "steps_since_row", "seconds", "loss_sum")

    def save(self, path: str | Path, *state: Any) -> None:
        """Write a checkpoint; `state` is model, optimizers, generator."""
        facts = {name: getattr(self, name) for name in self.SAVED}
        facts |= {"recipe": self._settings(), "data": self.data, "rows": self.history.rows}
        save_checkpoint(path, facts, *state)
        wait_for_all()

    def load(self, path: str | Path, *state: Any) -> None:
        """Go back to a checkpoint of the same recipe, seed and data; `state` is model, optimizers, generator."""
        tensors, facts = read_checkpoint(path)
        self._check_same_run(path, facts)
        restore(tensors, *state)
        self.history = History(facts["rows"])
        for name in self.SAVED:
            setattr(self, name, facts[name])

    def _check_same_run(self, path: str | Path, facts: dict[str, Any]) -> None:
        saved, own = facts["recipe"], self._settings()
        other = [f"{k}={saved.get(k)!r} there, {own.get(k)!r} here" for k in own if own[k] != saved.get(k)]
        if other:
            raise ValueError(
                f"the checkpoint {path} is of another recipe: {'; '.join(other)}; "
                f"resume with the recipe it was saved with, or train with resume=False"
            )
        if facts["data"] != self.data:
            raise ValueError(
                f"the checkpoint {path} is of other data: {facts['data'] or 'a function'} there, "
                f"{self.data or 'a function'} here; resume with the data it began with, or train with resume=False"
            )

    def _settings(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self.recipe) | {"seed": self.seed}))


def save_checkpoint(
    path: str | Path,
    facts: dict[str, Any],
    model: nn.Module,
    optimizers: list[Optimizer],
    generator: torch.Generator,
) -> None:
    """Write weights, optimizer state, random-number state and `facts` (anything JSON can hold) to `path`.

    `generator` is the one that draws the batches: its state is the position in the data. All processes take part,
    since each may hold a share of the tensors; the file is whole, and the same for any number of processes.
    """
    named = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    named |= _optimizer_tensors(optimizers)
    named |= {"rng.data": generator.get_state(), "rng.cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        named["rng.cuda"] = torch.cuda.get_rng_state()
    tensors = {}
    for name, tensor in named.items():
        gathered = whole(tensor.detach())  # all processes together; the first keeps it
        if rank() == 0:
            # a copy each: safetensors refuses tensors that share memory, as a tied embedding and output layer do
            tensors[name] = gathered.cpu().clone().contiguous()
    if rank() == 0:
        _write(path, tensors, facts)


def _write(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    header = {"format": FORMAT, "facts": json.dumps(facts)}
    header["sha256"] = digest(tensors, header["facts"])
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def check_writable(path: str | Path) -> None:
    """Raise ValueError unless a file can be written at `path`; what is there is left alone."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(b"a byte")
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
    except OSError as error:
        raise ValueError(
            f"cannot write the checkpoint {path}: {error}; give a file in a folder that can be written"
        ) from error


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the facts of a checkpoint.

    Raises ValueError when the file is truncated, altered by as little as a bit, or not a checkpoint of this book.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, not {FORMAT!r}")
        if header["sha256"] != digest(tensors, header["facts"]):
            raise ValueError("its contents do not match its SHA-256")
        return tensors, json.loads(header["facts"])
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise ValueError(
            f"cannot read the checkpoint {path}: {error}. It may be damaged or of another program; "
            f"delete it, or train with resume=False to start again"
        ) from error


def digest(tensors: dict[str, Tensor], facts: str) -> str:
    """SHA-256 over names, shapes, types and bytes of the tensors, and over the facts.

    >>> a, b = digest({"x": torch.zeros(2)}, ""), digest({"x": torch.tensor([0.0, -0.0])}, "")
    >>> len(a), a == b
    (64, False)
    """
    sha = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        t = tensors[name]
        sha.update(f"{name} {tuple(t.shape)} {t.dtype}".encode())
        sha.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def restore(
    tensors: dict[str, Tensor], model: nn.Module, optimizers: list[Optimizer], generator: torch.Generator
) -> None:
    """Put a checkpoint's tensors back, in place, into objects built like those that were saved.

    Where a process holds a share of a tensor, it takes that share.

    Raises ValueError when model or optimizer differ from what was saved.
    """
    weights, own = _below("model.", tensors), model.state_dict()
    _check_same_tensors(weights, own)
    for i, optimizer in enumerate(optimizers):
        optimizer.load_state_dict(_optimizer_state(_below(f"optim.{i}.", tensors), optimizer))
    model.load_state_dict({name: sharded_like(tensor, own[name]) for name, tensor in weights.items()})
    generator.set_state(tensors["rng.data"])
    torch.set_rng_state(tensors["rng.cpu"])
    if "rng.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["rng.cuda"])


def _optimizer_tensors(optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """State of the optimizers, flat: `optim.<which>.<parameter>.<name>`, such as `optim.0.12.exp_avg`."""
    return {
        f"optim.{i}.{parameter}.{name}": tensor
        for i, optimizer in enumerate(optimizers)
        for parameter, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def _optimizer_state(flat: dict[str, Tensor], optimizer: Optimizer) -> dict[str, Any]:
    """The inverse of `_optimizer_tensors` for one optimizer, which keeps its own lr, betas and so on."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = sharded_like(tensor, parameters[int(parameter)])
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _check_same_tensors(saved: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Raise ValueError, naming the first difference, unless names, shapes and types are the same."""
    for name in [*own, *saved]:
        ours, theirs = _describe(own.get(name)), _describe(saved.get(name))
        if ours != theirs:
            raise ValueError(
                f"the checkpoint is of another model: {name} is {theirs} there, {ours} in the model given; "
                f"build the model that was saved, or train with resume=False"
            )


def _describe(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tuple(tensor.shape)} {tensor.dtype}"
