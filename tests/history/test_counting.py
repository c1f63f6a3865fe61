"""How much of the unseen plays was never seen: by hand, and at orders that no 64-bit number could hold."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from llmbook import history
from llmbook.history.ladder import Text


def corpus(train, unseen, vocab_size=1024) -> Text:
    tokenizer = SimpleNamespace(get_vocab_size=lambda: vocab_size)
    return Text(tokenizer, torch.tensor(train), torch.tensor(unseen), len(unseen))


def test_the_share_of_unseen_ngrams_is_exact_at_orders_beyond_64_bits():
    """Of 1,024 tokens a number of 64 bits holds six; two texts that differ only before that are still two."""
    train = [1, *[0] * 11]
    for order in (6, 7, 8, 12):
        assert history.unseen_share(corpus(train, [2, *[0] * (order - 1)]), order) == 1.0
        assert history.unseen_share(corpus(train, [1, *[0] * (order - 1)]), order) == 0.0


@pytest.mark.parametrize("order", [1, 2, 5, 7, 9, 20])
def test_the_share_of_unseen_ngrams_is_that_of_a_set_of_tuples_at_every_order(order):
    g = torch.Generator().manual_seed(order)
    train = torch.randint(1022, 1024, (600,), generator=g).tolist()
    unseen = torch.randint(1022, 1024, (400,), generator=g).tolist()
    seen = {tuple(train[i : i + order]) for i in range(len(train) - order + 1)}
    rows = [tuple(unseen[i : i + order]) for i in range(len(unseen) - order + 1)]
    share = history.unseen_share(corpus(train, unseen), order)
    assert share == pytest.approx(sum(row not in seen for row in rows) / len(rows))


def test_ngrams_across_the_border_of_the_two_texts_count_for_neither():
    assert history.unseen_share(corpus([1, 2, 3], [4, 5]), 1) == 1.0
    assert history.unseen_share(corpus([1, 2, 3], [3, 4, 3]), 2) == 1.0  # 3 3 would begin in the first
    assert history.unseen_share(corpus([4, 3, 4], [3, 4, 5]), 2) == 0.5


def test_a_training_text_shorter_than_the_order_has_shown_nothing():
    assert history.unseen_share(corpus([1], [1, 1, 1]), 3) == 1.0


@pytest.mark.parametrize("order", [0, -1, 4])
def test_an_order_without_an_ngram_is_refused(order):
    with pytest.raises(ValueError, match=f"order is {order}; choose between 1 and 3"):
        history.unseen_share(corpus([1, 2], [1, 2, 3]), order)
