"""The room of the page ``neural_networks``: neurons, gradients, and a small network that reads the news."""

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.activations import activation_curves
from llmbook.neural_networks.articles import jaccard, near_copies, shingles, split_news
from llmbook.neural_networks.autograd import Array, cross_entropy, history
from llmbook.neural_networks.baselines import READING, Score, compare_readers, split_interval
from llmbook.neural_networks.features import HiddenWords, hidden_words
from llmbook.neural_networks.gradients import (
    batch_agreement,
    gradient_by_layer,
    gradient_survival,
    nudged_gradient,
)
from llmbook.neural_networks.graph import draw_graph
from llmbook.neural_networks.learning import LEARNING, Learned
from llmbook.neural_networks.mlp import MLP, XOR, fit, probability
from llmbook.neural_networks.optimizers import (
    SGD,
    Adam,
    AdamW,
    Momentum,
    descend,
    memory,
    rate_curves,
    steps_to_reach,
)
from llmbook.neural_networks.reading import bag_of_words, frequent_words, known_words, overfitting, own_bags
from llmbook.neural_networks.stuck import STUCK, Trained, solved_by_size
from llmbook.neural_networks.torch_twin import fit_with_torch, parity_with_torch
from llmbook.neural_networks.tracing import trace
from llmbook.neural_networks.unbend import Snapshot, draw_unbend, line_within, unbending

__all__ = [
    "LEARNING",
    "MLP",
    "READING",
    "SGD",
    "STUCK",
    "XOR",
    "Adam",
    "AdamW",
    "Array",
    "HiddenWords",
    "Learned",
    "Momentum",
    "Score",
    "Snapshot",
    "Trained",
    "accuracy",
    "activation_curves",
    "bag_of_words",
    "batch_agreement",
    "compare_readers",
    "cross_entropy",
    "descend",
    "draw_graph",
    "draw_unbend",
    "fit",
    "fit_with_torch",
    "frequent_words",
    "gradient_by_layer",
    "gradient_survival",
    "hidden_words",
    "history",
    "jaccard",
    "known_words",
    "line_within",
    "memory",
    "near_copies",
    "nudged_gradient",
    "overfitting",
    "own_bags",
    "parity_with_torch",
    "probability",
    "rate_curves",
    "shingles",
    "solved_by_size",
    "split_interval",
    "split_news",
    "steps_to_reach",
    "trace",
    "unbending",
]
