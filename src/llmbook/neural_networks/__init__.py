"""The room of the page ``neural_networks``: neurons, gradients, and a small network that reads the news."""

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.activations import activation_curves
from llmbook.neural_networks.articles import jaccard, near_copies, shingles, split_news
from llmbook.neural_networks.autograd import Array, cross_entropy, history
from llmbook.neural_networks.baselines import READING, Score, compare_readers, split_interval
from llmbook.neural_networks.gradients import gradient_by_layer, gradient_survival, nudged_gradient
from llmbook.neural_networks.graph import draw_graph, trace
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
from llmbook.neural_networks.reading import bag_of_words, collisions, frequent_words, news, overfitting
from llmbook.neural_networks.torch_twin import fit_with_torch, parity_with_torch

__all__ = [
    "LEARNING",
    "MLP",
    "READING",
    "SGD",
    "XOR",
    "Adam",
    "AdamW",
    "Array",
    "Learned",
    "Momentum",
    "Score",
    "accuracy",
    "activation_curves",
    "bag_of_words",
    "collisions",
    "compare_readers",
    "cross_entropy",
    "descend",
    "draw_graph",
    "fit",
    "fit_with_torch",
    "frequent_words",
    "gradient_by_layer",
    "gradient_survival",
    "history",
    "jaccard",
    "memory",
    "near_copies",
    "news",
    "nudged_gradient",
    "overfitting",
    "parity_with_torch",
    "probability",
    "rate_curves",
    "shingles",
    "split_interval",
    "split_news",
    "steps_to_reach",
    "trace",
]
