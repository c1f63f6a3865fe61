"""The room of the page ``neural_networks``: neurons, gradients, and a small network that reads the news."""

from llmbook.core.measure.metrics import accuracy
from llmbook.neural_networks.autograd import Array, cross_entropy, history
from llmbook.neural_networks.gradients import activation_curves, gradient_by_layer, nudged_gradient
from llmbook.neural_networks.mlp import MLP, XOR, fit, probability
from llmbook.neural_networks.reading import bag_of_words, news, overfitting
from llmbook.neural_networks.torch_twin import fit_with_torch, parity_with_torch

__all__ = [
    "MLP",
    "XOR",
    "Array",
    "accuracy",
    "activation_curves",
    "bag_of_words",
    "cross_entropy",
    "fit",
    "fit_with_torch",
    "gradient_by_layer",
    "history",
    "news",
    "nudged_gradient",
    "overfitting",
    "parity_with_torch",
    "probability",
]
