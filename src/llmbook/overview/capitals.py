"""Which capitals does the model know, and does it know those of large countries better?

Every question is "The capital of X is", alone or behind a few answered ones (``EXAMPLES``; Brown et al. 2020,
arXiv:2005.14165, section 2). The table has more countries than the page draws, of all sizes, so that a rank correlation
between population and probability can be told from none.

Left out on purpose: countries whose name or capital is disputed, written in several ways (Bogotá, Kyiv) or contains the
other (Mexico City), and a better measure of fame than population, such as how many documents name a country
(Kandpal et al. 2023, arXiv:2211.08411).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from llmbook.core.measure.intervals import Interval, wilson_interval
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.prompts import left_pad

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

POPULATION_YEAR = 2023
POPULATION_SOURCE = "United Nations, World Population Prospects 2022, medium variant, 1 July 2023"
# Country: capital, millions of people to two or three digits.
COUNTRIES: dict[str, tuple[str, float]] = {
    "India": ("New Delhi", 1430), "China": ("Beijing", 1430), "Pakistan": ("Islamabad", 240),
    "Nigeria": ("Abuja", 224), "Bangladesh": ("Dhaka", 173), "Russia": ("Moscow", 144),
    "Ethiopia": ("Addis Ababa", 127), "Japan": ("Tokyo", 123), "Philippines": ("Manila", 117),
    "Egypt": ("Cairo", 113), "Vietnam": ("Hanoi", 98.9), "Iran": ("Tehran", 89.2), "Turkey": ("Ankara", 85.8),
    "Germany": ("Berlin", 83.3), "Thailand": ("Bangkok", 71.8), "France": ("Paris", 64.8), "Italy": ("Rome", 58.9),
    "Kenya": ("Nairobi", 55.1), "Uganda": ("Kampala", 48.6), "Spain": ("Madrid", 47.5),
    "Argentina": ("Buenos Aires", 45.8), "Algeria": ("Algiers", 45.6), "Iraq": ("Baghdad", 45.5),
    "Afghanistan": ("Kabul", 42.2), "Poland": ("Warsaw", 41.0), "Canada": ("Ottawa", 38.8),
    "Morocco": ("Rabat", 37.8), "Saudi Arabia": ("Riyadh", 36.9), "Angola": ("Luanda", 36.7),
    "Uzbekistan": ("Tashkent", 35.2), "Peru": ("Lima", 34.4), "Malaysia": ("Kuala Lumpur", 34.3),
    "Ghana": ("Accra", 34.1), "Mozambique": ("Maputo", 33.9), "Nepal": ("Kathmandu", 30.9),
    "Venezuela": ("Caracas", 28.8), "Australia": ("Canberra", 26.4), "Mali": ("Bamako", 23.3),
    "Syria": ("Damascus", 23.2), "Zambia": ("Lusaka", 20.6), "Romania": ("Bucharest", 19.9),
    "Chile": ("Santiago", 19.6), "Senegal": ("Dakar", 17.8), "Cambodia": ("Phnom Penh", 16.9),
    "Zimbabwe": ("Harare", 16.7), "Rwanda": ("Kigali", 14.1), "Belgium": ("Brussels", 11.7),
    "Cuba": ("Havana", 11.2), "Sweden": ("Stockholm", 10.6), "Greece": ("Athens", 10.3),
    "Portugal": ("Lisbon", 10.2), "Hungary": ("Budapest", 10.2), "Austria": ("Vienna", 9.0),
    "Laos": ("Vientiane", 7.6), "Bulgaria": ("Sofia", 6.7), "Denmark": ("Copenhagen", 5.9),
    "Finland": ("Helsinki", 5.5), "Norway": ("Oslo", 5.5), "Ireland": ("Dublin", 5.1), "Croatia": ("Zagreb", 4.0),
    "Eritrea": ("Asmara", 3.7), "Mongolia": ("Ulaanbaatar", 3.4), "Uruguay": ("Montevideo", 3.4),
    "Albania": ("Tirana", 2.8), "Jamaica": ("Kingston", 2.8), "Armenia": ("Yerevan", 2.8),
    "Lithuania": ("Vilnius", 2.7), "Botswana": ("Gaborone", 2.7), "Namibia": ("Windhoek", 2.6),
    "Slovenia": ("Ljubljana", 2.1), "Latvia": ("Riga", 1.8), "Estonia": ("Tallinn", 1.3), "Bhutan": ("Thimphu", 0.79),
    "Malta": ("Valletta", 0.54), "Iceland": ("Reykjavik", 0.38),
}  # fmt: skip
TWENTY = (
    "France", "Italy", "Spain", "Japan", "Russia", "Egypt", "Greece", "Norway", "Cuba", "Peru", "Kenya", "Iran",
    "Bulgaria", "Chile", "Ghana", "Nepal", "Mongolia", "Uruguay", "Eritrea", "Bhutan",
)  # fmt: skip
CAPITALS = [(f"The capital of {country} is", f" {COUNTRIES[country][0]}") for country in TWENTY]
SHOWN = ("Germany", "Portugal", "India")  # none of them among the twenty
EXAMPLES = "".join(f"The capital of {country} is {COUNTRIES[country][0]}.\n" for country in SHOWN)
WRONG_EXAMPLES = "".join(  # the same countries, each with the capital of the next
    f"The capital of {country} is {COUNTRIES[other][0]}.\n"
    for country, other in zip(SHOWN, (*SHOWN[1:], SHOWN[0]), strict=True)
)


@dataclass(frozen=True)
class Answer:
    """What the model says of one country: p(capital | question), and what it writes if it always takes the likeliest.

    ``right``: that it writes the capital's name, all ``n_token`` tokens of it (whose probabilities make ``p``);
    ``begun``: that its first token is the name's first, of which " Kath" does not yet say Kathmandu. ``first`` is the
    likeliest first token. ``population`` is in millions.
    """

    country: str
    capital: str
    population: float
    p: float
    n_token: int
    begun: bool
    right: bool
    first: str

    @property
    def verdict(self) -> str:
        """ "right", "another name", or "no name": it goes on with a small letter, as in "is the capital of ..."."""
        if self.right:
            return "right"
        return "another name" if self.first.strip()[:1].isupper() else "no name"


@torch.no_grad()
def ask_capitals(
    lm: LanguageModel, countries: Sequence[str] = tuple(COUNTRIES), before: str = "", batch_size: int = 16
) -> list[Answer]:
    """The model's answer for each country, in batches; ``before``: a text in front of every question.

    Raises ``ValueError`` for no country, or one that is not in ``COUNTRIES``, and for a batch of none.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give at least 1")
    if isinstance(countries, str) or not countries:
        raise ValueError(f"countries is {countries!r}; give a list of names, at least one")
    if unknown := [c for c in countries if c not in COUNTRIES]:
        raise ValueError(f"no capital of {unknown[0]!r} is known here; see COUNTRIES")
    answers = []
    for i in range(0, len(countries), batch_size):
        answers += _ask(lm, countries[i : i + batch_size], before)
    return answers


def _ask(lm: LanguageModel, countries: Sequence[str], before: str) -> list[Answer]:
    questions = [lm.encode(f"{before}The capital of {country} is")[0].tolist() for country in countries]
    names = [lm.encode(f" {COUNTRIES[country][0]}", start=False)[0].tolist() for country in countries]
    ids, is_token = left_pad([q + a for q, a in zip(questions, names, strict=True)], device=lm.device)
    longest = max(map(len, names))
    log_p = (
        lm.model(ids, is_token=is_token)[:, -longest - 1 : -1].float().log_softmax(-1).cpu()
    )  # (B, longest, V)
    answers = []
    for row, country, name in zip(log_p, countries, names, strict=True):
        mine = row[longest - len(name) :]  # one row per token of the name
        p = float(mine.gather(1, torch.tensor(name)[:, None]).sum().exp())
        likeliest = mine.argmax(
            -1
        ).tolist()  # each after the right tokens before it: while these are the likeliest, too
        begun, right = likeliest[0] == name[0], likeliest == name
        first = lm.tokenizer.decode([likeliest[0]])
        answers.append(Answer(country, *COUNTRIES[country], p, len(name), begun, right, first))
    return answers


def share_right(answers: Sequence[Answer]) -> Interval:
    """The share of capitals that the model names, with its 95 % interval (Wilson's)."""
    return wilson_interval(sum(a.right for a in answers), len(answers))


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks, from -1 (one falls where the other rises) to 1; equals share a rank.

    >>> rank_correlation([1, 2, 3, 4], [10, 100, 1000, 5]), round(rank_correlation([1, 2, 2], [1, 2, 3]), 3)
    (-0.2, 0.866)

    Raises ``ValueError`` for lists of different or too small length, for nan, and where all values of one are equal.
    """
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"{len(x)} and {len(y)} values; give two lists of one length, at least 2")
    if any(map(math.isnan, (*x, *y))):
        raise ValueError("a value is nan, which has no rank; leave its pair out, and say so")
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    if not a.any() or not b.any():
        raise ValueError("all values of a list are equal; then there is no order to compare")
    return float((a @ b) / (a @ a * (b @ b)).sqrt())


def _ranks(values: Sequence[float]) -> torch.Tensor:
    """Rank of each value, from 0; the mean rank for equal ones; float64 (n,)."""
    v = torch.tensor(values, dtype=torch.float64)
    return (v[:, None] > v).sum(1).double() + ((v[:, None] == v).sum(1).double() - 1) / 2


@dataclass(frozen=True)
class Correlation:
    """A rank correlation, its 95 % bootstrap interval over the pairs, and how often chance gives as strong a one."""

    value: float
    low: float
    high: float
    p_chance: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} (95 % interval {self.low:.2f} to {self.high:.2f}, n = {self.n})"


def correlation(
    x: Sequence[float], y: Sequence[float], *, n_resamples: int = 2000, seed: int = 0
) -> Correlation:
    """Spearman's rank correlation with a percentile bootstrap over the pairs, and a permutation test.

    ``p_chance``: the share of random re-pairings, the given one counted with them, whose correlation is at least as
    far from 0. Sources: Spearman 1904, doi:10.2307/1412159; Efron 1979, "Bootstrap methods".

    Raises ``ValueError`` as ``rank_correlation`` does, and for fewer than 5 pairs.
    """
    value, n, rng = rank_correlation(x, y), len(x), random.Random(seed)
    if n < 5 or n_resamples < 1:
        raise ValueError(f"{n} pairs, {n_resamples} resamples; give at least 5 pairs and one resample")
    drawn: list[float] = []
    as_far = 1
    while len(drawn) < n_resamples:
        rows = rng.choices(range(n), k=n)
        one, other = [x[i] for i in rows], [y[i] for i in rows]
        if len(set(one)) < 2 or len(set(other)) < 2:
            continue  # no order to compare; neither counted in the interval nor matched by a re-pairing
        drawn.append(rank_correlation(one, other))
        as_far += abs(rank_correlation(x, rng.sample(list(y), n))) >= abs(value) - 1e-12
    low, high = (
        torch.tensor(drawn, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    )
    return Correlation(value, low, high, as_far / (len(drawn) + 1), n)


def population_correlation(answers: Sequence[Answer], seed: int = 0) -> Correlation:
    """Rank correlation of a country's population and the probability of its capital."""
    return correlation([a.population for a in answers], [a.p for a in answers], seed=seed)


# ------------------------------------------------------------------------------------------------- pictures


LOOKS = {
    "right": ("o", True),
    "another name": ("s", False),
    "no name": ("x", True),
}  # marker, whether it is filled


def draw_capitals(ax: Axes, alone: Sequence[Answer], after: Sequence[Answer]) -> Axes:
    """A line per country, from a small mark (asked alone) to a large one (after examples), the likeliest then on top.

    The shape of a mark says what the model would write there; behind a large mark that is wrong stands how that begins.

    Raises ``ValueError`` when the two are not about the same countries.
    """
    from llmbook.core.show.plotting import FAINT, INK, label, tag

    first = {a.country: a for a in alone}
    if set(first) != {a.country for a in after}:
        raise ValueError("the two lists name different countries; ask both times about the same ones")
    rows = sorted(after, key=lambda a: -a.p)
    ax.hlines(
        range(len(rows)), [first[a.country].p for a in rows], [a.p for a in rows], color=INK, linewidth=1
    )
    for answers, size in (([first[a.country] for a in rows], 26), (rows, 75)):
        for i, a in enumerate(answers):
            _mark(ax, a.verdict, (a.p, i), size)
    for i, a in enumerate(rows):
        if not a.right:
            tag(ax, f"{a.first.strip()} …", (a.p, i), (11, 0))
    ax.set_yticks(range(len(rows)), [a.country for a in rows])
    ax.invert_yaxis()
    ax.grid(axis="y", color=FAINT)
    for verdict in LOOKS:
        _mark(ax, verdict, (float("nan"), 0), 60, label=verdict)
    ax.legend(title="it would write", loc="lower right")
    return label(ax, "probability of the right capital")


def _mark(ax: Axes, verdict: str, at: tuple[float, float], size: float, label: str = "") -> None:
    from llmbook.core.show.plotting import BLUE, ORANGE, PAPER

    marker, filled = LOOKS[verdict]
    color = BLUE if verdict == "right" else ORANGE
    paint: dict[str, Any] = {"color": color} if filled else {"edgecolor": color, "facecolor": PAPER}
    ax.scatter([at[0]], [at[1]], s=size, marker=marker, linewidth=1.4, zorder=3, label=label or None, **paint)


def draw_by_population(ax: Axes, answers: Sequence[Answer], named: Sequence[str] = ()) -> Axes:
    """Probability of the capital against the country's population, both logarithmic; ``named`` points get a name.

    Filled: the name is one token; hollow: it is cut into several.
    """
    from llmbook.core.show.plotting import BLUE, ORANGE, label, tag

    for several, color, marker, name in ((False, BLUE, "o", "one token"), (True, ORANGE, "s", "several")):
        chosen = [a for a in answers if (a.n_token > 1) == several]
        x, y = [a.population for a in chosen], [a.p for a in chosen]
        face = "none" if several else color
        ax.scatter(x, y, s=30, edgecolor=color, facecolor=face, marker=marker, label=name)
    for a in answers:
        if a.country in named:
            tag(ax, a.country, (a.population, a.p), (0, -11), "center")
    ax.set_xscale("log")
    ax.set_xlim(0.2, 3000)
    ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    ax.set_yscale("log")
    ax.legend(title="the capital's name is", loc="lower right")
    return label(ax, f"population in {POPULATION_YEAR} (millions)", "probability of the capital")
