"""Everything that tells one Transformer from another, in one small frozen dataclass.

``transformer.py`` builds most of what can be said here and refuses the rest; ``parameters.py`` counts all of it, up to
mixtures of experts and latent attention. Left out on purpose: what decides neither the computation of the book's own
models nor a number of parameters (dropout, sliding windows, scaled rotary positions).

Legend: ``C`` channels (``n_embd``), ``H`` heads, ``G`` key/value heads, ``D`` head size, ``F`` feed-forward width,
``V`` vocabulary, ``E`` experts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from llmbook.core.run.fields import check, check_fields, from_table

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),  # GPT-2's
    "silu": F.silu,  # gated: SwiGLU, Shazeer 2020, arXiv:2002.05202
    "relu2": lambda x: F.relu(x).square(),  # So et al. 2021, arXiv:2109.08668
}
CHOICES = {
    "norm": ("layer", "rms"),
    "position": ("learned", "sinusoidal", "rope", "alibi", "relative", "transformer-xl", "none"),
    "activation": tuple(ACTIVATIONS),
    "mask": ("causal", "full"),
    "qk_norm_kind": ("plain", "head", "full"),
}


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of the feed-forward network (Shazeer et al. 2017, arXiv:1701.06538).

    >>> Experts(n_expert=8, n_active=9, d_expert=64)
    Traceback (most recent call last):
    ...
    ValueError: n_active is 9; at most n_expert = 8 can be active
    """

    n_expert: int  # routed experts E in each sparse layer
    n_active: int  # of them, used for each token
    d_expert: int  # width of one expert
    n_shared: int = 0  # further experts of the same width, always used (DeepSeek)
    n_dense_layer: int = 0  # the first layers keep one feed-forward network of width d_ff
    router_bias: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check(
            self.n_active <= self.n_expert,
            f"n_active is {self.n_active}; at most n_expert = {self.n_expert} can be active",
        )


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1), sizes in channels.

    ``head_dim`` of the ``Config`` is then the part of a query or key that is not rotated.
    """

    q_rank: int  # queries are computed from a vector of this size
    kv_rank: int  # and so are keys and values: that vector is all the cache holds of them
    rope_dim: int  # the rotated part of each query, and of the one key all heads share
    v_dim: int  # values, per head

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Config:
    """Everything that tells one Transformer from another. Sizes are numbers of elements; see ``CHOICES``.

    ``n_kv_head``, ``head_dim`` and ``d_ff`` follow from the other sizes when they are left out. They are filled in at
    once, so ``dataclasses.replace`` keeps them: give 0 there to have them follow again. ``experts`` and ``latent``
    may be given as tables of their fields, so ``Config(**dataclasses.asdict(config)) == config``.

    Raises:
        ValueError: naming the field, what was given and what is allowed.

    >>> Config(vocab_size=256, block_size=64, n_layer=2, n_head=4, n_embd=32).d_ff
    128
    >>> Config(vocab_size=256, block_size=64, n_layer=2, n_head=3, n_embd=32)
    Traceback (most recent call last):
    ...
    ValueError: n_embd = 32 is not a multiple of n_head = 3; choose other sizes or give head_dim
    """

    vocab_size: int
    block_size: int  # the longest context, in tokens
    n_layer: int  # of an encoder-decoder: in the decoder
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
    bias: bool = True  # in the linear maps and in LayerNorm; RMSNorm has none
    qk_norm: bool = False
    scaled: bool = True  # divide the scores by sqrt(D); T5 does not
    scale_output: bool = False  # T5 1.0 shrinks the last hidden state by sqrt(C) before its tied output layer
    mask: str = "causal"
    tied: bool = True  # output layer = transposed embedding (Press & Wolf 2017, arXiv:1608.05859)
    token_types: int = 0  # BERT's sentence A / sentence B
    zero_init: bool = False  # what is added to the stream, and an output layer of its own, start at zero
    n_encoder_layer: int = 0  # > 0: an encoder in front, and cross-attention in every decoder block
    # What published architectures have beyond that; parameters.py counts it, transformer.py does not build it.
    qkv_bias: bool = False  # queries, keys and values have a bias even if nothing else has (Qwen 2)
    qk_norm_kind: str = (
        "plain"  # no weights; D weights for every "head" (Qwen 3); over the "full" width (OLMo 2)
    )
    norms_per_layer: int = 2  # cross-attention's comes on top; PaLM has 1, Gemma 3 has 4
    final_norm: bool | None = None  # None: a norm behind the last layer if norm_first
    head_bias: bool = False
    position_rows: int = 0  # of a learned table, 0: block_size (OPT, RoBERTa and BART have two more)
    position_buckets: int = 32  # T5's relative positions
    pooler: bool = False  # BERT's
    embedding_size: int = 0  # width of a factorised embedding (ALBERT), 0: n_embd
    share_layers: bool = False  # all layers of a stack are the same one (ALBERT)
    sinks: bool = False  # one learned logit per head that attention may go to instead of a token (gpt-oss)
    experts: Experts | None = None
    latent: Latent | None = None

    def __post_init__(self) -> None:
        for name, cls in (("experts", Experts), ("latent", Latent)):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                object.__setattr__(self, name, from_table(cls, given, name))
            elif given is not None and not isinstance(given, cls):
                raise ValueError(f"{name} is {given!r}; give {cls.__name__}(...) or leave it out")
        check_fields(self, CHOICES)
        if self.final_norm is not None and type(self.final_norm) is not bool:
            raise ValueError(f"final_norm is {self.final_norm!r}; it has to be true, false or left out")
        self._fill_in_sizes()
        self._check_sizes()
        self._check_combinations()

    def _fill_in_sizes(self) -> None:
        check(
            bool(self.head_dim) or self.n_embd % self.n_head == 0,
            f"n_embd = {self.n_embd} is not a multiple of n_head = {self.n_head}; "
            "choose other sizes or give head_dim",
        )
        defaults = {"n_kv_head": self.n_head, "head_dim": self.n_embd // self.n_head, "d_ff": 4 * self.n_embd}
        for name, value in defaults.items():
            object.__setattr__(self, name, getattr(self, name) or value)

    def _check_sizes(self) -> None:
        check(
            self.n_head % self.n_kv_head == 0,
            f"n_head = {self.n_head} is not a multiple of n_kv_head = {self.n_kv_head}",
        )
        name, turned = ("rope_dim", self.latent.rope_dim) if self.latent else ("head_dim", self.head_dim)
        check(
            self.position != "rope" or turned % 2 == 0,
            f"{name} is {turned}; rotary positions turn pairs of channels, so it has to be even",
        )
        check(
            self.position != "sinusoidal" or self.n_embd % 2 == 0,
            f"n_embd is {self.n_embd}; sinusoidal positions need an even number of channels",
        )
        check(
            self.experts is None or self.experts.n_dense_layer <= self.n_layer,
            f"experts: n_dense_layer is {self.experts and self.experts.n_dense_layer}; "
            f"at most n_layer = {self.n_layer}",
        )

    def _check_combinations(self) -> None:
        check(
            self.qk_norm or self.qk_norm_kind == "plain",
            f"qk_norm_kind is {self.qk_norm_kind!r}, but qk_norm is false; set qk_norm",
        )
        if self.latent:  # as DeepSeek has it; with any of these its formula for the parameters would be wrong
            check(
                self.n_kv_head == self.n_head,
                f"n_kv_head is {self.n_kv_head}; latent attention has as many as n_head = {self.n_head}",
            )
            for name in ("bias", "qkv_bias", "qk_norm", "sinks"):
                check(not getattr(self, name), f"{name} is true; latent attention has none, set it to false")
            check(self.position == "rope", f"position is {self.position!r}; latent attention needs 'rope'")

    @property
    def family(self) -> str:
        """``encoder-decoder`` (T5, BART), ``encoder`` (BERT) or ``decoder`` (GPT, LLaMA)."""
        if self.n_encoder_layer:
            return "encoder-decoder"
        return "encoder" if self.mask == "full" else "decoder"

    @property
    def ends_in_norm(self) -> bool:
        """Whether a norm follows the last layer: ``final_norm``, or else what ``norm_first`` implies."""
        return self.norm_first if self.final_norm is None else self.final_norm
