"""The drawings show the numbers that they are given."""

from __future__ import annotations

import pytest
import torch

from llmbook.architecture import by_hand
from llmbook.core.show import drawing
from llmbook.core.show.plotting import figure

NAMES = ["animal", "street", "because", "it"]
QUERY = torch.tensor([2.0, 0.0])
KEYS = torch.tensor([[2.0, 0.0], [0.5, 2.0], [0.0, 0.0], [0.5, 0.0]])
VALUES = torch.tensor([[3.0, 1.0], [0.0, 2.0], [0.0, 0.0], [1.0, 0.0]])
SHARES = (KEYS @ QUERY / 2**0.5).softmax(0)


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_a_query_is_led_to_fits_shares_and_mix():
    ax = drawing.canvas(5.6, 3.0, across=11.2)
    by_hand.one_query(ax, NAMES, QUERY, KEYS, VALUES, SHARES)
    found = texts(ax)
    for expected in ("of it:\n(2, 0)", "animal\n(2, 0)", "street\n(0.5, 2)", "because\n(0, 0)", "it\n(0.5, 0)",
                     "4", "0.77", "0.05", "(3, 1)", "it takes\n(2.40,\n0.95)"):  # fmt: skip
        assert expected in found
    assert found.count("0.09") == 2 and found.count("1") == 2  # street and it fit alike
    assert [t for t in found if t in by_hand.COLUMNS] == list(by_hand.COLUMNS)


def test_an_arrow_to_the_mix_is_as_thick_as_its_share():
    ax = drawing.canvas(5.6, 3.0, across=11.2)
    by_hand.one_query(ax, NAMES, QUERY, KEYS, VALUES, SHARES)
    widths = [t.arrow_patch.get_linewidth() for t in ax.texts if getattr(t, "arrow_patch", None) is not None]
    assert widths == pytest.approx([0.8 + 5 * s for s in SHARES.tolist()])


def test_two_heads_have_queries_and_shares_of_their_own():
    queries = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    shares = (queries @ KEYS.T / 2**0.5).softmax(-1)
    ax = drawing.canvas(5.6, 4.3, across=11.2)
    by_hand.two_heads(ax, torch.tensor([1.0, 2.0]), NAMES, queries, shares, VALUES, n_head=9)
    found = texts(ax)
    for expected in (
        "vector of it: (1, 2)",
        "query (2, 0)",
        "query (0, 2)",
        "0.77",
        "0.85",
        "7 more\nin SmolLM2",
    ):
        assert expected in found
    assert any("(2.40, 0.95), (0.20, 1.75)" in t for t in found)


@pytest.mark.parametrize("query", [(2.0, 0.0), (1.0, 1.0), (0.0, 2.0), (-1.0, 0.0)])
def test_arrows_end_where_query_and_keys_do(query):
    _, (ax,) = figure()
    query = torch.tensor(query)
    by_hand.query_and_keys(ax, query, dict(zip(NAMES, KEYS, strict=True)))
    arrows = [(t.xy, t.get_position()) for t in ax.texts if getattr(t, "arrow_patch", None) is not None]
    (end, start), *keys = arrows
    assert [a - b for a, b in zip(end, start, strict=True)] == pytest.approx(query.tolist())
    assert [end for end, _ in keys] == [(2.0, 0.0), (0.5, 2.0), (0.5, 0.0)]  # because is a dot
    assert len(ax.lines) == 1 and {"query of it", *NAMES} <= set(texts(ax))


def test_shares_are_bars():
    _, (ax,) = figure()
    by_hand.share_bars(ax, NAMES, SHARES)
    assert [p.get_width() for p in ax.patches] == pytest.approx(SHARES.tolist())
