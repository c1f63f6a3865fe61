"""Exercises of the page ``architecture``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

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


def check_shape(answer: tuple[int, ...]) -> None:
    expect(tuple(answer) == (2, 8, 10, 10), "texts, query heads, queries, keys")


def check_attention(my_attention: Callable[..., Tensor]) -> None:
    q, k, v = torch.randn(3, 2, 4, 9, 16, generator=torch.Generator().manual_seed(0))
    right = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    out = my_attention(q, k, v)
    expect(out.shape == right.shape, f"the result should be {tuple(right.shape)}, not {tuple(out.shape)}")
    expect(
        torch.allclose(out, right, atol=1e-5),
        "the numbers differ: is the mask causal, are the scores scaled?",
    )


def check_window(window_mask: Callable[[int, int], Any]) -> None:
    right = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.bool)
    expect(
        torch.equal(torch.as_tensor(window_mask(4, 2)).bool(), right), "look at window_mask(4, 2) row by row"
    )
    expect(
        torch.equal(torch.as_tensor(window_mask(5, 5)).bool(), torch.ones(5, 5).tril().bool()),
        "a window as wide as the text is a causal mask",
    )


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


EXERCISES = {
    1: Exercise(check_shape, wrong=((2, 4, 10, 10), (2, 10, 8, 16), 3)),
    2: Exercise(
        check_attention,
        wrong=(attend, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)),
    ),
    3: Exercise(
        check_window,
        wrong=(lambda n, w: torch.ones(n, n).tril(), lambda n, w: torch.ones(n, n).tril().triu(-w)),
    ),
    4: Exercise(check_tokens, wrong=(86_805, 43_402.7, 14_467)),
    5: Exercise(check_head, wrong=((0, 0), (29, 8), "head 3")),
}
grade = grader(EXERCISES)
