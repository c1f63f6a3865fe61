"""Exercises of the page ``architecture``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from llmbook.core.models.attention import attend
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import recorded_attention
from llmbook.core.show.grading import Exercise, close, expect, grader

SENTENCE = "The animal didn't cross the street because it was too tired"


@lru_cache(maxsize=1)
def lm() -> LanguageModel:
    """Our SmolLM2 and its tokenizer, loaded when the first answer needs them."""
    return LanguageModel.load("smollm2")


def check_query(query: tuple[float, float]) -> None:
    keys = torch.tensor([[2.0, 0.0], [0.5, 2.0], [0.0, 0.0], [0.5, 0.0]])  # animal, street, because, it
    weights = (keys @ torch.tensor([float(x) for x in query]) / 2**0.5).softmax(dim=0)
    expect(weights[1] > 0.5, f"street gets {float(weights[1]):.2f}; which entry of its key is large?")


def check_window(window_attention: Callable[..., Tensor]) -> None:
    q, k, v = torch.randn(3, 2, 4, 9, 16, generator=torch.Generator().manual_seed(0))
    for width in (1, 3, 9):
        distance = torch.arange(9)[:, None] - torch.arange(9)
        right = attend(q, k, v, (distance >= 0) & (distance < width))
        out = window_attention(q, k, v, width)
        expect(out.shape == right.shape, f"the result should be {tuple(right.shape)}, not {tuple(out.shape)}")
        expect(
            torch.allclose(out, right, atol=1e-5),
            f"width {width}: the numbers differ; which distances are hidden, are the scores scaled?",
        )


def check_next(next_output: Callable[..., Tensor]) -> None:
    q, k, v = torch.randn(3, 9, 16, generator=torch.Generator().manual_seed(0))
    right = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    for t in (1, 8):
        out = next_output(q[t], k[t], v[t], k[:t], v[:t])
        expect(out.shape == (16,), f"the result should be (16,), one token's vector, not {tuple(out.shape)}")
        expect(torch.allclose(out, right[t], atol=1e-5), "the numbers differ: may the token see itself?")


def check_tokens(answer: int) -> None:
    close(answer, 10**9 // 23_040, 0, "keys and values, layers, heads, width, bytes: multiply, then divide")


def check_head(answer: tuple[int, int]) -> None:
    with torch.no_grad(), recorded_attention(lm().model) as layers:
        lm().model(lm().encode(SENTENCE))
    previous = torch.stack([a.weights[0].diagonal(-1, 1, 2).mean(-1) for a in layers])  # type: ignore[index]
    layer, head = answer
    best = float(previous.max())
    expect(
        float(previous[layer, head]) > best - 1e-3,
        f"there {float(previous[layer, head]):.2f}, elsewhere {best:.2f}",
    )


@torch.no_grad()
def loss_without(block: int) -> float:
    """The mean loss on the page's sentence when one block of SmolLM2 is left out."""
    ids = lm().encode(SENTENCE)  # (1, T)
    hook = lm().model.stack.blocks[block].register_forward_hook(lambda module, inputs, output: inputs[0])  # type: ignore[union-attr]
    logits = lm().model(ids)
    hook.remove()
    return float(F.cross_entropy(logits[0, :-1], ids[0, 1:]))


def check_block(answer: int) -> None:
    losses = [loss_without(i) for i in range(lm().model.config.n_layer)]
    expect(losses[answer] > max(losses) - 1e-3, f"there {losses[answer]:.2f}, elsewhere {max(losses):.2f}")


def only_past(q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor) -> Tensor:
    """A wrong answer to exercise 3: the newest token forgets itself."""
    return attend(q[None, None, None], past_k[None, None], past_v[None, None])[0, 0, 0]


EXERCISES = {
    1: Exercise(check_query, wrong=((2.0, 0.0), (0.0, 0.0), (0.0, 0.5))),
    2: Exercise(
        check_window,
        wrong=(
            lambda q, k, v, width: attend(q, k, v),
            lambda q, k, v, width: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        ),
    ),
    3: Exercise(check_next, wrong=(only_past, lambda q, k, v, past_k, past_v: v)),
    4: Exercise(check_tokens, wrong=(86_805, 43_402.7, 14_467)),
    5: Exercise(check_head, wrong=((0, 0), (29, 8), "head 3")),
    6: Exercise(check_block, wrong=(15, 29, "the first")),
}
grade = grader(EXERCISES)
