"""What training costs in multiply-adds: counted by formula, so that a budget is the same on a busy machine.

Counted are products of matrices: each weight once per token, the two products inside attention, and what the optimizer
multiplies. Left out: embeddings (looked up, not multiplied), biases, norms, activations, the softmax, and AdamW's few
operations per weight: together a few in a hundred. Tests hold the formulas against ``torch.utils.flop_counter``, which
counts the products that really run.

One multiply-add is two floating-point operations, which is how papers count ("FLOPs").
"""

from __future__ import annotations

from torch import nn

from llmbook.core.models.attention import Attention
from llmbook.core.train.optim import hidden_matrices

NEWTON_SCHULZ = 5  # steps of Muon's iteration, PyTorch's default (Jordan et al. 2024)


def matrix_parameters(model: nn.Module) -> int:
    """Weights that are multiplied once per token: all matrices but the embeddings, which are looked up.

    >>> matrix_parameters(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10)))
    40
    """
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    heads = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    return sum(
        p.numel() for p in model.parameters() if p.dim() == 2 and (id(p) not in embeddings or id(p) in heads)
    )


def forward(model: nn.Module, block_size: int) -> int:
    """Multiply-adds per token of running a model over windows of ``block_size`` tokens.

    Attention multiplies each query with every key and each weight with every value: 2 T D per head and token. The whole
    square counts, as in PyTorch's counter, though half of it is masked; at T = 64 that is a few in a hundred.

    >>> forward(nn.Linear(4, 10, bias=False), block_size=8)
    40
    """
    attentions = [m for m in model.modules() if isinstance(m, Attention)]
    return matrix_parameters(model) + sum(2 * block_size * a.n_head * a.head_dim for a in attentions)


def muon(model: nn.Module) -> int:
    """Multiply-adds of one Muon step: five Newton-Schulz iterations on every hidden matrix.

    For a matrix m x n with m <= n one iteration makes X Xᵀ, its square, and the product with X: 2 m² n + m³.
    """
    sizes = [sorted(p.shape) for p in hidden_matrices(model)]
    return sum(NEWTON_SCHULZ * (2 * m * m * n + m**3) for m, n in sizes)


def training_step(model: nn.Module, optimizer: str, batch_size: int, block_size: int) -> int:
    """Multiply-adds of one step of training: forward, twice as much backward, and the optimizer's own.

    Going back, each product of the forward pass becomes two: for the gradient of either factor (Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1).

    >>> training_step(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10)), "adamw", batch_size=2, block_size=8)
    1920
    """
    passes = 3 * forward(model, block_size) * batch_size * block_size
    return passes + (muon(model) if optimizer == "muon" else 0)
