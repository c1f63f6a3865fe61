"""GPT, BERT, T5 and LLaMA from the same few parts.

A block is attention, perhaps cross-attention, and a feed-forward network, each wrapped in a residual
connection and a norm (Vaswani et al. 2017, arXiv:1706.03762). What tells the families apart fits in one
``Config``:

=========  ============  ===========  =======  ==============  =====  =========
family     norm          before/after positions activation     gated  mask
=========  ============  ===========  =======  ==============  =====  =========
GPT-2      LayerNorm     before       learned  GELU (tanh)     no     causal
BERT       LayerNorm     after        learned  GELU            no     full
T5         RMSNorm       before       relative ReLU            no     both
LLaMA      RMSNorm       before       rotary   SiLU            yes    causal
=========  ============  ===========  =======  ==============  =====  =========

Left out on purpose: dropout (the book's own training runs see each token about once) and mixtures of experts.
``convert.py`` pours published weights into these classes; tests compare the results with transformers'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from llmbook.core.models.attention import Attention, KVCache
from llmbook.core.models.config import ACTIVATIONS, Config
from llmbook.core.models.masks import (
    check_is_token,
    check_visible,
    padding_mask,
    restrict,
    restrict_to_past,
)
from llmbook.core.models.positions import (
    alibi_bias,
    count_tokens,
    relative_bucket,
    rope_angles,
    sinusoids,
)
from llmbook.core.text.tokens import check_ids

# Options of a Config that this file does not build, and the one value of each that it does.
ONLY = {"norms_per_layer": 2, "head_bias": False, "position_rows": 0, "position_buckets": 32, "pooler": False,
        "embedding_size": 0, "share_layers": False, "sinks": False, "experts": None, "latent": None,
        "qk_norm_kind": "plain"}  # fmt: skip


def check_buildable(config: Config, what: str, **only: object) -> None:
    """Refuse what a ``Config`` can say, and ``parameters.py`` can count, but ``what`` does not build.

    ``only``: further options, and the one value of each that ``what`` builds. Raises ``ValueError``.

    >>> check_buildable(Config(vocab_size=9, block_size=4, n_layer=1, n_head=1, n_embd=8, sinks=True), "a Transformer")
    Traceback (most recent call last):
    ...
    ValueError: sinks is True; a Transformer is built with sinks = False only (other values can be counted, not run)
    """
    only = ONLY | only
    if config.final_norm is not None:
        only["final_norm"] = config.norm_first
    if not config.bias:
        only["qkv_bias"] = False
    for name, value in only.items():
        given = getattr(config, name)
        if given != value:
            raise ValueError(
                f"{name} is {given!r}; {what} is built with {name} = {value!r} only "
                "(other values can be counted, not run)"
            )
    if config.position == "transformer-xl":
        raise ValueError(f"position is 'transformer-xl'; {what} is built with the other kinds only")


def make_norm(config: Config) -> nn.Module:
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang & Sennrich 2019), which drops the mean and the bias.

    Without ``config.bias`` LayerNorm has none either (as in nanoGPT).
    """
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, eps=config.norm_eps)
    return nn.LayerNorm(config.n_embd, eps=config.norm_eps, bias=config.bias)


class FeedForward(nn.Module):
    """Two matrices with a nonlinearity between them; gated ones multiply two hidden layers (GLU family)."""

    def __init__(self, config: Config):
        super().__init__()
        self.up = nn.Linear(config.n_embd, config.d_ff, bias=config.bias)
        self.gate = nn.Linear(config.n_embd, config.d_ff, bias=config.bias) if config.gated else None
        self.down = nn.Linear(config.d_ff, config.n_embd, bias=config.bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, F) -> (B, T, C), every token on its own."""
        if self.gate is None:
            return self.down(self.activation(self.up(x)))
        return self.down(self.activation(self.gate(x)) * self.up(x))


@dataclass
class Context:
    """What every block of one forward pass shares: masks, positions, cache and the encoder's output."""

    mask: Tensor | None = None  # bool or additive float, broadcasts to (B, H, T, S)
    causal: bool = False
    rope: tuple[Tensor, Tensor] | None = None
    cache: KVCache | None = None
    memory: Tensor | None = None  # (B, S, C)
    memory_mask: Tensor | None = None


Sublayer = Callable[[Tensor], Tensor]


class Block(nn.Module):
    """Attention, perhaps cross-attention, feed-forward; each added to the stream it read from."""

    def __init__(self, config: Config, layer: int, cross: bool = False):
        super().__init__()
        self.norm_first, self.layer = config.norm_first, layer

        def attention() -> Attention:
            return Attention(
                config.n_embd,
                config.n_head,
                config.n_kv_head,
                config.head_dim,
                bias=config.bias,
                qk_norm=config.qk_norm,
                scaled=config.scaled,
            )

        self.norm1, self.attn = make_norm(config), attention()
        self.norm_cross = make_norm(config) if cross else nn.Identity()
        self.cross = attention() if cross else None
        self.norm2, self.ff = make_norm(config), FeedForward(config)

    def residual(self, x: Tensor, norm: nn.Module, f: Sublayer, last_only: bool = False) -> Tensor:
        """Pre-norm or post-norm: the one line in which they differ. ``last_only``: ``f`` gives the last token's."""
        stream = x[:, -1:] if last_only else x
        return stream + f(norm(x)) if self.norm_first else norm(stream + f(x))

    def self_attention(self, x: Tensor, c: Context, last_only: bool = False) -> Tensor:
        """Self-attention: every token reads from the tokens that its mask allows."""
        return self.attn(
            x, mask=c.mask, causal=c.causal, rope=c.rope, cache=c.cache, layer=self.layer, last_only=last_only
        )

    def cross_attention(self, x: Tensor, c: Context) -> Tensor:
        """Cross-attention: every token reads from the encoder's output."""
        assert self.cross is not None and c.memory is not None
        return self.cross.cross(x, c.memory, mask=c.memory_mask, cache=c.cache, layer=self.layer)

    def forward(self, x: Tensor, c: Context, last_only: bool = False) -> Tensor:
        """(B, T, C) -> (B, T, C); ``last_only``: what comes out for the last token alone, (B, 1, C)."""
        x = self.residual(x, self.norm1, lambda h: self.self_attention(h, c, last_only), last_only)
        if self.cross is not None and c.memory is not None:
            x = self.residual(x, self.norm_cross, lambda h: self.cross_attention(h, c))
        return self.residual(x, self.norm2, self.ff)


class Stack(nn.Module):
    """Positions, blocks and the last norm: all between embeddings (B, T, C) and hidden states (B, T, C)."""

    def __init__(self, config: Config, n_layer: int, cross: bool = False):
        super().__init__()
        self.config = config
        if config.position == "learned":
            self.position = nn.Embedding(config.block_size, config.n_embd)
        if config.position == "relative":  # one table, shared by all layers
            self.relative = nn.Embedding(32, config.n_head)
        self.embed_norm = make_norm(config) if config.embed_norm else nn.Identity()
        self.blocks = nn.ModuleList([Block(config, i, cross) for i in range(n_layer)])
        self.norm = make_norm(config) if config.norm_first else nn.Identity()

    def add_positions(self, x: Tensor, where: Tensor) -> Tensor:
        """Positions that are vectors, added to the embeddings; ``where`` (B, T), or (1, T) for all rows alike."""
        if self.config.position == "learned":
            x = x + self.position(where)
        if self.config.position == "sinusoidal":  # section 3.4: the embeddings are scaled up first
            x = x * self.config.n_embd**0.5 + sinusoids(where, self.config.n_embd).to(x.dtype)
        return self.embed_norm(x)

    def score_bias(self, query: Tensor, key: Tensor) -> Tensor | None:
        """Positions (B, T) and (B, S) as numbers to add to the attention scores: (B, H, T, S), or None."""
        if self.config.position == "alibi":
            return alibi_bias(self.config.n_head, query, key)
        if self.config.position == "relative":
            distance = key[:, None, :] - query[:, :, None]  # (B, T, S)
            bucket = relative_bucket(distance, bidirectional=self.config.mask == "full")
            return self.relative(bucket).movedim(-1, 1)  # (B, T, S, H) -> (B, H, T, S)
        return None

    def context(
        self, query: Tensor, key: Tensor, is_token: Tensor | None, mask: Tensor | None, causal: bool
    ) -> Context:
        """Fold all that restricts attention into one mask, or into none where the kernel's own flag is enough."""
        c, (n_query, n_key) = Context(mask=self.score_bias(query, key)), (query.shape[1], key.shape[1])
        if self.config.position == "rope":
            cos, sin = rope_angles(query, self.config.head_dim, self.config.rope_theta)  # (B, T, D)
            c.rope = cos[:, None], sin[:, None]  # for every head: (B, 1, T, D)
        if mask is not None:
            c.mask = restrict(c.mask, check_visible(mask, n_query, n_key))
        if is_token is not None:
            visible = padding_mask(is_token)  # (B, 1, 1, S)
            if causal and n_query > 1:  # padding in front would look nowhere: it may look at itself
                index = torch.arange(n_key, device=key.device)
                visible = visible | (index == index[-n_query:, None])  # (B, 1, T, S)
            c.mask = restrict(c.mask, visible)
        if causal:
            c.mask, c.causal = restrict_to_past(c.mask, n_query, n_key, key.device)
        return c

    def forward(
        self,
        x: Tensor,
        *,
        is_token: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool | None = None,
        cache: KVCache | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Run all blocks on embeddings (B, T, C); a token looks where everything that is given lets it look.

        Args:
            is_token: (B, T), False at padding, which nobody looks at and which takes up no position.
            mask: bool, True where looking is allowed, (T, S) or (B, 1, T, S).
            causal: whether the future is hidden; None: as configured.
            cache: keys and values of earlier tokens (and of their padding).
            memory: the encoder's output (B, S, C), looked at where ``memory_mask`` allows.
            last_only: give the last token's vector alone, (B, 1, C). The last block then needs keys and values of
                all tokens, but everything else of one.
        """
        n_past = cache.length if cache is not None else 0
        n_key = n_past + x.shape[1]
        if n_key > self.config.block_size:
            raise ValueError(
                f"{n_key} tokens do not fit into a context of block_size = {self.config.block_size}"
            )
        is_token = check_is_token(is_token, x)
        if cache is not None:
            is_token = cache.with_new(is_token, *x.shape[:2])
        key = torch.arange(n_key, device=x.device)[None] if is_token is None else count_tokens(is_token)
        causal = self.config.mask == "causal" if causal is None else causal
        c = self.context(key[:, n_past:], key, is_token, mask, causal)
        c.cache, c.memory, c.memory_mask = cache, memory, memory_mask
        x = self.add_positions(x, key[:, n_past:])
        for block in self.blocks[:-1]:
            x = block(x, c)
        x = self.blocks[-1](x, c, last_only)
        if cache is not None:
            cache.length, cache.is_token = n_key, is_token
        return self.norm(x)


class Transformer(nn.Module):
    """Ids (B, T) -> logits (B, T, V). ``mask``: "causal" for a decoder (GPT, LLaMA), "full" for BERT."""

    def __init__(self, config: Config):
        super().__init__()
        check_buildable(config, "a Transformer", n_encoder_layer=0, scale_output=False)
        self.config, self.vocab_size, self.block_size = config, config.vocab_size, config.block_size
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.token_type = nn.Embedding(config.token_types, config.n_embd) if config.token_types else None
        self.stack = Stack(config, config.n_layer)
        self.head: nn.Module = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        initialise(self, config.n_layer, zero=config.zero_init)
        if config.tied:
            self.head.weight = self.embed.weight

    def hidden(
        self,
        ids: Tensor,
        *,
        is_token: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool | None = None,
        token_types: Tensor | None = None,
        cache: KVCache | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """The last layer's vectors, (B, T, C); ``last_only``: the last position's, (B, 1, C).

        Rows of different lengths are padded on either side, with ``is_token`` (B, T) False at the padding: each
        row then gives at its tokens what it gives alone. ``mask`` (bool) restricts further; a decoder stays
        causal whatever the mask, unless ``causal=False`` says otherwise.

        >>> model = Transformer(Config(vocab_size=9, block_size=4, n_layer=1, n_head=2, n_embd=8))
        >>> padded = model.hidden(torch.tensor([[0, 0, 5]]), is_token=torch.tensor([[False, False, True]]))
        >>> torch.allclose(padded[:, 2], model.hidden(torch.tensor([[5]]))[:, 0], atol=1e-6)
        True
        """
        ids = check_ids(ids, self.vocab_size)
        x = self.embed(ids)  # (B, T) -> (B, T, C)
        if self.token_type is not None:
            x = x + self.token_type(torch.zeros_like(ids) if token_types is None else token_types.long())
        return self.stack(x, is_token=is_token, mask=mask, causal=causal, cache=cache, last_only=last_only)

    def forward(self, ids: Tensor, **options: Any) -> Tensor:
        """(B, T) -> (B, T, V): one unnormalised log-probability per word of the vocabulary and position.

        ``options``: as for ``hidden``; with ``last_only`` (B, 1, V), which is all that generating needs.
        """
        return self.head(self.hidden(ids, **options))


class EncoderDecoder(nn.Module):
    """Encoder, decoder, cross-attention between them (the 2017 Transformer, T5): source, target -> logits."""

    def __init__(self, config: Config):
        super().__init__()
        if config.n_encoder_layer < 1:
            raise ValueError(
                "an EncoderDecoder needs n_encoder_layer of at least 1; for a decoder use Transformer"
            )
        check_buildable(config, "an EncoderDecoder", token_types=0, mask="causal")
        self.config, self.vocab_size, self.block_size = config, config.vocab_size, config.block_size
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.encoder = Stack(replace(config, mask="full"), config.n_encoder_layer)
        self.decoder = Stack(replace(config, mask="causal"), config.n_layer, cross=True)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        initialise(self, config.n_layer + config.n_encoder_layer, zero=config.zero_init)
        if config.tied:
            self.head.weight = self.embed.weight
        self.output_scale = config.n_embd**-0.5 if config.scale_output else 1.0

    def encode(self, source: Tensor, is_token: Tensor | None = None) -> Tensor:
        """Read the source (B, S), ignoring padding where ``is_token`` is False: (B, S, C)."""
        return self.encoder(self.embed(check_ids(source, self.vocab_size)), is_token=is_token)

    def decode(
        self,
        target: Tensor,
        memory: Tensor,
        is_token: Tensor | None = None,
        cache: KVCache | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits (B, T, V) after each prefix of ``target`` (B, T), looking at ``memory`` (B, S, C).

        ``is_token`` (B, S) tells the source's padding; ``last_only``: logits of the last position, (B, 1, V).
        """
        x = self.embed(check_ids(target, self.vocab_size))
        is_token = check_is_token(is_token, memory)
        memory_mask = None if is_token is None else padding_mask(is_token)
        x = self.decoder(x, cache=cache, memory=memory, memory_mask=memory_mask, last_only=last_only)
        return self.head(x * self.output_scale)  # (B, T or 1, C) -> (B, T or 1, V)

    def forward(self, source: Tensor, target: Tensor, is_token: Tensor | None = None) -> Tensor:
        """(B, S) and (B, T) -> (B, T, V)."""
        return self.decode(target, self.encode(source, is_token), is_token)


def initialise(model: nn.Module, n_layer: int, std: float = 0.02, zero: bool = False) -> None:
    """GPT-2's recipe (Radford et al. 2019): normal(0, 0.02); what joins the stream shrinks with depth.

    ``zero``: it starts at nothing instead, so that every block begins as the identity (Zhang et al. 2019, Fixup,
    arXiv:1901.09321), and so does the output layer, so that the first prediction is uniform.
    """
    shrink = 0.0 if zero else (2 * n_layer) ** -0.5
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            joins = name.endswith(("attn.out", "cross.out", "ff.down")) or (zero and name == "head")
            nn.init.normal_(module.weight, std=std * (shrink if joins else 1.0))
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[list[Attention]]:
    """While open, attention layers keep their last weights (B, H, T, S) in ``.weights``; yields the layers.

    >>> model = Transformer(Config(vocab_size=9, block_size=4, n_layer=2, n_head=2, n_embd=8))
    >>> with torch.no_grad(), recorded_attention(model) as layers:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> [tuple(layer.weights.shape) for layer in layers]
    [(1, 2, 3, 3), (1, 2, 3, 3)]
    """
    layers = [m for m in model.modules() if isinstance(m, Attention)]
    before = [layer.record for layer in layers]
    for layer in layers:
        layer.record = True
    try:
        yield layers
    finally:
        for layer, record in zip(layers, before, strict=True):
            layer.record = record


def n_parameters(model: nn.Module) -> int:
    """Parameters, shared ones counted once."""
    return sum(p.numel() for p in model.parameters())
