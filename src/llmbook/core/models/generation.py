"""Turning next-token probabilities into text, one token at a time.

``generate`` serves every language model in the book: a model is anything that maps ids (B, T) to logits
(B, T, V). Models of ``transformer`` can also use a cache of keys and values, which changes the time and
nothing else, and can continue prompts of different lengths together, which changes no text either
(tests/core/models/test_generation.py). ``translate`` is the same loop for an encoder-decoder.

Left out on purpose: beam search and the other decoders, which have their own page.

Shapes: B prompts, T tokens so far, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core.models.attention import KVCache
from llmbook.core.models.prompts import IdLists, as_lists, left_pad
from llmbook.core.models.transformer import EncoderDecoder, Transformer
from llmbook.core.run.runtime import evaluating
from llmbook.core.text.tokens import check_ids

Model = Callable[..., Tensor]
LogitsProcessor = Callable[[Tensor, Tensor], Tensor]  # ids (B, T), logits (B, V) -> logits (B, V)
NextLogits = Callable[[Tensor], Tensor]  # ids (B, T) -> logits (B, V) of what comes next


# ------------------------------------------------------------------------------------- one token


def next_token_probabilities(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Probabilities (B, V) from the last position's logits (B, V).

    ``temperature`` below 1 sharpens, above 1 flattens; ``top_k`` keeps the k likeliest and renormalises.

    >>> next_token_probabilities(torch.tensor([[0.0, 0.0, -1e9]]), top_k=2).tolist()
    [[0.5, 0.5, 0.0]]
    """
    if temperature == 0:
        raise ValueError("temperature is 0; it has to be positive (for the likeliest token: greedy)")
    check_sampling(temperature, top_k, logits.shape[-1])
    logits = logits / temperature
    if top_k is not None:
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


def check_sampling(temperature: float, top_k: int | None, vocab_size: int | None = None) -> None:
    """Raise ``ValueError`` for a temperature or a ``top_k`` that no token can be chosen with."""
    if not _is(Real, temperature) or not 0 <= temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature!r}; it has to be positive and finite, or 0 for the likeliest token"
        )
    if top_k is not None and (not _is(Integral, top_k) or not 1 <= top_k <= (vocab_size or math.inf)):
        most = f"the vocabulary's {vocab_size}" if vocab_size else "the size of the vocabulary"
        raise ValueError(f"top_k is {top_k!r}; choose between 1 and {most}")


def check_length(max_new_tokens: int) -> None:
    """Raise ``ValueError`` for what is no number of tokens."""
    if not _is(Integral, max_new_tokens) or max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens!r}; give a whole number, 0 or more")


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


# ------------------------------------------------------------------------------------- many tokens


def stream(
    model: Model,
    ids: Tensor | IdLists,
    max_new_tokens: int,
    *,
    is_token: Tensor | None = None,
    use_cache: bool = True,
    **options: Any,
) -> Iterator[Tensor]:
    """One new id per prompt, (B, 1), after the other. Temperature 0 is greedy.

    Args:
        model: ids (B, T) -> logits (B, T, V). It is in evaluation mode while it computes, and then as it was.
        ids: prompts, (B, T) or a list of lists; for a ``Transformer`` of different lengths too, as in ``left_pad``.
        use_cache: without a cache, or with a model that has none, the last ``block_size`` tokens are read again
            every time.
        options: temperature (0), top_k (None), generator (None) and logits_processor (None), which changes the
            logits (B, V), given the ids so far (B, T), before temperature and ``top_k`` do: a ``LogitsProcessor`` of
            transformers, for example.

    Raises ``ValueError``, before anything is computed, for a prompt without tokens, for options out of range, and
    when prompt and new tokens exceed the model's context.

    >>> counter = lambda ids: torch.nn.functional.one_hot((ids + 1) % 10, 10).float()
    >>> [int(new) for new in stream(counter, [[7]], 4)]
    [8, 9, 0, 1]
    """
    ids, is_token = left_pad(ids, is_token, device=_device(model))
    check_ids(ids, getattr(model, "vocab_size", None), name="the prompt")
    check_length(max_new_tokens)
    if not isinstance(model, Transformer):
        if is_token is not None:
            raise ValueError("this model cannot skip padding: give prompts of one length, or one at a time")
        return _write(model, lambda: _last_logits(model), ids, max_new_tokens, **options)
    total = ids.shape[1] + max_new_tokens if use_cache else 0
    if total > model.block_size:
        raise ValueError(
            f"{total} tokens do not fit into a context of {model.block_size}: shorten the prompt, "
            "ask for fewer, or pass use_cache=False to slide the window"
        )
    return _write(model, lambda: _reader(model, is_token, total), ids, max_new_tokens, **options)


@overload
def generate(model: Model, ids: Tensor, max_new_tokens: int, **options: Any) -> Tensor: ...
@overload
def generate(model: Model, ids: IdLists, max_new_tokens: int, **options: Any) -> list[list[int]]: ...
def generate(
    model: Model,
    ids: Tensor | IdLists,
    max_new_tokens: int,
    *,
    stop: int | None = None,
    is_token: Tensor | None = None,
    **options: Any,
) -> Tensor | list[list[int]]:
    """The prompts with up to ``max_new_tokens`` behind each; ends early once every row has said ``stop``.

    Ids (B, T) give ids (B, T + new): where there is padding, it stands in front, and rows that ended repeat
    ``stop``. A list of lists gives a list of lists without either. ``options``: as for ``stream``.
    """
    prompt, is_token = left_pad(ids, is_token, device=_device(model))
    text = _until(stop, prompt, stream(model, prompt, max_new_tokens, is_token=is_token, **options))
    return text if isinstance(ids, Tensor) else as_lists(text, is_token, prompt.shape[1], stop)


@overload
def translate(
    model: EncoderDecoder, source: Tensor, max_new_tokens: int, *, bos: int, eos: int, **options: Any
) -> Tensor: ...
@overload
def translate(
    model: EncoderDecoder, source: IdLists, max_new_tokens: int, *, bos: int, eos: int, **options: Any
) -> list[list[int]]: ...
def translate(
    model: EncoderDecoder,
    source: Tensor | IdLists,
    max_new_tokens: int,
    *,
    bos: int,
    eos: int,
    is_token: Tensor | None = None,
    use_cache: bool = True,
    **options: Any,
) -> Tensor | list[list[int]]:
    """Write with an encoder-decoder: source (B, S) -> target ids (B, T) that begin with ``bos``; greedy by default.

    The encoder runs once; the decoder keeps its own cache and the cross-attention's keys and values. A list of
    lists gives a list of lists, each up to its ``eos``. ``options``: as for ``stream``.
    """
    ids, is_token = left_pad(source, is_token, device=_device(model))
    check_ids(ids, model.vocab_size, name="the source")
    check_length(max_new_tokens)
    if max(ids.shape[1], max_new_tokens) > model.block_size:
        raise ValueError(
            f"a source of {ids.shape[1]} and {max_new_tokens} new tokens do not fit into a context of "
            f"{model.block_size}: shorten the source or ask for fewer"
        )
    start = lambda: _translator(model, ids, is_token, max_new_tokens if use_cache else 0)  # noqa: E731
    first = torch.full((len(ids), 1), bos, device=ids.device)
    text = _until(eos, first, _write(model, start, first, max_new_tokens, **options))
    return text if isinstance(source, Tensor) else as_lists(text, None, 1, eos)


# ------------------------------------------------------------------------------------- the one loop


def _write(
    model: Model,
    start: Callable[[], NextLogits],
    ids: Tensor,
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    logits_processor: LogitsProcessor | None = None,
) -> Iterator[Tensor]:
    """Check the options, then hand out the loop: ``start`` makes what gives the logits (B, V) after ids (B, T)."""
    check_sampling(temperature, top_k, getattr(model, "vocab_size", None))

    @torch.no_grad()
    def loop(ids: Tensor) -> Iterator[Tensor]:
        next_logits = None
        for _ in range(max_new_tokens):
            with evaluating(model):
                next_logits = next_logits or start()
                logits = next_logits(ids)  # (B, V)
            if logits_processor is not None:
                logits = _processed(logits_processor, ids, logits)
            new = choose(logits, temperature, top_k, generator)  # (B, 1)
            ids = torch.cat((ids, new), dim=1)
            yield new

    return loop(ids)


def _last_logits(model: Model) -> NextLogits:
    """Of any model, which reads its last ``block_size`` tokens, or all of them if it has no such size."""
    block_size = getattr(model, "block_size", None) or 0
    return lambda ids: model(ids[:, -block_size:])[:, -1]


def _reader(model: Transformer, is_token: Tensor | None, cache_size: int) -> NextLogits:
    """Of a Transformer, which reads what its cache has not seen, or without a cache its last ``block_size`` tokens."""
    cache = KVCache(model.config.n_layer, cache_size) if cache_size else None

    def next_logits(ids: Tensor) -> Tensor:
        start = cache.length if cache is not None else max(0, ids.shape[1] - model.block_size)
        known = None
        if is_token is not None:  # what is new is no padding
            known = F.pad(is_token, (0, ids.shape[1] - is_token.shape[1]), value=True)[:, start:]
        return model(ids[:, start:], is_token=known, cache=cache, last_only=True)[:, -1]

    return next_logits


def _translator(
    model: EncoderDecoder, source: Tensor, is_token: Tensor | None, cache_size: int
) -> NextLogits:
    """Of an encoder-decoder, whose encoder reads the source (B, S) here and now."""
    memory = model.encode(source, is_token)  # (B, S, C)
    cache = KVCache(model.config.n_layer, cache_size) if cache_size else None

    def next_logits(ids: Tensor) -> Tensor:
        unread = ids[:, cache.length :] if cache is not None else ids
        return model.decode(unread, memory, is_token, cache, last_only=True)[:, -1]

    return next_logits


def _processed(logits_processor: LogitsProcessor, ids: Tensor, logits: Tensor) -> Tensor:
    new = logits_processor(ids, logits)
    if not isinstance(new, Tensor) or new.shape != logits.shape:
        given = tuple(new.shape) if isinstance(new, Tensor) else new
        raise ValueError(f"logits_processor must return logits {tuple(logits.shape)}; it returned {given}")
    return new


def _until(stop: int | None, ids: Tensor, steps: Iterator[Tensor]) -> Tensor:
    """``ids`` with all steps behind them; rows that have said ``stop`` repeat it, and once all have, it ends."""
    finished = torch.zeros(len(ids), 1, dtype=torch.bool, device=ids.device)
    for new in steps:
        if stop is not None:
            new = new.masked_fill(finished, stop)
            finished |= new == stop
        ids = torch.cat((ids, new), dim=1)
        if stop is not None and bool(finished.all()):
            break
    return ids


def _device(model: Model) -> torch.device | None:
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return None if parameter is None else parameter.device
