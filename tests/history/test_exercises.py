"""The exercise on GPT-2's size: what is accepted, and that a wrong answer hears which part is wrong."""

from __future__ import annotations

import pytest

from llmbook.core.show.grading import verdict
from llmbook.history.exercises import EXERCISES, gpt2_size


def solution(n_layer, n_embd, vocab_size=50257, block_size=1024):
    attention = 4 * n_embd * n_embd + 4 * n_embd
    feed_forward = 8 * n_embd * n_embd + 5 * n_embd
    norm = 2 * n_embd
    return (vocab_size + block_size) * n_embd + n_layer * (attention + feed_forward + 2 * norm) + norm


def test_the_page_s_solution_is_right_and_counts_the_published_sizes():
    assert verdict(EXERCISES[2], solution) == "correct"
    assert (gpt2_size(12, 768), gpt2_size(24, 1024)) == (124_439_808, 354_823_168)
    assert all(solution(*at) == gpt2_size(*at) for at in ((1, 2, 3, 4), (36, 1280), (48, 1600)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda n, c, vocab_size, block_size: (vocab_size + block_size) * c + 12 * n * c**2,
            "biases and norms left out",
        ),
        (lambda n, c, vocab_size, block_size: gpt2_size(n, c, vocab_size, 0), "positions left out"),
        (lambda n, c, vocab_size, block_size: gpt2_size(n, c, 2 * vocab_size, block_size), "a second time"),
        (lambda n, c, vocab_size, block_size: gpt2_size(n, c, vocab_size, block_size) - 2 * c, "behind the last block"),
        (lambda n, c, vocab_size, block_size: 124_439_808, "24 layers of 1024 channels have 354,823,168"),
        (lambda n, c, vocab_size, block_size: gpt2_size(n, c, vocab_size, block_size) + 1, "the difference is +1"),
        (lambda n, c, vocab_size, block_size: None, "return the number of parameters, not None"),
    ],
)  # fmt: skip
def test_a_wrong_answer_hears_which_part_is_wrong(answer, said):
    assert verdict(EXERCISES[2], answer).startswith("not yet: ") and said in verdict(EXERCISES[2], answer)
