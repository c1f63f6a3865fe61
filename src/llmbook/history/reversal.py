"""Reversing a sequence: the smallest task on which a sequence-to-sequence model needs to look back.

The models are in ``seq2seq`` (Sutskever et al. 2014; Luong et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from llmbook.core.measure import losses
from llmbook.core.measure.metrics import exact_match
from llmbook.core.text.tokens import PAD
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe
from llmbook.history import seq2seq


def reverse_by_length(attention: bool, lengths: Sequence[int], *, steps: int, seed: int = 0, kind: str = "lstm",
                      device: str | torch.device = "cpu", n_test: int = 200) -> dict[int, float]:  # fmt: skip
    """Train a sequence-to-sequence model to reverse 2 to 12 symbols; the share of whole sequences right, per length.

    Scored on ``n_test`` newly drawn sequences of each length. Of the short ones nearly all were seen in training as
    well, since there are no more than 10^n; of ten symbols hardly any.
    Raises ``ValueError`` for no length, a length below 1, or no sequence to score.
    """
    if not lengths or min(lengths) < 1 or n_test < 1:
        raise ValueError(
            f"lengths are {list(lengths)}, n_test {n_test}; give lengths of at least 1, and n_test too"
        )
    torch.manual_seed(seed)
    model = seq2seq.Seq2Seq(kind, attention, source_vocab=14, target_vocab=14, n_embd=32, n_hidden=64)

    def draw(generator: torch.Generator) -> tuple[Tensor, ...]:
        return tuple(t.to(device) for t in seq2seq.reversal_batch(64, (2, 12), generator=generator))

    def loss(model: nn.Module, batch: tuple) -> losses.Loss:
        return losses.cross_entropy(model(batch[0], batch[1]), batch[2], ignore_index=PAD)

    recipe = Recipe(lr=5e-3, steps=steps, batch_size=64, block_size=16, weight_decay=0.0, warmup=0.05)
    training.train(model, draw, recipe, loss_fn=loss, seed=seed, device=device, progress=False)
    generator = torch.Generator().manual_seed(seed + 1)
    right = {}
    for n in lengths:
        batch = seq2seq.reversal_batch(n_test, (n, n), generator=generator)
        out = model.translate(batch.source.to(device), max_new_tokens=n + 2).ids
        right[n] = float(np.mean(exact_match(seq2seq.until_eos(out), seq2seq.until_eos(batch.target_out))))
    return right
