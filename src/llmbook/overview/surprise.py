"""Surprise with something before it: the bits of a text, given what was read first.

A model that has read nothing expects anything; the first words of every text are dear. What a context saves is the
information that the two have in common (Shannon 1948, section 6, doi:10.1002/j.1538-7305.1948.tb01338.x).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from llmbook.core.models.lm import LanguageModel


@dataclass(frozen=True)
class Surprise:
    """The tokens of a text and the bits of each, for each thing that was read before: name -> one number a token."""

    pieces: tuple[str, ...]
    bits: Mapping[str, tuple[float, ...]]

    def total(self, name: str) -> float:
        """Bits of the whole text."""
        return sum(self.bits[name])


@torch.no_grad()
def surprise_after(lm: LanguageModel, context: str, text: str) -> list[float]:
    """-log2 p(token | context and the tokens before it), in bits, for every token of ``text`` but the first.

    The first is left out because without a context it has nothing to be predicted from; so numbers of all contexts, and
    of none (""), are about the same tokens. Context and text are cut into tokens each on its own. A mark that a
    tokenizer puts before every text is read, and is no token of the text.

    Raises ``ValueError`` for a text of fewer than two tokens.
    """
    after = lm.encode(text, start=False)
    if after.shape[1] < 2:
        raise ValueError(f"{text!r} is a single token; surprise needs at least two")
    mark = lm.encode(text)[:, : -after.shape[1]]  # if the tokenizer has one
    before = lm.encode(context) if context else mark
    ids = torch.cat((before, after), dim=1)  # (1, T)
    log_p = lm.model(ids)[0, before.shape[1] : -1].float().log_softmax(-1)  # one row per token but the first
    nats = -log_p.gather(1, after[0, 1:, None])[:, 0]
    return (nats.cpu() / math.log(2)).tolist()


def surprise_with_contexts(lm: LanguageModel, text: str, contexts: Mapping[str, str]) -> Surprise:
    """The bits of ``text`` after each of ``contexts`` (name -> what is read first, "" for nothing)."""
    bits = {name: tuple(surprise_after(lm, context, text)) for name, context in contexts.items()}
    pieces = [lm.tokenizer.decode([i]) for i in lm.encode(text, start=False)[0].tolist()]
    return Surprise(tuple(pieces[1:]), bits)
