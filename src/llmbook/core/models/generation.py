"""Turning next-token probabilities into text, one token at a time.

``generate`` serves every language model in the book: a model is anything that maps ids (B, T) to logits
(B, T, V). Models of ``transformer`` can also use a cache of keys and values, which changes the time and
nothing else (tests/core/models/test_generation.py). Beam search and the other decoders have their own page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from llmbook.core.models.attention import KVCache
from llmbook.core.models.transformer import EncoderDecoder, Transformer

Model = Callable[..., Tensor]


def next_token_probabilities(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Probabilities (B, V) from the last position's logits (B, V).

    ``temperature`` below 1 sharpens, above 1 flattens; ``top_k`` keeps the k likeliest and renormalises.

    >>> next_token_probabilities(torch.tensor([[0.0, 0.0, -1e9]]), top_k=2).tolist()
    [[0.5, 0.5, 0.0]]
    """
    if temperature <= 0:
        raise ValueError(
            f"temperature is {temperature}; it has to be positive (for the likeliest token: greedy)"
        )
    logits = logits / temperature
    if top_k is not None:
        if not 1 <= top_k <= logits.shape[-1]:
            raise ValueError(f"top_k is {top_k}; choose between 1 and the vocabulary's {logits.shape[-1]}")
        worst = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < worst, float("-inf"))
    return logits.softmax(dim=-1)


def choose(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator | None
) -> Tensor:
    """The next ids (B, 1): the likeliest at temperature 0, otherwise drawn.

    Drawn on the CPU, so that the same seed gives the same text on every device.
    """
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    p = next_token_probabilities(logits.float(), temperature, top_k)
    return torch.multinomial(p.cpu(), 1, generator=generator).to(logits.device)


@torch.no_grad()
def stream(
    model: Model,
    ids: Tensor,
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    use_cache: bool = True,
) -> Iterator[Tensor]:
    """Yield one new id (B, 1) after the other. Temperature 0 is greedy.

    Without a cache, or with a model that has none, the last ``block_size`` tokens are read again every time.
    Raises ``ValueError`` when there is no prompt, or when prompt and new tokens exceed the model's context.
    """
    if ids.ndim != 2 or ids.shape[1] == 0:
        raise ValueError(
            f"the prompt must be ids of shape (B, T) with at least one token; got {tuple(ids.shape)}"
        )
    block_size = getattr(model, "block_size", None)
    cache = None
    if use_cache and isinstance(model, Transformer):
        total = ids.shape[1] + max_new_tokens
        if total > model.block_size:
            raise ValueError(
                f"{total} tokens do not fit into a context of {model.block_size}: shorten the prompt, "
                "ask for fewer, or pass use_cache=False to slide the window"
            )
        cache = KVCache(model.config.n_layer, total)
    unread = ids
    for _ in range(max_new_tokens):
        logits = (
            model(unread, cache=cache)
            if cache is not None
            else model(ids[:, -block_size:] if block_size else ids)
        )
        new = choose(logits[:, -1], temperature, top_k, generator)
        ids = torch.cat((ids, new), dim=1)
        unread = new
        yield new


def generate(
    model: Model, ids: Tensor, max_new_tokens: int, *, stop: int | None = None, **options: Any
) -> Tensor:
    """The prompt (B, T) with up to ``max_new_tokens`` behind it; ends early once every row has said ``stop``.

    ``options``: temperature, top_k, generator, use_cache, as for ``stream``.
    """
    was_training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
    finished = torch.zeros(ids.shape[0], 1, dtype=torch.bool, device=ids.device)
    try:
        for new in stream(model, ids, max_new_tokens, **options):
            if stop is not None:
                new = new.masked_fill(finished, stop)
                finished |= new == stop
            ids = torch.cat((ids, new), dim=1)
            if stop is not None and bool(finished.all()):
                break
    finally:
        if was_training and isinstance(model, nn.Module):
            model.train()
    return ids


@torch.no_grad()
def translate(
    model: EncoderDecoder,
    source: Tensor,
    max_new_tokens: int,
    *,
    bos: int,
    eos: int,
    is_token: Tensor | None = None,
) -> Tensor:
    """Greedy decoding with an encoder-decoder: source (B, S) -> target ids (B, T) that begin with ``bos``.

    The encoder runs once; the decoder keeps its own cache and the cross-attention's keys and values.
    """
    memory = model.encode(source, is_token)
    cache = KVCache(model.config.n_layer, max_new_tokens + 1)
    ids = torch.full((source.shape[0], 1), bos, dtype=torch.long, device=source.device)
    finished = torch.zeros_like(ids, dtype=torch.bool)
    for _ in range(max_new_tokens):
        new = model.decode(ids[:, -1:], memory, is_token, cache)[:, -1].argmax(-1, keepdim=True)
        new = new.masked_fill(finished, eos)
        finished |= new == eos
        ids = torch.cat((ids, new), dim=1)
        if bool(finished.all()):
            break
    return ids
