"""How a recurrent network starts: as PyTorch draws it, or helped to remember.

How far a gradient reaches before training depends on the start as much as on the cell, so whoever compares cells has
to show both. The helped start is one known remedy a cell:

- RNN: an orthogonal recurrent matrix, which keeps lengths (Saxe et al. 2014, arXiv:1312.6120);
- LSTM: forget gates that start open, bias 1 (Gers et al. 2000, doi:10.1162/089976600300015015; Jozefowicz et al.
  2015, who found it to matter for language);
- GRU: the same for its update gate, which keeps the old state when it is near 1 (in PyTorch's form).

Left out: biases spread over the time scales of a task (Tallec & Ollivier 2018), identity matrices with ReLU.
"""

from __future__ import annotations

import torch
from torch import nn

from llmbook.history.recurrent import RecurrentLM

STARTS = ("plain", "helped")


def check_start(start: str) -> None:
    """``ValueError`` unless ``start`` is one of ``STARTS``."""
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; allowed: {', '.join(STARTS)}")


def help_start(model: RecurrentLM, bias: float = 1.0) -> RecurrentLM:
    """Change a freshly drawn network, in place, so that it remembers by default; returns it.

    ``bias`` is added to the gate that keeps the past (LSTM, GRU); an RNN has no gate and gets an orthogonal matrix.

    >>> model = RecurrentLM("gru", vocab_size=9, n_embd=4, n_hidden=3)
    >>> before = model.layers.bias_ih_l0.detach().clone()
    >>> (help_start(model).layers.bias_ih_l0 - before).round().tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    n = model.layers.hidden_size
    for name, p in model.layers.named_parameters():
        with torch.no_grad():
            if model.kind == "rnn" and name.startswith("weight_hh"):
                nn.init.orthogonal_(p)
            if model.kind != "rnn" and name.startswith("bias_ih"):
                p[n : 2 * n] += bias  # PyTorch's rows: i, f, g, o for the LSTM; r, z, n for the GRU
    return model
