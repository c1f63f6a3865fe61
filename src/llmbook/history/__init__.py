"""The room of the page ``history``: from counting to attention, every model on one text with one metric."""

from llmbook.history.bottleneck import RECORD as BOTTLENECK
from llmbook.history.bottleneck import Reversed, share_right
from llmbook.history.climbs import (
    by_budget,
    chosen,
    draw_against,
    draw_ladder,
    draw_scaling,
    fall,
    lead,
    name_ends,
    results,
    scores,
    trials,
)
from llmbook.history.counting import ngram_scores, unseen_share
from llmbook.history.ladder import RECORD, Climb, climb, count_ngrams, sample, score
from llmbook.history.longer import RECORD as LONGER
from llmbook.history.looks import draw_looks
from llmbook.history.memory import Reach, draw_reach, reach
from llmbook.history.milestones import draw_timeline, table_of_milestones
from llmbook.history.plays import text
from llmbook.history.recall import RECORD as RECALL
from llmbook.history.recall import Recall, draw_recall
from llmbook.history.recall import by_distance as recall_by_distance
from llmbook.history.reversal import reverse_by_length, reversed_right, train_to_reverse
from llmbook.history.rungs import RUNGS
from llmbook.history.vectors import RECORD as VECTORS
from llmbook.history.vectors import Near, median_ranks, nearest

__all__ = [
    "BOTTLENECK",
    "LONGER",
    "RECALL",
    "RECORD",
    "RUNGS",
    "VECTORS",
    "Climb",
    "Near",
    "Reach",
    "Recall",
    "Reversed",
    "by_budget",
    "chosen",
    "climb",
    "count_ngrams",
    "draw_against",
    "draw_ladder",
    "draw_looks",
    "draw_reach",
    "draw_recall",
    "draw_scaling",
    "draw_timeline",
    "fall",
    "lead",
    "median_ranks",
    "name_ends",
    "nearest",
    "ngram_scores",
    "reach",
    "recall_by_distance",
    "results",
    "reverse_by_length",
    "reversed_right",
    "sample",
    "score",
    "scores",
    "share_right",
    "table_of_milestones",
    "text",
    "train_to_reverse",
    "trials",
    "unseen_share",
]
