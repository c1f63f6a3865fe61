"""The room of the page ``history``: from counting to attention, every model on one text with one metric."""

from llmbook.history.counting import ngram_scores, unseen_share
from llmbook.history.ladder import (
    RECORD,
    RUNGS,
    Climb,
    by_budget,
    climb,
    count_ngrams,
    draw_ladder,
    sample,
    scores,
    text,
)
from llmbook.history.memory import open_forget_gate, reach
from llmbook.history.milestones import draw_timeline, table_of_milestones
from llmbook.history.reversal import reverse_by_length, reversed_right, train_to_reverse

__all__ = [
    "RECORD",
    "RUNGS",
    "Climb",
    "by_budget",
    "climb",
    "count_ngrams",
    "draw_ladder",
    "draw_timeline",
    "ngram_scores",
    "open_forget_gate",
    "reach",
    "reverse_by_length",
    "reversed_right",
    "sample",
    "scores",
    "table_of_milestones",
    "text",
    "train_to_reverse",
    "unseen_share",
]
