"""The room of the page ``neural_networks``: neurons, gradients, and a small network that reads the news."""

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.activations import activation_curves, draw_curves
from llmbook.neural_networks.articles import jaccard, near_copies, shingles, split_news
from llmbook.neural_networks.autograd import Array, cross_entropy, history
from llmbook.neural_networks.baselines import READING, Score, compare_readers, split_interval
from llmbook.neural_networks.bowl import (
    curvature,
    descend_bowl,
    draw_descent,
    draw_stability,
    left_by_a_step,
    longest_rate,
)
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
    draw_walk,
    memory,
    rate_curves,
    steps_to_reach,
)
from llmbook.neural_networks.reading import bag_of_words, frequent_words, known_words, overfitting, own_bags
from llmbook.neural_networks.sketch import draw_matrices, draw_network
from llmbook.neural_networks.stopping import STOPPING, Course, best_decay, by_decay, draw_courses
from llmbook.neural_networks.stuck import STUCK, Trained, solved_by_size, stuck_runs
from llmbook.neural_networks.torch_twin import descend_with_torch, fit_with_torch, parity_with_torch
from llmbook.neural_networks.tracing import trace
from llmbook.neural_networks.unbend import Snapshot, draw_unbend, line_within, snapshot_of, unbending

__all__ = [
    "LEARNING",
    "MLP",
    "READING",
    "SGD",
    "STOPPING",
    "STUCK",
    "XOR",
    "Adam",
    "AdamW",
    "Array",
    "Course",
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
    "best_decay",
    "by_decay",
    "compare_readers",
    "cross_entropy",
    "curvature",
    "descend",
    "descend_bowl",
    "descend_with_torch",
    "draw_courses",
    "draw_curves",
    "draw_descent",
    "draw_graph",
    "draw_matrices",
    "draw_network",
    "draw_stability",
    "draw_unbend",
    "draw_walk",
    "fit",
    "fit_with_torch",
    "frequent_words",
    "gradient_by_layer",
    "gradient_survival",
    "hidden_words",
    "history",
    "jaccard",
    "known_words",
    "left_by_a_step",
    "line_within",
    "longest_rate",
    "memory",
    "near_copies",
    "nudged_gradient",
    "overfitting",
    "own_bags",
    "parity_with_torch",
    "probability",
    "rate_curves",
    "shingles",
    "snapshot_of",
    "solved_by_size",
    "split_interval",
    "split_news",
    "steps_to_reach",
    "stuck_runs",
    "trace",
    "unbending",
]
