"""Exercises of the page ``history``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from numbers import Real

import torch
from torch import Tensor

from llmbook.core.models.config import Config
from llmbook.core.models.parameters import parameter_count
from llmbook.core.show.grading import Exercise, close, expect, grader
from llmbook.history.ngram import Interpolated, NGram
from llmbook.history.plays import Text, text


@lru_cache(maxsize=1)
def corpus() -> Text:
    """The page's tokens with the plays on which choices are made; built when the first answer needs them."""
    return text(split="valid")


def check_add_one(answer: float) -> None:
    close(
        answer,
        4 / 14,
        1e-6,
        "add one to the count of the pair, and one per word of the vocabulary to the total",
    )


def gpt2_size(n_layer: int, n_embd: int, vocab_size: int = 50257, block_size: int = 1024) -> int:
    """Parameters of a model like GPT-2: the output shares the embedding, linear layers and norms have biases.

    >>> gpt2_size(12, 768)
    124439808
    """
    block = 12 * n_embd**2 + 13 * n_embd  # attention 4C² + 4C, feed-forward 8C² + 5C, two norms 4C
    return (vocab_size + block_size) * n_embd + n_layer * block + 2 * n_embd


GPT2_SIZES = ((12, 768, 50257, 1024), (24, 1024, 50257, 1024), (3, 48, 777, 96))  # small, medium, a drawn one
PARTS: dict[str, Callable[[int, int, int, int], int]] = {  # what an answer can have too much or too little
    "the output counted a second time, though it shares the embedding": lambda n, c, v, t: v * c,
    "the embedding of the tokens left out": lambda n, c, v, t: -v * c,
    "the embedding of the positions left out": lambda n, c, v, t: -t * c,
    "biases and norms left out": lambda n, c, v, t: -(13 * n + 2) * c,
    "the norms left out": lambda n, c, v, t: -(4 * n + 2) * c,
    "the norm behind the last block left out": lambda n, c, v, t: -2 * c,
    "the biases of the linear layers left out": lambda n, c, v, t: -9 * n * c,
    "the blocks left out": lambda n, c, v, t: -n * (12 * c**2 + 13 * c),
}


def check_gpt2_size(answer: Callable[..., int]) -> None:
    for n_layer, n_embd, vocab_size, block_size in GPT2_SIZES:
        config = Config(vocab_size, block_size, n_layer=n_layer, n_head=1, n_embd=n_embd)
        right = parameter_count(config)
        got = answer(n_layer, n_embd, vocab_size=vocab_size, block_size=block_size)
        expect(isinstance(got, Real), f"return the number of parameters, not {got!r}")
        parts = (n_layer, n_embd, vocab_size, block_size)
        why = next((name for name, part in PARTS.items() if got - right == part(*parts)), "")
        hint = f"{n_layer} layers of {n_embd} channels have {right:,} parameters, not {got:,}"
        expect(got == right, f"{hint}: {why}" if why else f"{hint}; the difference is {got - right:+,}")


def check_reply(reply: Callable[[str], str]) -> None:
    for sentence, right in {
        "I want a holiday.": "What would it mean to you if you got a holiday?",
        "I want my mother to help me": "What would it mean to you if you got your mother to help you?",
        "It rains.": "Please go on.",
    }.items():
        expect(reply(sentence) == right, f"{sentence!r} should give {right!r}, not {reply(sentence)!r}")


def coupled(x: Tensor, h: Tensor, c: Tensor, W: Tensor, U: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM cell whose input gate is one minus its forget gate: what is kept makes no room for what is new."""
    f, g, o = (W @ x + U @ h + b).chunk(3)
    c = f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()
    return o.sigmoid() * c.tanh(), c


def check_coupled(cell: Callable[..., tuple[Tensor, Tensor]]) -> None:
    draw = torch.Generator().manual_seed(0)
    W, U, b = (torch.randn(*shape, generator=draw) for shape in ((12, 5), (12, 4), (12,)))
    x, h, c = (torch.randn(n, generator=draw) for n in (5, 4, 4))
    (new_h, new_c), (right_h, right_c) = cell(x, h, c, W, U, b), coupled(x, h, c, W, U, b)
    expect(torch.allclose(new_c, right_c, atol=1e-5), "the cell is not f * c + (1 - f) * tanh(g)")
    expect(
        torch.allclose(new_h, right_h, atol=1e-5), "the cell is right; the state is the gate o times tanh(c)"
    )


def uncoupled(x: Tensor, h: Tensor, c: Tensor, W: Tensor, U: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A wrong answer to exercise 4: what is new is added in full."""
    f, g, o = (W @ x + U @ h + b).chunk(3)
    c = f.sigmoid() * c + g.tanh()
    return o.sigmoid() * c.tanh(), c


def check_lambdas(answer: Iterable[float]) -> None:
    lambdas = tuple(float(x) for x in answer)
    expect(len(lambdas) == 3, "give three weights, order one first")
    model = NGram(3, corpus().vocab_size, Interpolated(lambdas)).fit(corpus().train)
    bits = corpus().bits_per_byte(-model.log_probs(corpus().unseen)[1:].mean())
    expect(bits < 2.25, f"that scores {bits:.3f} bits per byte")


EXERCISES = {
    1: Exercise(check_add_one, wrong=(3 / 4, 4 / 5, 3 / 14)),
    2: Exercise(
        check_gpt2_size,
        wrong=(
            lambda n, c, vocab_size=50257, block_size=1024: (vocab_size + block_size) * c + 12 * n * c**2,
            lambda n, c, vocab_size=50257, block_size=1024: gpt2_size(n, c, vocab_size, 0),
            lambda n, c, vocab_size=50257, block_size=1024: gpt2_size(n, c, 2 * vocab_size, block_size),
            lambda n, c, **more: 124_439_808,
            lambda n, c, **more: gpt2_size(n, c),
        ),
    ),
    3: Exercise(
        check_reply,
        wrong=(lambda s: "Please go on.", lambda s: f"What would it mean to you if you got {s[7:]}?"),
    ),
    4: Exercise(check_coupled, wrong=(uncoupled, lambda x, h, c, W, U, b: coupled(x, h, c, W, U, b)[::-1])),
    5: Exercise(check_lambdas, wrong=((0.99, 0.01, 0.01), (0.5, 0.5), "abc")),
}
grade = grader(EXERCISES)
