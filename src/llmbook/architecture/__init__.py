"""The room of the page ``architecture``: the Transformer, opened and measured."""

from llmbook.architecture import diagrams
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
from llmbook.architecture.parity import logit_agreement, our_embeddings, real_pair, tiny_parity
from llmbook.architecture.probes import influence, rope_score
from llmbook.architecture.steps import five_steps, softmax_health
from llmbook.core.measure.metrics import exact_match
from llmbook.core.models.parameters import parameters_by_part

__all__ = [
    "FAMILIES",
    "POSITIONS",
    "FamilyRun",
    "Translator",
    "WindowScore",
    "by_length",
    "cache_bytes",
    "diagrams",
    "draw_by_length",
    "exact_by_family",
    "exact_match",
    "extrapolation",
    "family_run",
    "five_steps",
    "flop_formula",
    "grouped",
    "influence",
    "logit_agreement",
    "measured_flops",
    "our_embeddings",
    "parameters_by_part",
    "real_pair",
    "rope_score",
    "saved_bytes",
    "seconds_per_call",
    "softmax_health",
    "stored_score_bytes",
    "tiny_parity",
]
