"""What positions and masks do, measured: scores over distance, and whose input can reach whose output."""

from __future__ import annotations

import torch
from torch import Tensor

from llmbook.core.models.positions import apply_rope, rope_angles
from llmbook.core.models.transformer import Transformer


def rope_score(distance: Tensor, head_dim: int = 64, base: float = 10_000.0) -> Tensor:
    """The score of a query and a key that are the same vector of ones, at each distance: (len,), 1 at zero.

    Other vectors have other scores, which need not fall (Barbero et al. 2024, arXiv:2410.06205).
    """
    one = torch.ones(1, 1, 1, head_dim, device=distance.device)
    key = apply_rope(one, *rope_angles(distance.new_zeros(1), head_dim, base))
    query = apply_rope(one.expand(1, 1, len(distance), head_dim), *rope_angles(distance, head_dim, base))
    return (query @ key.mT).flatten() / head_dim


def influence(model: Transformer, mask: Tensor, seed: int = 0) -> Tensor:
    """Whose embedding can change whose output, measured by gradients: bool (T, T), rows are outputs.

    ``mask`` (T, T) takes the place of the model's own.
    """
    ids = torch.randint(model.vocab_size, (1, len(mask)), generator=torch.Generator().manual_seed(seed))
    x = model.embed(ids.to(model.embed.weight.device)).detach().requires_grad_()  # (1, T, C)
    out = model.stack(x, mask=mask.to(x.device), causal=False)  # (1, T, C)
    probe = torch.randn(out.shape[-1], generator=torch.Generator().manual_seed(seed)).to(out)
    rows = [
        torch.autograd.grad(out[0, i] @ probe, x, retain_graph=True)[0][0].abs().sum(-1) > 0
        for i in range(len(mask))
    ]
    return torch.stack(rows)
