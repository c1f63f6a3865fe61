"""The room of the page ``architecture``: the Transformer, opened and measured."""

from llmbook.architecture import diagrams
from llmbook.architecture.attention_time import PartTime, attention_seconds_by_part, find, growth
from llmbook.architecture.context import (
    CONTEXT,
    ContextScore,
    bits_by_context,
    foreign_loss,
    gain_by_context,
    mean_by_context,
)
from llmbook.architecture.cost import (
    cache_bytes,
    flop_formula,
    measured_flops,
    saved_bytes,
    seconds_per_call,
    stored_score_bytes,
)
from llmbook.architecture.families import FAMILIES, FamilyRun, Translator, exact_by_family, family_run
from llmbook.architecture.length_extrapolation import (
    POSITIONS,
    WindowScore,
    by_length,
    draw_by_length,
    extrapolation,
    grouped,
)
from llmbook.architecture.looking import (
    FRESH_PAIRS,
    MINIMAL_PAIRS,
    best_head,
    follows,
    preferences,
    resolves,
    sign_test,
    tokens_of,
    who_looks,
)
from llmbook.architecture.norms import (
    NORMS,
    NormRun,
    bits_by_kind,
    letter_bits,
    norm_run,
    profiles,
    stack_of,
    warmup_gain,
)
from llmbook.architecture.paired import family_pairs, positions_pairs
from llmbook.architecture.parity import logit_agreement, our_embeddings, real_pair, tiny_parity
from llmbook.architecture.probes import influence, rope_score
from llmbook.architecture.recall import RECALL, Fact, Reader, Recall, ask, plant, recalls, shares, verdict
from llmbook.architecture.steps import five_steps, softmax_health
from llmbook.core.measure.metrics import exact_match
from llmbook.core.models.parameters import parameters_by_part

__all__ = [
    "CONTEXT",
    "FAMILIES",
    "FRESH_PAIRS",
    "MINIMAL_PAIRS",
    "NORMS",
    "POSITIONS",
    "RECALL",
    "ContextScore",
    "Fact",
    "FamilyRun",
    "NormRun",
    "PartTime",
    "Reader",
    "Recall",
    "Translator",
    "WindowScore",
    "ask",
    "attention_seconds_by_part",
    "best_head",
    "bits_by_context",
    "bits_by_kind",
    "by_length",
    "cache_bytes",
    "diagrams",
    "draw_by_length",
    "exact_by_family",
    "exact_match",
    "extrapolation",
    "family_pairs",
    "family_run",
    "find",
    "five_steps",
    "flop_formula",
    "follows",
    "foreign_loss",
    "gain_by_context",
    "grouped",
    "growth",
    "influence",
    "letter_bits",
    "logit_agreement",
    "mean_by_context",
    "measured_flops",
    "norm_run",
    "our_embeddings",
    "parameters_by_part",
    "plant",
    "positions_pairs",
    "preferences",
    "profiles",
    "real_pair",
    "recalls",
    "resolves",
    "rope_score",
    "saved_bytes",
    "seconds_per_call",
    "shares",
    "sign_test",
    "softmax_health",
    "stack_of",
    "stored_score_bytes",
    "tiny_parity",
    "tokens_of",
    "verdict",
    "warmup_gain",
    "who_looks",
]
