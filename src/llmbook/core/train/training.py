"""One training loop for every model of the book: next-token models, translators, classifiers.

Shapes: ``B`` sequences in a batch (of all processes together), ``T`` tokens of context, ``V`` vocabulary.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))  # guesses the next token from this one
    >>> ids = torch.arange(5).repeat(40)                              # 0 1 2 3 4 0 1 2 ...
    >>> history = train(model, ids, Recipe(lr=0.1, steps=50, batch_size=8, block_size=4), valid_ids=ids)
    >>> history.last["step"], history.last["valid_loss"] < 0.1
    (50, True)

Under `torchrun --nproc-per-node N script.py` the same call trains in N processes, each with its part of every batch.
However a batch is cut, into processes or micro-batches, a step follows the mean over all its targets, so the
numbers are those of one process up to rounding. Left out on purpose: anything that a model of this size does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from llmbook.core.measure.losses import Loss, cross_entropy
from llmbook.core.run import runtime
from llmbook.core.train.checkpoint import History, Row, Run, check_writable
from llmbook.core.train.data import Draw, fingerprint, make_stream, make_valid_batches, micro_batches
from llmbook.core.train.distributed import (
    PARALLEL,
    Batch,
    LossFn,
    averaging_gradients,
    collect_weights,
    join_processes,
    n_processes,
    parallelize,
    rank,
    sum_over_processes,
    whole,
)
from llmbook.core.train.optim import Recipe, make_optimizers, trainable


def train(
    model: nn.Module,
    data: Tensor | Draw,
    recipe: Recipe,
    *,
    valid_ids: Tensor | list[Batch] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    loss_fn: LossFn | None = None,
    parallel: str = "ddp",
    progress: bool = True,
    on_log: Callable[[Row], None] | None = None,
) -> History:
    """Train `model` in place, by `recipe`, and return what happened. Afterwards the model is in eval mode.

    Args:
        data: token ids (N,), from which random contexts are cut; or a function that makes one batch (a tuple
            of tensors with B rows) and draws all its randomness from the generator it is given.
        valid_ids: token ids (N,), or a list of batches. Measuring them does not count as time.
        loss_fn: (model, batch) -> Loss(total, weight); by default the cross-entropy of the next token.
        checkpoint: file to save to, every `recipe.save_every` steps and at the end.
        resume: go on from `checkpoint`; with a budget of steps the result is bit for bit that of a run that
            never stopped. Without such a file it starts at step 0, so that one command can be repeated.
        parallel: what several processes do. `ddp`: each holds the whole model. `fsdp`: each holds a share of
            weights, gradients and optimizer state. A checkpoint of one serves the other, and any number of processes.
        progress: show a bar, if stderr is a terminal; a notebook stores nothing of it.
        on_log: called with each new row.

    Raises:
        ValueError: before the first step. Ids too short, too long or of another vocabulary than the model's; a batch
            that processes and micro-batches cannot share evenly; a checkpoint that cannot be written, is damaged,
            or is of another model, recipe, seed or text.
        FloatingPointError: at the step at which loss, gradients or weights stop being finite numbers.
    """
    device = join_processes(device)
    check_arguments(model, recipe, checkpoint, resume, parallel)
    generator = torch.Generator().manual_seed(seed)  # draws the batches
    torch.manual_seed(seed)  # for dropout
    stream = make_stream(model, data, recipe, generator, device)
    valid = make_valid_batches(model, valid_ids, recipe, device)
    objective, trained = parallelize(model.to(device).train(), loss_fn or next_token_loss, parallel)
    optimizers = make_optimizers(trained, recipe)
    run, state = Run(recipe, seed, fingerprint(data)), (trained, optimizers, generator)
    if resume and checkpoint is not None and Path(checkpoint).exists():
        run.load(checkpoint, *state)
    valid_loss(objective, valid)  # what is wrong with it comes out now and not after the last step

    with progress_bar(progress) as bar:
        run.start_clock()
        while not run.over():
            lr, batch = recipe.lr_at(run.done(ahead=1)), next(stream)
            loss = backward(objective, batch, recipe)
            grad_norm = clip_gradients(objective, recipe.grad_clip)
            run.check_finite(lr, loss=loss, grad_norm=grad_norm)
            update(optimizers, lr)
            run.check_finite(lr, weights=norm_of(trainable(trained)))
            run.count(loss, grad_norm, batch)
            with run.clock_stopped():
                log_if_due(run, lr, objective, valid, bar, on_log)
                if checkpoint is not None and (run.due(recipe.save_every) or run.over()):
                    run.save(checkpoint, *state)
    collect_weights(model, trained, device)
    model.eval()
    return run.history


def log_if_due(
    run: Run,
    lr: float,
    objective: nn.Module,
    valid: list[Batch],
    bar: tqdm,
    on_log: Callable[[Row], None] | None,
) -> None:
    """Add a row to the history, with the validation loss if that is due too; the end is always due."""
    measure = run.due(run.recipe.eval_every) or run.over()
    if measure or run.due(run.recipe.log_every):
        row = run.log(lr, valid_loss(objective, valid) if measure else None)
        report(row, run.done(), bar, on_log)


def check_arguments(
    model: nn.Module, recipe: Recipe, checkpoint: str | Path | None, resume: bool, parallel: str
) -> None:
    """Raise ValueError for what can be known to go wrong, before anything is done."""
    trainable(model)
    if parallel not in PARALLEL:
        raise ValueError(f"parallel is {parallel!r}; give one of {', '.join(PARALLEL)}")
    if parallel == "fsdp" and recipe.optimizer == "muon":
        raise ValueError(
            "optimizer='muon' with parallel='fsdp'; Muon needs whole matrices and fsdp splits them: "
            "use optimizer='adamw' or parallel='ddp'"
        )
    if checkpoint is None and resume:
        raise ValueError("resume=True without a checkpoint; give the file to go on from")
    if checkpoint is not None:
        check_writable(checkpoint)


def backward(objective: nn.Module, batch: Batch, recipe: Recipe) -> float:
    """Gradients of the mean loss per target, over all micro-batches and processes together; returns that loss.

    How many targets count is known only at the end. So each micro-batch is divided by the number that is usual, and
    the gradients are corrected once, at the end.
    """
    usual = batch[0].numel()  # every token is a target
    objective.zero_grad(set_to_none=True)
    sums = []
    for i, part in enumerate(micro_batches(batch, recipe.accumulate), start=1):
        with averaging_gradients(objective, i == recipe.accumulate):
            with torch.autocast(batch[0].device.type, dtype=torch.bfloat16, enabled=recipe.amp):
                loss = objective(part)
            (loss.total / usual).backward()
        sums.append(total_and_weight(loss))
    total, weight = sum_over_processes(torch.stack(sums).sum(0))
    if not weight > 0:
        raise ValueError("no target of the batch counts; look for rows in which all are ignored")
    correction = usual * n_processes() / weight.item()  # DDP and FSDP take the mean over processes
    for p in objective.parameters():
        if p.grad is not None and correction != 1:
            p.grad.mul_(correction)
    return (total / weight).item()


def total_and_weight(loss: Loss) -> Tensor:
    """Both as one tensor (2,), in float32 or more, to be summed."""
    total = loss.total.detach()
    total = total.to(torch.promote_types(total.dtype, torch.float32))
    return torch.stack([total, torch.as_tensor(loss.weight).to(total)])


def clip_gradients(objective: nn.Module, largest: float) -> float:
    """Shorten the gradients to norm `largest`, unless that is 0; returns their norm before.

    Pascanu et al. (2013), arXiv:1211.5063.
    """
    norm = nn.utils.get_total_norm([p.grad for p in objective.parameters() if p.grad is not None])
    if largest:
        nn.utils.clip_grads_with_norm_(objective.parameters(), largest, norm)
    return float(whole(norm))


def norm_of(weights: list[nn.Parameter]) -> float:
    """Euclidean norm of all the weights together; not finite if one of them is not."""
    return float(whole(nn.utils.get_total_norm([p.detach() for p in weights])))


def update(optimizers: list[Optimizer], lr: float) -> None:
    """Change the weights by their gradients."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()


def next_token_loss(model: nn.Module, batch: Batch) -> Loss:
    """Cross-entropy, in nats, of y (B, T) under model(x): logits (B, T, V); targets of -100 do not count."""
    x, y = batch
    return cross_entropy(model(x), y)


def valid_loss(objective: nn.Module, valid: list[Batch]) -> float | None:
    """Mean loss per target over all validation batches together; None when there are none."""
    if not valid:
        return None
    with runtime.evaluating(objective):
        sums = [tuple(map(float, objective(batch))) for batch in valid]
    total, weight = (sum(column) for column in zip(*sums, strict=True))
    if not weight > 0:
        raise ValueError("no target of the validation batches counts; give some in which not all are ignored")
    return total / weight


def progress_bar(wanted: bool) -> tqdm:
    """A bar on a terminal; nothing where stderr is a file or a notebook, whose stored output stays clean."""
    shown = wanted and rank() == 0 and sys.stderr.isatty()
    layout = "{percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=1.0, leave=False, disable=not shown, bar_format=layout)


def report(row: Row, done: float, bar: tqdm, on_log: Callable[[Row], None] | None) -> None:
    """Show a new row on the bar and hand it to whoever asked; only the first process speaks."""
    bar.set_postfix(step=row["step"], loss=f"{row['loss']:.3f}", refresh=False)
    bar.update(min(done, 1.0) - bar.n)
    if on_log and rank() == 0:
        on_log(row)
