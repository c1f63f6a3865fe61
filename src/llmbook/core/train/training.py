"""One training loop for every model of the book: next-token models, translators, classifiers.

Shapes: ``B`` sequences in a batch (of all processes together), ``T`` tokens of context, ``V`` vocabulary.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))  # guesses the next token from this one
    >>> ids = torch.arange(5).repeat(40)                              # 0 1 2 3 4 0 1 2 ...
    >>> history = train(model, ids, Recipe(lr=0.1, steps=50, batch_size=8, block_size=4), valid_ids=ids)
    >>> history.last["step"], history.last["valid_loss"] < 0.1
    (50, True)

Under `torchrun --nproc-per-node N script.py` the same call trains in N processes: each takes its part of
every batch and the gradients are averaged, so the numbers are those of one process up to rounding. Left out
on purpose: gradient accumulation, sharding, and anything else that a model of this size does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from tqdm import tqdm

from llmbook.core.run import runtime
from llmbook.core.text.tokens import check_ids
from llmbook.core.train.checkpoint import History, Row, Run
from llmbook.core.train.distributed import (
    average_gradients,
    join_processes,
    mean_over_processes,
    own_rows,
    rank,
    share_weights,
)
from llmbook.core.train.optim import Recipe, make_optimizers

Batch = tuple[Any, ...]  # tensors whose first dimension is B; for language models x (B, T) and y (B, T)
LossFn = Callable[[nn.Module, Batch], Tensor]


def train(
    model: nn.Module,
    data: Tensor | Callable[[torch.Generator], Batch],
    recipe: Recipe,
    *,
    valid_ids: Tensor | list[Batch] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    loss_fn: LossFn | None = None,
    progress: bool = True,
    on_log: Callable[[Row], None] | None = None,
) -> History:
    """Train `model` in place, by `recipe`, and return what happened. Afterwards the model is in eval mode.

    Args:
        data: token ids (N,), from which random contexts are cut; or a function that makes one batch (a tuple
            of tensors with B rows) and draws all its randomness from the generator it is given.
        valid_ids: token ids (N,), or a list of batches of one size. Measuring them does not count as time.
        loss_fn: (model, batch) -> mean loss; by default the cross-entropy of the next token.
        checkpoint: file to save to, every `recipe.save_every` steps and at the end.
        resume: go on from `checkpoint`; with a budget of steps the result is bit for bit that of a run that
            never stopped. Without such a file it starts at step 0, so that one command can be repeated.
        progress: show a bar, if stderr is a terminal; a notebook stores nothing of it.
        on_log: called with each new row.

    Raises:
        ValueError: ids too short or too long for the model; a batch that the processes cannot share evenly;
            a checkpoint that is damaged, or of another model, recipe or seed.
    """
    if checkpoint is None and resume:
        raise ValueError("resume=True without a checkpoint; give the file to go on from")
    device = join_processes(device)
    generator = torch.Generator().manual_seed(seed)  # draws the batches
    torch.manual_seed(seed)  # for dropout
    model.to(device).train()
    share_weights(model)
    optimizers = make_optimizers(model, recipe)
    loss_fn = loss_fn or next_token_loss
    stream = make_stream(model, data, recipe, generator, device)
    valid = make_valid_batches(valid_ids, recipe, device)
    run = Run(recipe, seed)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        run.load(checkpoint, model, optimizers, generator)

    with progress_bar(progress) as bar:
        run.start_clock()
        while not run.over():
            lr, batch = recipe.lr_at(run.done(ahead=1)), next(stream)
            run.count(training_step(model, batch, loss_fn, optimizers, lr, recipe), batch)
            with run.clock_stopped():
                if run.due(recipe.log_every) or run.due(recipe.eval_every) or run.over():
                    measure = run.due(recipe.eval_every) or run.over()
                    row = run.log(lr, valid_loss(model, valid, loss_fn) if measure else None)
                    tell(row, run.done(), bar, on_log)
                if checkpoint is not None and (run.due(recipe.save_every) or run.over()):
                    run.save(checkpoint, model, optimizers, generator)
    model.eval()
    return run.history


def training_step(
    model: nn.Module, batch: Batch, loss_fn: LossFn, optimizers: list[Optimizer], lr: float, recipe: Recipe
) -> float:
    """Forward, backward, update: change the weights by one batch and return its loss."""
    device = next(model.parameters()).device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=recipe.amp):
        loss = loss_fn(model, batch)
    model.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(model)
    if recipe.grad_clip:  # Pascanu et al. (2013), arXiv:1211.5063
        nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
    return mean_over_processes(loss.detach()).item()


def next_token_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy, in nats, of y (B, T) under model(x): logits (B, T, V)."""
    x, y = batch
    logits = model(x)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def batches(
    ids: Tensor,
    *,
    batch_size: int,
    block_size: int,
    generator: torch.Generator,
    device: str | torch.device = "cpu",
) -> Iterator[Batch]:
    """Endless random contexts x (B, T), and the same moved on by one token y (B, T), from ids (N,).

    Raises ValueError unless ids are 1-D integers and hold at least block_size + 1 tokens.

    >>> generator = torch.Generator().manual_seed(0)
    >>> x, y = next(batches(torch.arange(9), batch_size=2, block_size=3, generator=generator))
    >>> x.shape, bool((y == x + 1).all())
    (torch.Size([2, 3]), True)
    """
    ids = check_ids(ids, ndim=1, at_least=block_size + 1)
    offsets = torch.arange(block_size)

    def draw(generator: torch.Generator) -> Batch:
        starts = torch.randint(len(ids) - block_size, (batch_size, 1), generator=generator)  # (B, 1)
        at = starts + offsets  # (B, T)
        return ids[at], ids[at + 1]

    return endless(draw, generator, device)


def endless(
    draw: Callable[[torch.Generator], Batch], generator: torch.Generator, device: str | torch.device
) -> Iterator[Batch]:
    """Batches of `draw`, without end. Each process draws the whole batch and keeps its own rows."""
    while True:
        yield tuple(
            own_rows(part).to(device) if isinstance(part, Tensor) else part for part in draw(generator)
        )


def make_stream(
    model: nn.Module, data: Any, recipe: Recipe, generator: torch.Generator, device: torch.device
) -> Iterator[Batch]:
    """The batches of a run, from token ids or from a function that makes batches."""
    if not isinstance(data, Tensor) and callable(data):
        return endless(data, generator, device)
    longest = getattr(model, "block_size", None)
    if longest is not None and recipe.block_size > longest:
        raise ValueError(
            f"block_size is {recipe.block_size}, but the model sees at most {longest} tokens; "
            f"lower it in the recipe or build the model with a larger one"
        )
    ids = check_ids(data, ndim=1, at_least=recipe.block_size + 1, name="data")
    v, largest = getattr(model, "vocab_size", None), int(ids.max())
    if v is not None and largest >= v:
        raise ValueError(f"data holds id {largest}, but vocab_size is {v}: was it made by another tokenizer?")
    b, t = recipe.batch_size, recipe.block_size
    return batches(ids, batch_size=b, block_size=t, generator=generator, device=device)


def make_valid_batches(valid: Any, recipe: Recipe, device: torch.device) -> list[Batch]:
    """The batches on which validation is measured: the same ones every time, so that losses compare."""
    if valid is None or isinstance(valid, list):
        pairs = valid or []
    else:
        t, ids = recipe.block_size, check_ids(valid, ndim=1, at_least=recipe.block_size + 1, name="valid_ids")
        n = min(recipe.eval_windows, (len(ids) - 1) // t)
        starts = torch.linspace(0, len(ids) - 1 - t, n, dtype=torch.float64).long()
        at = (starts[:, None] + torch.arange(t)).split(recipe.batch_size)  # each (B, T)
        pairs = [(ids[i], ids[i + 1]) for i in at]
    return [tuple(p.to(device) if isinstance(p, Tensor) else p for p in pair) for pair in pairs]


def valid_loss(model: nn.Module, valid: list[Batch], loss_fn: LossFn) -> float | None:
    """Mean loss over the validation batches, each counted by its rows; None when there are none."""
    if not valid:
        return None
    with runtime.evaluating(model):
        losses = [loss_fn(model, batch).item() for batch in valid]
    rows = [len(batch[0]) for batch in valid]
    return sum(x * n for x, n in zip(losses, rows, strict=True)) / sum(rows)


def progress_bar(wanted: bool) -> tqdm:
    """A bar on a terminal; nothing where stderr is a file or a notebook, whose stored output stays clean."""
    shown = wanted and rank() == 0 and sys.stderr.isatty()
    layout = "{percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=1.0, leave=False, disable=not shown, bar_format=layout)


def tell(row: Row, done: float, bar: tqdm, on_log: Callable[[Row], None] | None) -> None:
    """Show a new row on the bar and hand it to whoever asked; only the first process speaks."""
    bar.set_postfix(step=row["step"], loss=f"{row['loss']:.3f}", refresh=False)
    bar.update(min(done, 1.0) - bar.n)
    if on_log and rank() == 0:
        on_log(row)
