"""The room of the page ``overview``: a language model is a distribution over the next token."""

from llmbook.core.models.lm import LanguageModel
from llmbook.overview.questions import CAPITALS, SENTENCES, probability_of, share_correct, shuffled

__all__ = ["CAPITALS", "SENTENCES", "LanguageModel", "probability_of", "share_correct", "shuffled"]
