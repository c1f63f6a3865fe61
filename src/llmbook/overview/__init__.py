"""The room of the page ``overview``: a language model is a distribution over the next token."""

from llmbook.core.measure.intervals import sign_test
from llmbook.core.models.lm import LanguageModel
from llmbook.overview.capitals import (
    CAPITALS,
    COUNTRIES,
    EXAMPLES,
    SHOWN,
    TWENTY,
    ask_capitals,
    draw_by_population,
    draw_capitals,
    population_correlation,
    share_right,
)
from llmbook.overview.domains import EXCERPTS, ExcerptScore, by_domain, difference, excerpts, score_excerpts
from llmbook.overview.questions import SENTENCES, probability_of, share_correct, shuffled
from llmbook.overview.sizes import MODELS, table_of_sizes
from llmbook.overview.surprise import surprise_after, surprise_with_contexts
from llmbook.overview.temperature import TEMPERATURES, at_temperatures, draw_heated

__all__ = [
    "CAPITALS",
    "COUNTRIES",
    "EXAMPLES",
    "EXCERPTS",
    "MODELS",
    "SENTENCES",
    "SHOWN",
    "TEMPERATURES",
    "TWENTY",
    "ExcerptScore",
    "LanguageModel",
    "ask_capitals",
    "at_temperatures",
    "by_domain",
    "difference",
    "draw_by_population",
    "draw_capitals",
    "draw_heated",
    "excerpts",
    "population_correlation",
    "probability_of",
    "score_excerpts",
    "share_correct",
    "share_right",
    "shuffled",
    "sign_test",
    "surprise_after",
    "surprise_with_contexts",
    "table_of_sizes",
]
