"""Our Transformer beside the library's: one copy of the weights, two implementations, one answer.

And, so that it could fail: one setting wrong, another answer. Left out on purpose: speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core.models import convert, pretrained
from llmbook.core.models.attention import KVCache
from llmbook.core.models.transformer import EncoderDecoder, Transformer


def real_pair(name: str = "smollm2", attn: str = "sdpa") -> tuple[Transformer, pretrained.Pretrained]:
    """Our model and transformers', sharing one copy of the published weights."""
    reference = pretrained.load(name, attn=attn)
    ours = convert.build(reference.config.to_dict(), reference.model.state_dict())
    assert isinstance(ours, Transformer)
    return ours, reference


@torch.no_grad()
def logit_agreement(ours: Transformer, reference: nn.Module, ids: Tensor) -> dict[str, float]:
    """Both models on ids (T,): the largest difference of logits, and the share of equal top tokens.

    Once whole and once through the cache, in two pieces, so that the cache is compared as well.
    Raises ``ValueError`` for fewer than two ids, which make no two pieces.
    """
    if ids.ndim != 1 or len(ids) < 2:
        raise ValueError(f"ids have shape {tuple(ids.shape)}; give (T,), at least two")
    theirs = cast(Any, reference).base_model(ids[None]).last_hidden_state[0]  # (T, C)
    their_head = cast(nn.Module, cast(Any, reference).get_output_embeddings())
    cache, half = KVCache(ours.config.n_layer, len(ids)), len(ids) // 2
    whole = ours.hidden(ids[None])[0]
    pieces = torch.cat([ours.hidden(part[None], cache=cache)[0] for part in (ids[:half], ids[half:])])
    parts: dict[str, Tensor] = {"": whole, ", cache on": pieces}
    worst, same = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0)
    for rows in torch.arange(len(ids)).split(100):  # all logits at once would be 200 MB
        expected = their_head(theirs[rows])  # (100, V)
        for name, mine in parts.items():
            logits = ours.head(mine[rows])
            worst[name] = max(worst[name], float((logits - expected).abs().max()))
            same[name] += int((logits.argmax(-1) == expected.argmax(-1)).sum())
    result = {f"largest difference{name}": difference for name, difference in worst.items()}
    return result | {f"same top token{name}": n / len(ids) for name, n in same.items()}


TINY = ("gpt2", "bert", "t5", "t5-gated", "llama")
SETTINGS = (
    "a token sees",
    "norm",
    "norm's place",
    "positions",
    "feed-forward",
    "÷ √d",
)  # of the page's table


@torch.no_grad()
def difference(ours: nn.Module, reference: nn.Module, seed: int) -> float:
    """The largest difference of outputs on random ids: logits, or the last layer's vectors of an encoder."""
    ids, target = torch.randint(2, 99, (2, 3, 17), generator=torch.Generator().manual_seed(seed))
    call = cast(Any, reference)
    if isinstance(ours, EncoderDecoder):
        pair = ours(ids, target), call(input_ids=ids, decoder_input_ids=target).logits
    elif isinstance(ours, Transformer) and ours.config.mask == "full":
        pair = ours.hidden(ids), call(ids).last_hidden_state
    else:
        pair = ours(ids), call(ids).logits
    return float((pair[0] - pair[1]).abs().max())


def tiny_pair(family: str, seed: int) -> tuple[Transformer | EncoderDecoder, Any]:
    """A tiny random model of the library, and ours with its weights."""
    reference = pretrained.tiny_reference(family, seed)
    return convert.build(reference.config.to_dict(), reference.state_dict()), reference


def tiny_parity(seed: int = 0) -> dict[str, float]:
    """Largest difference of outputs between a tiny random transformers model and ours with its weights."""
    return {family: difference(*tiny_pair(family, seed), seed) for family in TINY}


def wrongly(ours: Transformer | EncoderDecoder, setting: str) -> Transformer | EncoderDecoder:
    """The same weights in a model with one of ``SETTINGS`` wrong; what has no place any more is dropped.

    Raises ``ValueError`` for another setting.
    """
    c = ours.config
    change: dict[str, dict[str, Any]] = {
        "a token sees": {},  # below: the mask of an encoder-decoder is no choice of its configuration
        "norm": {"norm": "layer" if c.norm == "rms" else "rms"},
        "norm's place": {"norm_first": not c.norm_first},
        "positions": {"position": "none"},
        "feed-forward": {"activation": "gelu" if c.activation == "relu" else "relu"},
        "÷ √d": {"scaled": not c.scaled},
    }
    if setting not in change:
        raise ValueError(f"setting is {setting!r}; choose one of {', '.join(SETTINGS)}")
    wrong = type(ours)(replace(c, **change[setting]))
    wrong.load_state_dict(ours.state_dict(), strict=False)
    if setting == "a token sees":
        stack = wrong.decoder if isinstance(wrong, EncoderDecoder) else wrong.stack
        stack.config = replace(stack.config, mask="causal" if stack.config.mask == "full" else "full")
    return wrong.eval()


def tiny_control(seed: int = 0) -> dict[tuple[str, str], float]:
    """As ``tiny_parity``, with one setting wrong at a time: (family, setting) -> the difference that it makes."""
    found: dict[tuple[str, str], float] = {}
    for family in TINY:
        ours, reference = tiny_pair(family, seed)
        found |= {(family, s): difference(wrongly(ours, s), reference, seed) for s in SETTINGS}
    return found


@torch.no_grad()
def our_embeddings(ours: Transformer, tokenizer: Any, sentences: Sequence[str]) -> Tensor:
    """Unit-length sentence vectors (N, C) by our own encoder: the mean over real tokens of its last layer.

    Raises ``ValueError`` for a bare string or no sentences.
    """
    if isinstance(sentences, str) or not len(sentences):
        raise ValueError("sentences must be a non-empty list of strings, such as ['A cat.', 'A dog.']")
    batch = tokenizer(list(sentences), padding=True, truncation=True, max_length=256, return_tensors="pt")
    batch = batch.to(ours.embed.weight.device)
    is_token = batch["attention_mask"].bool()  # (N, T)
    hidden = ours.hidden(batch["input_ids"], is_token=is_token, token_types=batch["token_type_ids"])
    kept = is_token[..., None]  # (N, T, 1)
    return F.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)
