"""Exact parameter counts of Transformers, by part, computed from the few numbers that describe an architecture.

Counted are the weights of the published model: the token embedding once when it is tied to the output layer.
Left out on purpose: optimiser state, buffers (sinusoids, rotary tables, causal masks), vision towers,
multi-token-prediction heads, and the heads BERT-like encoders use only during pre-training.

Legend: ``C`` channels (``n_embd``), ``H`` heads, ``G`` key/value heads, ``D`` head size, ``F`` feed-forward
width, ``V`` vocabulary, ``E`` experts.
"""

from __future__ import annotations

from llmbook.core.models.config import Config, Latent
from llmbook.core.run.fields import check


def _linear(n_in: int, n_out: int, bias: bool) -> int:
    return n_in * n_out + bias * n_out


def _norm(c: Config, width: int) -> int:
    return 2 * width if c.norm == "layer" and c.bias else width


def _stacks(c: Config) -> list[int]:
    """Layers with weights of their own in the decoder and, if there is one, the encoder."""
    layers = [c.n_layer, c.n_encoder_layer] if c.n_encoder_layer else [c.n_layer]
    return [1 if c.share_layers else n for n in layers]


def _sparse_layers(c: Config) -> int:
    """Layers whose feed-forward network is a mixture of experts."""
    return 0 if c.experts is None else sum(max(0, n - c.experts.n_dense_layer) for n in _stacks(c))


def _positions(c: Config, width: int) -> int:
    """One stack's table: a vector for each position, or a number for each bucket of distances and head."""
    if c.position == "learned":
        return (c.position_rows or c.block_size) * width
    return c.position_buckets * c.n_head if c.position == "relative" else 0


def _attention(c: Config) -> int:
    if c.latent:
        return _latent_attention(c, c.latent)
    q, kv = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    total = _linear(c.n_embd, q + 2 * kv, c.bias or c.qkv_bias) + _linear(q, c.n_embd, c.bias)
    total += {"plain": 0, "head": 2 * c.head_dim, "full": q + kv}[c.qk_norm_kind]
    if c.position == "transformer-xl":  # Dai et al. 2019, eq. (6): W_{k,R}, u and v in each layer
        total += c.n_embd * q + 2 * q
    return total + c.sinks * c.n_head


def _latent_attention(c: Config, m: Latent) -> int:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1), two RMSNorms included."""
    q = c.n_embd * m.q_rank + m.q_rank + m.q_rank * c.n_head * (c.head_dim + m.rope_dim)
    kv = c.n_embd * (m.kv_rank + m.rope_dim) + m.kv_rank + m.kv_rank * c.n_head * (c.head_dim + m.v_dim)
    return q + kv + c.n_head * m.v_dim * c.n_embd


def _feed_forward(c: Config, width: int) -> int:
    return (1 + c.gated) * _linear(c.n_embd, width, c.bias) + _linear(width, c.n_embd, c.bias)


def _norms(c: Config, width: int) -> int:
    """Of layers, of cross-attention, behind the last layer, and of the embeddings (in each stack)."""
    stacks = _stacks(c)
    inside = sum(stacks) * c.norms_per_layer + (stacks[0] if c.n_encoder_layer else 0)
    behind = len(stacks) * c.ends_in_norm
    return (inside + behind) * _norm(c, c.n_embd) + len(stacks) * c.embed_norm * _norm(c, width)


def _extras(c: Config, width: int) -> dict[str, int]:
    """What most architectures do not have."""
    sparse = _sparse_layers(c)
    result = {
        "token types": c.token_types * width,
        "embedding projection": _linear(width, c.n_embd, True) if width != c.n_embd else 0,
        "cross-attention": _stacks(c)[0] * _attention(c) if c.n_encoder_layer else 0,
        "pooler": c.pooler * _linear(c.n_embd, c.n_embd, True),
    }
    if c.experts:
        n = c.experts.n_expert + c.experts.n_shared
        result["experts"] = sparse * n * _feed_forward(c, c.experts.d_expert)
        result["router"] = sparse * _linear(c.n_embd, c.experts.n_expert, c.experts.router_bias)
    return result


def parameters_by_part(config: Config) -> dict[str, int]:
    """Parameters of each part of the architecture, over all layers, from the configuration alone.

    Always there are "embedding", "positions", "attention" (self-attention, with norms of queries and keys),
    "feed-forward" (of dense layers), "norms" and "output" (0 when tied); "token types", "embedding projection",
    "cross-attention", "experts" (shared ones too), "router" and "pooler" only where there are any.

    By hand, V = 3, T = 4, C = 2, F = 5: tables of 6 and 8 numbers, attention 4 (4 + 2), feed-forward
    (10 + 5) + (10 + 2), three norms of 4.

    >>> parameters_by_part(Config(vocab_size=3, block_size=4, n_layer=1, n_head=1, n_embd=2, d_ff=5))
    {'embedding': 6, 'positions': 8, 'attention': 24, 'feed-forward': 27, 'norms': 12, 'output': 0}
    """
    c, width = config, config.embedding_size or config.n_embd
    stacks = _stacks(c)
    always = {
        "embedding": c.vocab_size * width,
        "positions": len(stacks) * _positions(c, width),
        "attention": sum(stacks) * _attention(c),
        "feed-forward": (sum(stacks) - _sparse_layers(c)) * _feed_forward(c, c.d_ff),
        "norms": _norms(c, width),
        "output": (0 if c.tied else c.vocab_size * width) + c.head_bias * c.vocab_size,
    }
    return always | {name: n for name, n in _extras(c, width).items() if n}


def parameter_count(config: Config) -> int:
    """Exact number of parameters of the architecture: the sum of its parts.

    GPT-2 small (Radford et al. 2019) is 124M, not the 117M printed in the paper:

    >>> parameter_count(Config(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768))
    124439808
    """
    return sum(parameters_by_part(config).values())


def active_parameter_count(config: Config, *, embedding: bool = True) -> int:
    """Parameters used for one token: like :func:`parameter_count`, but only the experts it is routed to.

    Reports differ on the input embedding, of which a token reads one row: Mixtral's 12.9B counts the whole
    table, gpt-oss's 5.13B leaves it out (``embedding=False``; the output layer always counts).

    Mixtral 8x7B (Jiang et al. 2024, arXiv:2401.04088):

    >>> from llmbook.core.models.config import Experts
    >>> active_parameter_count(Config(
    ...     vocab_size=32000, block_size=32768, n_layer=32, n_head=32, n_kv_head=8, n_embd=4096, norm="rms",
    ...     bias=False, gated=True, position="rope", tied=False, experts=Experts(8, 2, d_expert=14336)))
    12879925248
    """
    c, total = config, parameter_count(config)
    if c.experts:
        idle = c.experts.n_expert - c.experts.n_active
        total -= _sparse_layers(c) * idle * _feed_forward(c, c.experts.d_expert)
    if not embedding and not c.tied:
        total -= parameters_by_part(c)["embedding"]
    return total


def training_flops(parameters: float, tokens: float) -> float:
    """Training compute ``6 N D`` in floating-point operations.

    Source: Kaplan et al. 2020, arXiv:2001.08361, section 2.1, with ``N`` parameters and ``D`` tokens. Their N leaves
    out embeddings of vocabulary and positions; Hoffmann et al. 2022 count all. Give whichever is meant, and say so.

    Two for each weight and token going forward, four going back. Attention over the context is left out, so
    this is a little low for long contexts; for a mixture of experts, give the active parameters.

    >>> f"{training_flops(175e9, 300e9):.2e}"  # GPT-3: 3.15e23, its appendix D says 3.14e23
    '3.15e+23'
    """
    check(parameters > 0 and tokens > 0, f"parameters={parameters}, tokens={tokens}: both must be positive")
    return 6.0 * parameters * tokens
