"""How to train: the recipe, which optimizer gets which weights, and how the learning rate moves.

AdamW: Loshchilov & Hutter (2019), arXiv:1711.05101. Muon: Jordan et al. (2024),
https://kellerjordan.github.io/posts/muon/ (momentum, made nearly orthogonal by five Newton–Schulz steps
with the coefficients 3.4445, -4.7750, 2.0315, which are PyTorch's defaults). Both are PyTorch's own: this
module decides only who gets what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

HEADS = ("head", "lm_head", "classifier")  # module names of output layers


def constant(done: float, cooldown: float, final: float) -> float:
    """The full learning rate to the end."""
    return 1.0


def cosine(done: float, cooldown: float, final: float) -> float:
    """Half a cosine wave from 1 down to `final`: Loshchilov & Hutter (2017), arXiv:1608.03983, equation 5.

    >>> [round(cosine(x, 0, 0.1), 3) for x in (0, 0.5, 1)]
    [1.0, 0.55, 0.1]
    """
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def wsd(done: float, cooldown: float, final: float) -> float:
    """Warm-up–stable–decay: 1, then a straight line to `final` over the last `cooldown` of the run.

    Source: Hu et al. (2024), "MiniCPM", arXiv:2404.06395, section 4; the linear decay is Hägele et al.
    (2024), arXiv:2405.18392.

    >>> [round(wsd(x, 0.2, 0.0), 3) for x in (0, 0.8, 0.9, 1)]
    [1.0, 1.0, 0.5, 0.0]
    """
    return min(1.0, final + (1 - final) * (1 - done) / cooldown)


SCHEDULES: dict[str, Callable[[float, float, float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "wsd": wsd,
}


@dataclass(frozen=True)
class Recipe:
    """How to train: everything but model and data. Give `steps` or `seconds`, and it stops after that many.

    `warmup` and `cooldown` are shares of the run: warmup=0.1 raises the learning rate from 0 in a straight
    line over its first tenth; `wsd` lowers it over the last `cooldown`. `final_lr` is the share of `lr`
    left at the end. With `seconds` the schedule follows the clock, so two runs differ a little; with
    `steps` they do not.

    >>> Recipe(steps=100, seconds=60)
    Traceback (most recent call last):
    ValueError: steps=100 and seconds=60; give exactly one of the two as the budget
    """

    lr: float = 1e-3
    steps: int | None = None
    seconds: float | None = None
    batch_size: int = 32  # sequences in a step, of all processes and micro-batches together
    accumulate: int = 1  # micro-batches: gradients of batch_size / accumulate rows at a time, added up
    block_size: int = 64
    schedule: str = "cosine"
    warmup: float = 0.05
    cooldown: float = 0.2
    final_lr: float = 0.1
    optimizer: str = "adamw"
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)  # as GPT-3: Brown et al. (2020), appendix B
    grad_clip: float = 1.0  # largest gradient norm; 0 switches clipping off
    amp: bool = False  # compute in bfloat16 where that is safe; weights stay float32
    log_every: int = 10  # steps between two rows of the history
    eval_every: int | None = None  # steps between two validation losses; there is always one at the end
    eval_windows: int = 64  # contexts of validation text, spread evenly over it
    save_every: int = 200  # steps between two checkpoints; there is always one at the end

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError(
                f"steps={self.steps} and seconds={self.seconds}; give exactly one of the two as the budget"
            )
        counts = ["steps", "batch_size", "accumulate", "block_size", "eval_windows"]
        counts += ["log_every", "eval_every", "save_every"]
        self._check("a whole number of at least 1", counts, lambda v: isinstance(v, int) and v >= 1)
        self._check("a positive number", ("lr", "seconds"), lambda v: _is_number(v) and v > 0)
        self._check("0 or more", ("weight_decay", "grad_clip"), lambda v: _is_number(v) and v >= 0)
        self._check("a share from 0 to 1", ("cooldown", "final_lr"), lambda v: _is_number(v) and 0 <= v <= 1)
        # a warm-up that is the whole run would never reach lr
        self._check("a share from 0 to below 1", ("warmup",), lambda v: _is_number(v) and 0 <= v < 1)
        self._check(f"one of {', '.join(SCHEDULES)}", ("schedule",), lambda v: v in SCHEDULES)
        self._check("adamw or muon", ("optimizer",), lambda v: v in ("adamw", "muon"))
        self._check("a tuple of two numbers in [0, 1)", ("betas",), _are_betas)
        self._check("True or False", ("amp",), lambda v: isinstance(v, bool))
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size={self.batch_size} with accumulate={self.accumulate}; "
                f"give a batch_size that is a multiple of accumulate"
            )
        if self.schedule == "wsd" and not 0 < self.cooldown <= 1 - self.warmup:
            raise ValueError(
                f"cooldown={self.cooldown} with warmup={self.warmup}; "
                f"for schedule='wsd' give a cooldown above 0, and at most 1 for the two together"
            )

    def _check(self, allowed: str, names: Sequence[str], good: Callable[[Any], bool]) -> None:
        for name in names:
            value = getattr(self, name)
            try:
                fine = (value is None and name in ("steps", "seconds", "eval_every")) or good(value)
            except TypeError:
                fine = False
            if not fine or (isinstance(value, bool) and name != "amp"):
                raise ValueError(f"{name} is {value!r}; give {allowed}")

    def lr_at(self, done: float) -> float:
        """The learning rate when a share `done` (0 to 1) of the run is over.

        >>> recipe = Recipe(lr=1.0, steps=1, schedule="constant", warmup=0.1)
        >>> [recipe.lr_at(done) for done in (0, 0.05, 0.1, 1)]
        [0.0, 0.5, 1.0, 1.0]
        """
        if done < self.warmup:
            return self.lr * done / self.warmup
        if self.schedule == "cosine":
            done = (done - self.warmup) / (1 - self.warmup)  # the wave begins where the warm-up ends
        return self.lr * SCHEDULES[self.schedule](min(done, 1.0), self.cooldown, self.final_lr)


def _is_number(value: Any) -> bool:
    """A finite int or float; True and False are no numbers here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_betas(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(_is_number(b) and 0 <= b < 1 for b in value)


def make_optimizers(model: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """Optimizers that together update each trainable parameter of `model` once.

    `adamw` is one AdamW. `muon` is Muon for the hidden matrices and AdamW for the rest: embeddings and output
    layers (as Jordan et al. advise), norms and biases, which are no matrices. Weight decay
    shrinks matrices only; a norm's gain or a bias has no reason to be small.

    Raises ValueError for a model with nothing to train.

    >>> model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    >>> [type(optimizer).__name__ for optimizer in make_optimizers(model, Recipe(steps=1, optimizer="muon"))]
    ['Muon', 'AdamW']
    """
    trained = trainable(model)
    hidden = hidden_matrices(model) if recipe.optimizer == "muon" else []
    taken = {id(p) for p in hidden}
    optimizers: list[Optimizer] = []
    if hidden:
        # Scaled by 0.2 √max(rows, columns), a Muon step is as large as an AdamW step, so that one lr serves
        # both: Liu et al. (2025), "Muon is scalable for LLM training", arXiv:2502.16982, section 2.2.
        decay = recipe.weight_decay
        muon = torch.optim.Muon(hidden, lr=recipe.lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        optimizers.append(muon)
    rest = decay_groups([p for p in trained if id(p) not in taken], recipe.weight_decay)
    if rest:
        optimizers.append(torch.optim.AdamW(rest, lr=recipe.lr, betas=recipe.betas))
    return optimizers


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that training changes. Raises ValueError when there are none.

    >>> [tuple(p.shape) for p in trainable(nn.Linear(3, 2))]
    [(2, 3), (2,)]
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("the model has no parameter with requires_grad=True; there is nothing to train")
    return trained


def decay_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict]:
    """Two parameter groups for AdamW: matrices with weight decay, vectors and scalars without."""
    matrices = [p for p in parameters if p.dim() >= 2]
    vectors = [p for p in parameters if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The trainable 2-D weights between embedding and output layer: those that Muon is made for.

    >>> model = nn.ModuleDict({"embed": nn.Embedding(9, 4), "up": nn.Linear(4, 8), "head": nn.Linear(8, 9)})
    >>> [tuple(p.shape) for p in hidden_matrices(model)]
    [(8, 4)]
    """
    ends = {
        id(p)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) or name.rpartition(".")[2] in HEADS
        for p in module.parameters()
    }
    return [p for p in model.parameters() if p.requires_grad and p.dim() == 2 and id(p) not in ends]
