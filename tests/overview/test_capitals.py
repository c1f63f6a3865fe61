"""Capitals by population: the table, the model's answers, and the statistics (`llmbook.overview.capitals`)."""

from __future__ import annotations

import math
import random
from itertools import permutations

import pytest
import torch

from llmbook import overview
from llmbook.core.models.lm import LanguageModel
from llmbook.core.show import plotting as plot
from llmbook.overview import capitals
from llmbook.overview.capitals import COUNTRIES, TWENTY, Answer, correlation, rank_correlation


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


@pytest.fixture(scope="module")
def answers(lm):
    return overview.ask_capitals(lm)


def test_the_table_has_many_countries_of_all_sizes_none_twice_none_with_its_capital_in_its_name():
    assert len(COUNTRIES) >= 40 and set(TWENTY) < set(COUNTRIES) and len(set(TWENTY)) == 20
    names = [capital for capital, _ in COUNTRIES.values()]
    assert len(set(names)) == len(names)
    sizes = [population for _, population in COUNTRIES.values()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 1000 and sizes[-1] < 1
    for country, (capital, _) in COUNTRIES.items():
        assert capital.isascii() and country not in capital and capital not in country


@torch.no_grad()
def probability_of(lm, text, continuation):
    """p(continuation | text), one text at a time: the product over its tokens, each given what came before it."""
    before, after = lm.encode(text), lm.encode(continuation, start=False)
    log_p = lm.model(torch.cat((before, after), dim=1))[0, before.shape[1] - 1 : -1].log_softmax(-1)
    return float(log_p.gather(1, after[0, :, None]).sum().exp())


def test_a_batch_of_answers_is_each_answer_alone(lm, answers):
    chosen = ["France", "Mongolia", "Ethiopia", "Malaysia", "Peru", "Nepal", "Slovenia"]
    by_country = {a.country: a for a in answers}
    for country in chosen:
        capital, population = COUNTRIES[country]
        question = f"The capital of {country} is"
        alone = probability_of(lm, question, f" {capital}")
        a = by_country[country]
        assert a.p == pytest.approx(alone, rel=1e-3) and (a.capital, a.population) == (capital, population)
        assert a.begun == (overview.share_correct(lm, [(question, f" {capital}")]) == 1)
        assert a.right == (lm.complete(question, a.n_token) == f" {capital}")
        assert a.n_token == lm.encode(f" {capital}", start=False).shape[1]


def test_the_order_of_batches_changes_nothing(lm, answers):
    few = overview.ask_capitals(lm, TWENTY[:5], batch_size=2)
    by_country = {a.country: a for a in answers}
    for a in few:
        assert (
            a.p == pytest.approx(by_country[a.country].p, rel=1e-3) and a.right == by_country[a.country].right
        )
    assert [a.country for a in few] == list(TWENTY[:5])


def test_the_share_is_of_names_written_out_and_some_are_only_begun(lm, answers):
    drawn = [a for a in answers if a.country in TWENTY]
    share = overview.share_right(drawn)
    assert share.mean == sum(a.right for a in drawn) / 20 and share.n == 20
    assert sum(a.begun for a in drawn) / 20 == overview.share_correct(lm, overview.CAPITALS) > share.mean
    assert all(a.begun for a in answers if a.right) and not all(a.right for a in answers if a.begun)
    assert 0.25 < share.low < share.mean < share.high < 1


def test_larger_countries_are_not_plainly_better_known(answers):
    """What the page says: over all countries the rank correlation is weak, and small countries are not lost."""
    found = overview.population_correlation(answers)
    assert found.n == len(COUNTRIES) and found.low < found.value < found.high < 0.6
    small = [a for a in answers if a.population < 12]
    assert sum(a.right for a in small) > len(small) / 4


def test_what_stands_before_the_question_is_read_and_changes_the_answer(lm, answers):
    by_country = {a.country: a for a in answers}
    shown = overview.ask_capitals(lm, ["Egypt", "Peru"], before=overview.EXAMPLES, batch_size=1)
    for a in shown:
        question = f"{overview.EXAMPLES}The capital of {a.country} is"
        assert a.p == pytest.approx(probability_of(lm, question, f" {a.capital}"), rel=1e-3)
        assert a.right and not by_country[a.country].right


def test_no_example_is_among_the_twenty():
    assert not set(overview.SHOWN) & set(TWENTY)
    assert all(f"{c} is {COUNTRIES[c][0]}." in overview.EXAMPLES for c in overview.SHOWN)
    assert not any(f"{c} is {COUNTRIES[c][0]}." in overview.WRONG_EXAMPLES for c in overview.SHOWN)
    assert sorted(overview.WRONG_EXAMPLES.split()) == sorted(overview.EXAMPLES.split())  # the same words


def test_the_verdict_tells_a_name_from_another_sentence(lm, answers):
    by_country = {a.country: a for a in answers}
    assert (by_country["France"].verdict, by_country["Egypt"].verdict) == ("right", "no name")
    assert by_country["Nepal"].verdict == "another name"
    for a in answers:
        assert a.verdict in ("right", "another name", "no name") and (a.verdict == "right") == a.right
        assert a.first == lm.complete(f"The capital of {a.country} is", 1)


@pytest.mark.parametrize("countries", [[], "France", ["Atlantis"], ["France", "Utopia"]])
def test_countries_that_are_not_in_the_table_are_refused(countries):
    with pytest.raises(ValueError, match=r"give a list of names|is known here"):
        overview.ask_capitals(None, countries)


def test_a_batch_of_no_country_is_refused():
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batch_size is {size}; give at least 1"):
            overview.ask_capitals(None, ["France"], batch_size=size)


# ---------------------------------------------------------------------------------------------- statistics


def test_rank_correlation_is_spearmans_formula_where_nothing_is_equal():
    rng = random.Random(0)
    for n in (2, 5, 30):
        x, y = rng.sample(range(1000), n), rng.sample(range(1000), n)
        rank = {v: [sorted(v).index(i) for i in v] for v in (tuple(x), tuple(y))}
        d2 = sum((a - b) ** 2 for a, b in zip(rank[tuple(x)], rank[tuple(y)], strict=True))
        assert rank_correlation(x, y) == pytest.approx(1 - 6 * d2 / (n * (n**2 - 1)))


def test_rank_correlation_sees_order_only_and_equal_values_share_a_rank():
    x = [1.0, 5.0, 2.0, 9.0]
    assert rank_correlation(x, [v**3 for v in x]) == 1 and rank_correlation(x, [-v for v in x]) == -1
    ranks = torch.tensor([[0, 1.5, 1.5, 3], [0, 1, 2, 3.0]]).double()
    expected = torch.corrcoef(ranks)[0, 1]
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(float(expected))


def test_chance_and_interval_tell_an_order_from_none():
    rng = random.Random(1)
    x = [float(i) for i in range(40)]
    strong = correlation(x, [v + rng.gauss(0, 5) for v in x], n_resamples=300)
    none = correlation(x, [rng.random() for _ in x], n_resamples=300)
    assert strong.low > 0.5 and strong.p_chance == pytest.approx(1 / 301)
    assert none.low < 0 < none.high and none.p_chance > 0.05
    assert correlation(x, x[::-1], n_resamples=50).p_chance == pytest.approx(1 / 51)
    assert strong == correlation(x, [v + e for v, e in zip(x, _noise(), strict=True)], n_resamples=300)


def _noise():
    rng = random.Random(1)
    return [rng.gauss(0, 5) for _ in range(40)]


def test_chance_is_the_share_of_all_orders_that_are_as_far_from_none_in_either_direction():
    x = [1, 2, 3, 4, 5]
    for y in ([2, 1, 4, 3, 5], [4, 5, 2, 3, 1]):
        value = rank_correlation(x, y)
        exact = [abs(rank_correlation(x, other)) >= abs(value) - 1e-9 for other in permutations(y)]
        found = correlation(x, y, n_resamples=2000).p_chance
        assert found == pytest.approx(sum(exact) / len(exact), abs=0.03)  # three standard errors


def test_chance_stays_a_share_where_resamples_of_equal_values_have_to_be_drawn_again():
    assert correlation([0, 0, 0, 0, 1], [0, 1, 1, 1, 1], n_resamples=200).p_chance == 1.0


def test_the_interval_of_no_correlation_is_as_wide_as_95_percent_of_its_standard_error():
    rng = random.Random(0)
    x, y = ([rng.random() for _ in range(100)] for _ in range(2))
    found = correlation(x, y, n_resamples=1000)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / 99**0.5, rel=0.1)  # 90 percent: 16 % less


def test_statistics_of_too_few_or_unequal_lists_are_refused():
    with pytest.raises(ValueError, match="two lists of one length"):
        rank_correlation([1], [1])
    with pytest.raises(ValueError, match="two lists of one length"):
        rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="a value is nan"):
        rank_correlation([1, math.nan, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="all values of a list are equal"):
        rank_correlation([1, 1], [1, 2])
    with pytest.raises(ValueError, match="at least 5 pairs"):
        correlation([1, 2, 3, 4], [1, 2, 3, 4])


# ------------------------------------------------------------------------------------------------ pictures


ROWS = [
    Answer("A", "a", 10, 0.2, 1, True, False, " the"),
    Answer("B", "b", 1, 0.7, 2, True, True, " b"),
    Answer("C", "c", 5, 0.1, 1, True, True, " c"),
    Answer("D", "d", 5, 0.4, 1, False, False, " Rome"),
]


AFTER = [
    Answer("A", "a", 10, 0.9, 1, True, True, " a"),
    Answer("B", "b", 1, 0.8, 2, True, True, " b"),
    Answer("C", "c", 5, 0.3, 1, True, True, " c"),
    Answer("D", "d", 5, 0.5, 1, False, False, " Rome"),
]


def test_the_picture_has_a_line_per_country_from_alone_to_after_and_says_what_would_be_written():
    _, (ax,) = plot.figure()
    capitals.draw_capitals(ax, ROWS, AFTER)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "B", "D", "C"]
    lines, *marks = ax.collections
    ends = [segment[:, 0].tolist() for segment in lines.get_segments()]
    assert ends == [[0.2, 0.9], [0.7, 0.8], [0.4, 0.5], [0.1, 0.3]]
    drawn = marks[: 2 * len(ROWS)]
    colours = [plot.plt.matplotlib.colors.to_hex(mark.get_edgecolor()[0]).upper() for mark in drawn]
    assert colours == [
        {"right": plot.BLUE.upper()}.get(verdict, plot.ORANGE.upper())
        for verdict in (
            "no name",
            "right",
            "another name",
            "right",
            "right",
            "right",
            "another name",
            "right",
        )
    ]
    assert max(mark.get_sizes()[0] for mark in drawn[:4]) < min(mark.get_sizes()[0] for mark in drawn[4:])
    assert [t.get_text() for t in ax.texts] == ["Rome …"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["right", "another name", "no name"]
    plot.plt.close("all")


def test_two_lists_about_different_countries_are_refused():
    _, (ax,) = plot.figure()
    with pytest.raises(ValueError, match="different countries"):
        capitals.draw_capitals(ax, ROWS, AFTER[:3])
    plot.plt.close("all")


def test_population_against_probability_names_the_countries_asked_for():
    _, (ax,) = plot.figure()
    capitals.draw_by_population(ax, ROWS, named=["B"])
    assert [t.get_text() for t in ax.texts] == ["B"] and ax.get_xscale() == ax.get_yscale() == "log"
    one, several = ax.collections
    assert one.get_offsets().tolist() == [[a.population, a.p] for a in ROWS if a.n_token == 1]
    assert several.get_offsets().tolist() == [[a.population, a.p] for a in ROWS if a.n_token > 1]
    assert len(one.get_facecolor()) and not len(several.get_facecolor())  # hollow
    plot.plt.close("all")
