"""Our Transformer beside the library's: one copy of the weights, two implementations, one answer.

Left out on purpose: speed.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@torch.no_grad()
def tiny_parity(seed: int = 0) -> dict[str, float]:
    """Largest difference of outputs between a tiny random transformers model and ours with its weights."""
    result = {}
    for family in ("gpt2", "bert", "t5", "t5-gated", "llama"):
        reference = pretrained.tiny_reference(family, seed)
        ours = convert.build(reference.config.to_dict(), reference.state_dict())
        ids, target = torch.randint(2, 99, (2, 3, 17), generator=torch.Generator().manual_seed(seed))
        if isinstance(ours, EncoderDecoder):
            difference = ours(ids, target) - reference(input_ids=ids, decoder_input_ids=target).logits
        elif family == "bert":
            difference = ours.hidden(ids) - reference(ids).last_hidden_state
        else:
            difference = ours(ids) - reference(ids).logits
        result[family] = float(difference.abs().max())
    return result


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
