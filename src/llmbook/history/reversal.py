"""Reversing a sequence: the smallest task on which a sequence-to-sequence model needs to look back.

The models are in ``seq2seq`` (Sutskever et al. 2014; Luong et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from llmbook.core.measure import losses
from llmbook.core.measure.metrics import exact_match
from llmbook.core.text.tokens import PAD
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe
from llmbook.history import seq2seq


def train_to_reverse(
    attention: bool,
    *,
    steps: int,
    seed: int = 0,
    kind: str = "lstm",
    n_hidden: int = 64,
    device: str | torch.device = "cpu",
) -> seq2seq.Seq2Seq:
    """A sequence-to-sequence model with a state of ``n_hidden`` after ``steps`` steps of reversing 2 to 12 symbols.

    Each step sees 64 newly drawn sequences; with and without attention they are the same ones.
    """
    torch.manual_seed(seed)
    model = seq2seq.Seq2Seq(kind, attention, source_vocab=14, target_vocab=14, n_embd=32, n_hidden=n_hidden)

    def draw(generator: torch.Generator) -> tuple[Tensor, ...]:
        return tuple(t.to(device) for t in seq2seq.reversal_batch(64, (2, 12), generator=generator))

    def loss(model: nn.Module, batch: tuple) -> losses.Loss:
        return losses.cross_entropy(model(batch[0], batch[1]), batch[2], ignore_index=PAD)

    recipe = Recipe(lr=5e-3, steps=steps, batch_size=64, block_size=16, weight_decay=0.0, warmup=0.05)
    training.train(model, draw, recipe, loss_fn=loss, seed=seed, device=device, progress=False)
    return model


def reversed_right(
    model: seq2seq.Seq2Seq, lengths: Sequence[int], *, seed: int = 0, n_test: int = 200
) -> dict[int, float]:
    """The share of whole sequences that the model reverses, for each length.

    Scored on ``n_test`` newly drawn sequences of each length. Of the short ones nearly all were seen in training as
    well, since there are no more than 10^n; of ten symbols hardly any.
    Raises ``ValueError`` for no length, a length below 1, or no sequence to score.
    """
    check_lengths(lengths, n_test)
    device, generator = next(model.parameters()).device, torch.Generator().manual_seed(seed + 1)
    right = {}
    for n in lengths:
        batch = seq2seq.reversal_batch(n_test, (n, n), generator=generator)
        out = model.translate(batch.source.to(device), max_new_tokens=n + 2).ids
        right[n] = float(np.mean(exact_match(seq2seq.until_eos(out), seq2seq.until_eos(batch.target_out))))
    return right


def reverse_by_length(
    attention: bool, lengths: Sequence[int], *, steps: int, seed: int = 0, n_test: int = 200, **options: Any
) -> dict[int, float]:
    """``train_to_reverse`` and then ``reversed_right``; ``options`` go to the former."""
    check_lengths(lengths, n_test)  # before the training
    model = train_to_reverse(attention, steps=steps, seed=seed, **options)
    return reversed_right(model, lengths, seed=seed, n_test=n_test)


def check_lengths(lengths: Sequence[int], n_test: int) -> None:
    """``ValueError`` unless there is something to score."""
    if not lengths or min(lengths) < 1 or n_test < 1:
        raise ValueError(
            f"lengths are {list(lengths)}, n_test {n_test}; give lengths of at least 1, and n_test too"
        )
