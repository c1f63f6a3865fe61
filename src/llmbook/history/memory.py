"""How far back a recurrent network feels: gradients over distance, before any training.

Hochreiter & Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735); the open forget gate is Gers et al. 2000.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from llmbook.history import recurrent


def reach(kinds: Sequence[str], distance: int = 48, seed: int = 0, n: int = 32) -> dict[str, np.ndarray]:
    """Gradient of the last prediction with respect to each earlier input, relative to the last: (distance,) per kind.

    Freshly initialised cells in their plain form; the LSTM's forget gate starts open (bias 1, Gers et al. 2000).
    Raises ``ValueError`` for a bare string, an unknown kind, or a distance or number of texts below 1.
    """
    if isinstance(kinds, str):
        raise ValueError(f"kinds is the string {kinds!r}; give a list of kinds, such as [{kinds!r}]")
    if distance < 1 or n < 1:
        raise ValueError(f"distance is {distance}, n is {n}; both are at least 1")
    result = {}
    for kind in kinds:
        torch.manual_seed(seed)
        model = recurrent.RecurrentLM(kind, vocab_size=64, n_embd=64, n_hidden=128, block_size=distance)
        if kind == "lstm":
            open_forget_gate(model)
        ids = torch.randint(64, (n, distance + 1), generator=torch.Generator().manual_seed(seed))
        size = recurrent.gradient_by_distance(model, ids)
        result[kind] = size / size[0]
    return result


def open_forget_gate(model: recurrent.RecurrentLM, bias: float = 1.0) -> None:
    """Let an LSTM remember by default: add ``bias`` to its forget gates (rows N to 2N of PyTorch's layout)."""
    for name, p in model.named_parameters():
        if ".bias_ih" in name or name.startswith("bias_ih"):
            n = len(p) // 4
            with torch.no_grad():
                p[n : 2 * n] += bias
