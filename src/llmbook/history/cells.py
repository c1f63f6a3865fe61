"""Recurrent cells, written as their equations.

Elman's network (1990), the LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000) and
the GRU (Cho et al. 2014, in the form torch uses). :func:`unroll` runs them with the weights of a ``torch.nn``
layer, so the readable and the fast path are the same model. Left out: peepholes, dropout.

Shapes: B batch, T tokens, C embedding size, N hidden size, L layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]  # (h,) for rnn and gru, (h, c) for lstm


class Weights(NamedTuple):
    """One layer in torch's layout: W_ih (gates*N, C), W_hh (gates*N, N), b_ih and b_hh (gates*N,)."""

    W_ih: Tensor
    W_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor


def rnn_cell(x: Tensor, state: State, w: Weights) -> State:
    """One step of Elman's network: h' = tanh(W x + U h + b). ``x`` (B, C), ``h`` (B, N).

    >>> w = Weights(torch.zeros(2, 3), torch.zeros(2, 2), torch.ones(2), torch.zeros(2))
    >>> rnn_cell(torch.ones(1, 3), (torch.zeros(1, 2),), w)[0]
    tensor([[0.7616, 0.7616]])
    """
    (h,) = state
    return (torch.tanh(x @ w.W_ih.T + w.b_ih + h @ w.W_hh.T + w.b_hh),)


def lstm_cell(x: Tensor, state: State, w: Weights) -> State:
    """One step of an LSTM. The cell ``c`` is added to, not multiplied through: the gradient's free path.

    >>> w = Weights(torch.zeros(4, 3), torch.zeros(4, 1), torch.zeros(4), torch.zeros(4))
    >>> [part.item() for part in lstm_cell(torch.ones(1, 3), (torch.zeros(1, 1), torch.ones(1, 1)), w)][1]
    0.5
    """
    h, c = state
    i, f, g, o = (x @ w.W_ih.T + w.b_ih + h @ w.W_hh.T + w.b_hh).chunk(4, dim=-1)  # each (B, N)
    i, f, o = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o)  # input, forget and output gates
    c = f * c + i * torch.tanh(g)
    return o * torch.tanh(c), c


def gru_cell(x: Tensor, state: State, w: Weights) -> State:
    """One step of a GRU: the gate z mixes the old state with a candidate n; r gates what n sees of the past.

    >>> w = Weights(torch.zeros(3, 3), torch.zeros(3, 1), torch.zeros(3), torch.zeros(3))
    >>> gru_cell(torch.ones(1, 3), (torch.ones(1, 1),), w)[0].item()
    0.5
    """
    (h,) = state
    x_r, x_z, x_n = (x @ w.W_ih.T + w.b_ih).chunk(3, dim=-1)  # each (B, N)
    h_r, h_z, h_n = (h @ w.W_hh.T + w.b_hh).chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


CELLS = {"rnn": rnn_cell, "lstm": lstm_cell, "gru": gru_cell}
LAYERS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def check_kind(kind: str) -> None:
    """``ValueError`` unless ``kind`` is one of ``CELLS``."""
    if kind not in CELLS:
        raise ValueError(f"kind is {kind!r}; allowed: {', '.join(CELLS)}")


def unroll(layers: nn.RNNBase, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``torch.nn.RNN``, ``LSTM`` or ``GRU`` (``batch_first=True``) with our own cells, step by step.

    Args:
        layers: the layer whose weights are used.
        x: (B, T, C).
        state: each part (L, B, N); zeros if None.

    Returns:
        The top layer's outputs (B, T, N) and the last state, each part (L, B, N).
    """
    cell = CELLS[layers.mode.lower().split("_")[0]]
    parts = 2 if isinstance(layers, nn.LSTM) else 1
    if state is None:
        state = (x.new_zeros(layers.num_layers, len(x), layers.hidden_size),) * parts
    last = []
    for layer in range(layers.num_layers):
        weights = Weights(*(getattr(layers, f"{name}_l{layer}") for name in _TORCH_NAMES))
        now, outputs = tuple(part[layer] for part in state), []
        for t in range(x.shape[1]):
            now = cell(x[:, t], now, weights)
            outputs.append(now[0])
        x = torch.stack(outputs, dim=1)  # (B, T, N), the next layer's input
        last.append(now)
    return x, tuple(torch.stack(part) for part in zip(*last, strict=True))


_TORCH_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def run(layers: nn.RNNBase, x: Any, state: State | None, readable: bool) -> tuple[Any, State]:
    """Either :func:`unroll` or torch's fused kernel; the state is always a tuple."""
    if readable:
        return unroll(layers, x, state)
    single = not isinstance(layers, nn.LSTM)
    out, last = layers(x, state[0] if state is not None and single else state)
    return out, (last,) if single else last
