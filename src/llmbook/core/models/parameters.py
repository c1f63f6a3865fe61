"""Exact parameter counts of Transformers, computed from the few numbers that describe an architecture.

Counted are the weights of the published model: the token embedding once when it is tied to the output layer.
Left out on purpose: optimiser state, buffers (sinusoids, rotary tables, causal masks), vision towers,
multi-token-prediction heads, and the heads BERT-like encoders use only during pre-training.

Legend: ``C`` channels (``n_embd``), ``H`` heads, ``G`` key/value heads, ``D`` head size, ``F`` feed-forward
width, ``V`` vocabulary, ``E`` experts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")

_CHOICES: dict[str, tuple[str, ...]] = {
    "family": ("decoder", "encoder", "encoder-decoder"),
    "norm": ("layernorm", "layernorm-nobias", "rmsnorm"),
    "bias": ("all", "qkv", "none"),
    "position": ("learned", "sinusoidal", "rotary", "alibi", "t5-buckets", "transformer-xl", "none"),
    "qk_norm": ("none", "head", "full"),
    "attention": ("mha", "mla"),
}


def check(condition: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)


def _check_number(field: dataclasses.Field[Any], given: object) -> None:
    if isinstance(field.default, bool):
        check(type(given) is bool, f"{field.name}={given!r}: must be true or false")
    elif given is not None or field.default is not None:
        lowest = 0 if field.default == 0 else 1
        check(
            type(given) is int and given >= lowest,
            f"{field.name}={given!r}: must be a whole number, {lowest} or more",
        )


def from_table(cls: type[Row], values: Mapping[str, Any], what: str) -> Row:
    """An instance of the dataclass ``cls``; ``ValueError`` names fields that are unknown or missing."""
    check(isinstance(values, Mapping), f"{what}: expected a table of names and values, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    check(not unknown, f"{what}: unknown {', '.join(unknown)}; known are {', '.join(fields)}")
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    check(not missing, f"{what}: missing {', '.join(missing)}")
    return cls(**values)


@dataclass(frozen=True)
class Config:
    """Architecture of a Transformer, in the numbers that decide how many parameters it has.

    Args:
        family: ``decoder`` (GPT, LLaMA), ``encoder`` (BERT) or ``encoder-decoder`` (T5, BART).
        n_layer: layers per stack; an encoder-decoder has this many in each stack.
        n_kv_head: key/value heads (GQA; 1 is MQA). ``None``: as many as ``n_head``.
        head_size: channels per head. ``None``: ``n_embd / n_head``.
        embedding_size: width of the embedding table when it is factorised (ALBERT).
        bias: ``all`` linear maps have one, only ``qkv`` (Qwen 2), or ``none``.
        position_rows: rows of a learned table if not ``block_size`` (OPT, RoBERTa, BART have 2 more).
        qk_norm: RMSNorm on queries and keys, over each ``head`` (Qwen 3) or the ``full`` width (OLMo 2).
        attention: ``mha`` (with GQA and MQA) or ``mla`` (DeepSeek), which needs ``q_rank``, ``kv_rank``,
            ``rope_size`` and ``v_size``; ``head_size`` is then the part that is not rotated.
        sinks: one learned logit per head that attention may go to instead of a token (gpt-oss).
        n_expert: routed experts per MoE layer, ``n_expert_active`` of them used per token,
            ``n_expert_shared`` always on, ``d_expert`` wide each; the first ``n_dense_layer`` stay dense.

    Raises:
        ValueError: naming the field, what was given and what is allowed.
    """

    family: str
    n_layer: int
    n_embd: int
    n_head: int
    d_ff: int
    vocab_size: int
    block_size: int
    n_kv_head: int | None = None
    head_size: int | None = None
    tied: bool = True
    norm: str = "layernorm"
    norms_per_layer: int = 2
    final_norm: bool = True
    embedding_norm: bool = False
    bias: str = "all"
    head_bias: bool = False
    gated: bool = False
    position: str = "learned"
    position_rows: int | None = None
    position_buckets: int = 32
    token_types: int = 0
    pooler: bool = False
    embedding_size: int | None = None
    share_layers: bool = False
    qk_norm: str = "none"
    attention: str = "mha"
    sinks: bool = False
    q_rank: int = 0
    kv_rank: int = 0
    rope_size: int = 0
    v_size: int = 0
    n_expert: int = 0
    n_expert_active: int = 0
    n_expert_shared: int = 0
    d_expert: int = 0
    n_dense_layer: int = 0
    router_bias: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            given = getattr(self, name)
            check(given in allowed, f"{name}={given!r}: choose one of {', '.join(allowed)}")
        for field in dataclasses.fields(self):
            if field.name not in _CHOICES:
                _check_number(field, getattr(self, field.name))
        check(
            self.head_size is not None or self.n_embd % self.n_head == 0,
            f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}: give head_size",
        )
        check(
            self.n_head % self.groups == 0,
            f"n_head={self.n_head} is not a multiple of n_kv_head={self.groups}",
        )
        check(
            self.n_dense_layer <= self.n_layer,
            f"n_dense_layer={self.n_dense_layer}: at most n_layer={self.n_layer}",
        )
        check(
            0 <= self.n_expert_active <= self.n_expert,
            f"n_expert_active={self.n_expert_active}: must lie between 0 and n_expert={self.n_expert}",
        )
        check(
            self.n_expert == 0 or (self.d_expert > 0 and self.n_expert_active > 0),
            "a mixture of experts needs d_expert and n_expert_active",
        )
        check(
            self.attention == "mha" or min(self.q_rank, self.kv_rank, self.rope_size, self.v_size) > 0,
            "attention='mla' needs q_rank, kv_rank, rope_size and v_size",
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Build from a table row; unknown or missing names raise ``ValueError``."""
        return from_table(cls, values, "config")

    @property
    def groups(self) -> int:
        """Key/value heads ``G``."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def head(self) -> int:
        """Channels per head ``D``."""
        return self.n_embd // self.n_head if self.head_size is None else self.head_size


def _linear(n_in: int, n_out: int, bias: bool) -> int:
    return n_in * n_out + bias * n_out


def _norm(c: Config, width: int) -> int:
    return 2 * width if c.norm == "layernorm" else width


def _attention(c: Config) -> int:
    if c.attention == "mla":
        return _latent_attention(c)
    q, kv = c.n_head * c.head, c.groups * c.head
    total = _linear(c.n_embd, q + 2 * kv, c.bias != "none") + _linear(q, c.n_embd, c.bias == "all")
    total += {"none": 0, "head": 2 * c.head, "full": q + kv}[c.qk_norm]
    if c.position == "transformer-xl":  # Dai et al. 2019, eq. (6): W_{k,R}, u and v in each layer
        total += c.n_embd * q + 2 * q
    return total + c.sinks * c.n_head


def _latent_attention(c: Config) -> int:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1)."""
    q = c.n_embd * c.q_rank + c.q_rank + c.q_rank * c.n_head * (c.head + c.rope_size)
    kv = c.n_embd * (c.kv_rank + c.rope_size) + c.kv_rank + c.kv_rank * c.n_head * (c.head + c.v_size)
    return q + kv + c.n_head * c.v_size * c.n_embd


def _mlp(c: Config, width: int) -> int:
    bias = c.bias == "all"
    return (1 + c.gated) * _linear(c.n_embd, width, bias) + _linear(width, c.n_embd, bias)


def _experts(c: Config, used: int) -> int:
    router = _linear(c.n_embd, c.n_expert, c.router_bias)
    return router + (used + c.n_expert_shared) * _mlp(c, c.d_expert)


def _layers(c: Config, used: int) -> int:
    mixer = _attention(c) + c.norms_per_layer * _norm(c, c.n_embd)
    dense = c.n_dense_layer if c.n_expert else (1 if c.share_layers else c.n_layer)
    sparse = c.n_layer - dense if c.n_expert else 0
    total = dense * (mixer + _mlp(c, c.d_ff))
    if sparse:
        total += sparse * (mixer + _experts(c, used))
    if c.family == "encoder-decoder":  # a second stack, whose layers also attend to the encoder
        total = 2 * total + c.n_layer * (_attention(c) + _norm(c, c.n_embd))
    return total


def _embeddings(c: Config, tables: int) -> int:
    width = c.embedding_size or c.n_embd
    stacks = 2 if c.family == "encoder-decoder" else 1
    total = tables * c.vocab_size * width + c.token_types * width
    if c.position == "learned":
        total += stacks * (c.position_rows or c.block_size) * width
    elif c.position == "t5-buckets":  # one table per stack, in its first layer
        total += stacks * c.position_buckets * c.n_head
    total += stacks * c.embedding_norm * _norm(c, width)
    return total + (_linear(width, c.n_embd, True) if width != c.n_embd else 0)


def _total(c: Config, used: int, tables: int) -> int:
    stacks = 2 if c.family == "encoder-decoder" else 1
    total = _embeddings(c, tables) + _layers(c, used) + stacks * c.final_norm * _norm(c, c.n_embd)
    return total + c.pooler * _linear(c.n_embd, c.n_embd, True) + c.head_bias * c.vocab_size


def parameter_count(config: Config | Mapping[str, Any]) -> int:
    """Exact number of parameters of the architecture.

    Args:
        config: a :class:`Config`, or a mapping with its fields.

    Raises:
        ValueError: for fields that are unknown, missing or do not fit together.

    GPT-2 small (Radford et al. 2019) is 124M, not the 117M printed in the paper:

    >>> parameter_count(dict(family="decoder", n_layer=12, n_embd=768, n_head=12, d_ff=3072,
    ...                      vocab_size=50257, block_size=1024))
    124439808
    """
    c = config if isinstance(config, Config) else Config.from_dict(config)
    return _total(c, c.n_expert, 1 if c.tied else 2)


def active_parameter_count(config: Config | Mapping[str, Any], *, embedding: bool = True) -> int:
    """Parameters used for one token: like :func:`parameter_count`, but only the experts it is routed to.

    Reports differ on the input embedding, of which a token reads one row: Mixtral's 12.9B counts the whole
    table, gpt-oss's 5.13B leaves it out (``embedding=False``; the output layer always counts).

    >>> from llmbook.history.timeline import milestone
    >>> active_parameter_count(milestone("Mixtral 8x7B").config)
    12879925248
    """
    c = config if isinstance(config, Config) else Config.from_dict(config)
    return _total(c, c.n_expert_active, 1 if c.tied or not embedding else 2)


def training_flops(parameters: float, tokens: float) -> float:
    """Training compute ``6 N D`` in floating-point operations.

    Source: Kaplan et al. 2020, arXiv:2001.08361, section 2.1, with ``N`` parameters and ``D`` tokens.

    Two for each weight and token going forward, four going back. Attention over the context is left out, so
    this is a little low for long contexts; for a mixture of experts, give the active parameters.

    >>> f"{training_flops(175e9, 300e9):.2e}"  # GPT-3: 3.15e23, its appendix D says 3.14e23
    '3.15e+23'
    """
    check(parameters > 0 and tokens > 0, f"parameters={parameters}, tokens={tokens}: both must be positive")
    return 6.0 * parameters * tokens
