"""The room of the page ``overview``: a language model is a distribution over the next token."""

from llmbook.core.measure.intervals import sign_test
from llmbook.core.models.lm import LanguageModel
from llmbook.overview.capitals import (
    CAPITALS,
    COUNTRIES,
    EXAMPLES,
    SHOWN,
    TWENTY,
    WRONG_EXAMPLES,
    ask_capitals,
    draw_by_population,
    draw_capitals,
    population_correlation,
    share_right,
)
from llmbook.overview.domains import EXCERPTS, ExcerptScore, by_domain, difference, excerpts, score_excerpts
from llmbook.overview.pairs import PAIRS, SOLVED_SUMS, WRONG_SUMS, both_right, choose, draw_pairs
from llmbook.overview.questions import FORMS, SENTENCES, share_correct, shuffled
from llmbook.overview.sizes import MODELS, draw_sizes, table_of_sizes
from llmbook.overview.temperature import TEMPERATURES, at_temperatures, draw_heated

__all__ = [
    "CAPITALS",
    "COUNTRIES",
    "EXAMPLES",
    "EXCERPTS",
    "FORMS",
    "MODELS",
    "PAIRS",
    "SENTENCES",
    "SHOWN",
    "SOLVED_SUMS",
    "TEMPERATURES",
    "TWENTY",
    "WRONG_EXAMPLES",
    "WRONG_SUMS",
    "ExcerptScore",
    "LanguageModel",
    "ask_capitals",
    "at_temperatures",
    "both_right",
    "by_domain",
    "choose",
    "difference",
    "draw_by_population",
    "draw_capitals",
    "draw_heated",
    "draw_pairs",
    "draw_sizes",
    "excerpts",
    "population_correlation",
    "score_excerpts",
    "share_correct",
    "share_right",
    "shuffled",
    "sign_test",
    "table_of_sizes",
]
