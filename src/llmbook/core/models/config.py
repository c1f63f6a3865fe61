"""Everything that tells one Transformer from another, in one small frozen dataclass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),  # GPT-2's
    "silu": F.silu,  # gated: SwiGLU, Shazeer 2020, arXiv:2002.05202
    "relu2": lambda x: F.relu(x).square(),  # So et al. 2021, arXiv:2109.08668
}
CHOICES = {
    "norm": ("layer", "rms"),
    "position": ("learned", "sinusoidal", "rope", "alibi", "relative", "none"),
    "activation": tuple(ACTIVATIONS),
    "mask": ("causal", "full"),
}


@dataclass(frozen=True)
class Config:
    """Everything that tells one Transformer from another. Sizes are numbers of elements; see ``CHOICES``.

    >>> Config(vocab_size=256, block_size=64, n_layer=2, n_head=4, n_embd=32).d_ff
    128
    >>> Config(vocab_size=256, block_size=64, n_layer=2, n_head=3, n_embd=32)
    Traceback (most recent call last):
    ...
    ValueError: n_embd = 32 is not a multiple of n_head = 3; choose other sizes or give head_dim
    """

    vocab_size: int
    block_size: int  # the longest context, in tokens
    n_layer: int
    n_head: int
    n_embd: int
    n_kv_head: int = 0  # 0: as many as n_head
    head_dim: int = 0  # 0: n_embd / n_head
    d_ff: int = 0  # 0: 4 n_embd, as in the 2017 paper
    norm: str = "layer"
    norm_eps: float = 1e-5
    norm_first: bool = True  # pre-norm (GPT-2 and after) or post-norm (2017, BERT)
    embed_norm: bool = False  # BERT normalises its embeddings
    position: str = "learned"
    rope_theta: float = 10_000.0
    activation: str = "gelu_tanh"
    gated: bool = False
    bias: bool = True
    qk_norm: bool = False
    scaled: bool = True  # divide the scores by sqrt(D); T5 does not
    scale_output: bool = False  # T5 1.0 shrinks the last hidden state by sqrt(C) before its tied output layer
    mask: str = "causal"
    tied: bool = True  # output layer = transposed embedding (Press & Wolf 2017, arXiv:1608.05859)
    token_types: int = 0  # BERT's sentence A / sentence B
    zero_init: bool = False  # what is added to the stream, and an output layer of its own, start at zero
    n_encoder_layer: int = 0  # > 0: an encoder in front, and cross-attention in every decoder block

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be at least 1")
        if not self.head_dim and self.n_embd % self.n_head:
            raise ValueError(
                f"n_embd = {self.n_embd} is not a multiple of n_head = {self.n_head}; "
                "choose other sizes or give head_dim"
            )
        defaults = {"n_kv_head": self.n_head, "head_dim": self.n_embd // self.n_head, "d_ff": 4 * self.n_embd}
        for name, value in defaults.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.n_head % self.n_kv_head:
            raise ValueError(f"n_head = {self.n_head} is not a multiple of n_kv_head = {self.n_kv_head}")
