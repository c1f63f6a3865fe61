"""Language models before the transformer: feed-forward and recurrent.

Their cells are in ``cells``; models that translate are in ``seq2seq``. Left out: dropout.

Shapes: B batch, T tokens, C embedding size, N hidden size, V vocabulary.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmbook.core.text.tokens import check_ids
from llmbook.history.cells import LAYERS, State, check_kind, run


class RecurrentLM(nn.Module):
    """Recurrent language model (Mikolov et al. 2010): embedding, recurrent layers, logits.

    ``readable=True`` runs our own cells instead of torch's fused ones: the same numbers, slower. ``tie``
    shares the embedding with the output (Press & Wolf 2017). ``block_size`` is the length it is trained on,
    not a limit.

    >>> RecurrentLM("gru", vocab_size=11, n_embd=4, n_hidden=6)(torch.zeros(2, 5, dtype=torch.long)).shape
    torch.Size([2, 5, 11])

    Raises:
        ValueError: unknown ``kind``; ``tie`` with ``n_embd`` unlike ``n_hidden``; ids that are not (B, T).
    """

    def __init__(
        self,
        kind: str = "lstm",
        vocab_size: int = 256,
        n_embd: int = 64,
        n_hidden: int = 128,
        n_layer: int = 1,
        block_size: int = 128,
        tie: bool = False,
        readable: bool = False,
    ) -> None:
        super().__init__()
        check_kind(kind)
        if tie and n_embd != n_hidden:
            raise ValueError(f"tie needs n_embd equal to n_hidden; they are {n_embd} and {n_hidden}")
        self.kind, self.vocab_size, self.block_size, self.readable = kind, vocab_size, block_size, readable
        self.embedding = nn.Embedding(vocab_size, n_embd)
        self.layers = LAYERS[kind](n_embd, n_hidden, n_layer, batch_first=True)
        self.head = nn.Linear(n_hidden, vocab_size)
        if tie:
            nn.init.normal_(self.embedding.weight, std=n_embd**-0.5)
            self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) for the token after each of ``ids`` (B, T)."""
        return self.step(ids)[0]

    def step(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read ``ids`` (B, T) from ``state`` on: logits (B, T, V) and the new state, always the same size."""
        check_ids(ids, self.vocab_size)
        h, state = run(self.layers, self.embedding(ids), state, self.readable)  # (B, T, N)
        return self.head(h), state


class FeedForwardLM(nn.Module):
    """Neural probabilistic language model (Bengio et al. 2003, eq. 1): y = b + W x + U tanh(d + H x).

    ``x`` is the concatenation of the embeddings of the last ``context`` tokens; before the start of the text
    stands a learned padding vector. ``direct`` switches the connection W from the embeddings straight to the
    logits. ``block_size`` says how long a window to train on; only ``context`` tokens are ever looked at.

    >>> FeedForwardLM(11, n_embd=4, n_hidden=6, context=3)(torch.zeros(2, 5, dtype=torch.long)).shape
    torch.Size([2, 5, 11])

    Raises:
        ValueError: ``context`` below 1; ids that are not (B, T).
    """

    def __init__(
        self,
        vocab_size: int = 256,
        n_embd: int = 32,
        n_hidden: int = 128,
        context: int = 8,
        direct: bool = True,
        block_size: int | None = None,
    ) -> None:
        super().__init__()
        if context < 1:
            raise ValueError(f"context is {context}; the model needs at least 1 token to look at")
        self.vocab_size, self.context, self.block_size = vocab_size, context, block_size or context
        self.embedding = nn.Embedding(vocab_size, n_embd)  # C in the paper
        self.start = nn.Parameter(torch.zeros(n_embd))
        self.H = nn.Linear(context * n_embd, n_hidden)  # H and d
        self.head = nn.ModuleDict({"U": nn.Linear(n_hidden, vocab_size)})  # U and b
        if direct:
            self.head["W"] = nn.Linear(context * n_embd, vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) for the token after each of ``ids`` (B, T)."""
        check_ids(ids, self.vocab_size)
        e = self.embedding(ids)  # (B, T, C)
        before = self.start.expand(len(ids), self.context - 1, -1)
        windows = torch.cat([before, e], dim=1).unfold(1, self.context, 1)  # (B, T, C, context)
        x = windows.transpose(2, 3).flatten(2)  # (B, T, context * C), oldest token first
        logits = self.head["U"](torch.tanh(self.H(x)))
        return logits + self.head["W"](x) if "W" in self.head else logits


def gradient_by_distance(model: nn.Module, ids: Tensor, embedding: nn.Module | None = None) -> np.ndarray:
    """How strongly each earlier token reaches the last prediction.

    The loss of predicting ``ids[:, -1]`` from the tokens before is differentiated with respect to each input
    embedding (Bengio, Simard & Frasconi 1994).

    Args:
        model: maps ids (B, T) to logits (B, T, V).
        ids: (B, T + 1).
        embedding: the module whose output is watched; ``model.embedding`` if None.

    Returns:
        (T,) mean over the batch of the gradient's norm, in nats per unit of embedding; index d is d tokens
        before the last input.

    Raises:
        ValueError: fewer than two tokens.
    """
    if ids.dim() != 2 or ids.shape[1] < 2:
        raise ValueError(f"ids has shape {tuple(ids.shape)}; pass (B, T + 1) with at least two tokens")
    kept: list[Tensor] = []
    watched: nn.Module = embedding or model.embedding  # type: ignore[assignment]
    hook = watched.register_forward_hook(lambda module, args, out: kept.append(out))
    try:
        logits = model(ids[:, :-1])[:, -1]  # (B, V)
    finally:
        hook.remove()
    loss = F.cross_entropy(logits, ids[:, -1], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, kept[0])  # (B, T, C)
    gradient = gradient if gradient.dtype == torch.float64 else gradient.float()  # numpy has no bfloat16
    return gradient.norm(dim=-1).mean(dim=0).flip(0).cpu().numpy()
