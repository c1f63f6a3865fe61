"""Output layers of encoders: BERT's, which guesses masked words, and none at all.

A decoder's output layer is one matrix and stands in ``transformer``. Left out on purpose: heads that predict no words.

Shapes: B batch, T tokens, C channels, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from llmbook.core.models.config import ACTIVATIONS, Config


class MaskedHead(nn.Linear):
    """BERT's output layer, which guesses masked words: one more hidden layer, then words, with a bias.

    Devlin et al. 2018, section 3.1 (arXiv:1810.04805), and the authors' code. As a ``Linear``, ``weight`` (V, C) can
    be the embedding.
    """

    def __init__(self, config: Config):
        super().__init__(config.n_embd, config.vocab_size)
        self.dense = nn.Linear(config.n_embd, config.n_embd)
        self.norm = nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, V)."""
        return super().forward(self.norm(self.activation(self.dense(x))))


class NoHead(nn.Module):
    """In place of an output layer that was never published: asking it for logits is an error."""

    def forward(self, x: Tensor) -> Tensor:
        """Raises ``ValueError``."""
        raise ValueError(
            "this encoder was published without an output layer, so it has no logits; use hidden(ids)"
        )
