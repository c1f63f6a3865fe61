"""A language model is a distribution over the next token: what the page ``overview`` computes.

Everything here asks a real model, SmolLM2-135M-Instruct (Ben Allal et al. 2025, arXiv:2502.02737), for
probabilities; text is what comes out when they are drawn from, again and again (Shannon 1948, section 3,
doi:10.1002/j.1538-7305.1948.tb01338.x).

Left out on purpose: training, and every decoding method but greedy and plain sampling (page ``decoding``).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llmbook.core import convert, pretrained
from llmbook.core.generation import generate
from llmbook.core.transformer import Transformer


@dataclass
class Speaker:
    """A language model with its tokenizer: text in, probabilities or text out.

    ``model`` is our own Transformer (ids (B, T) -> logits (B, T, V)) with the published weights.
    """

    model: Transformer
    tokenizer: Any
    device: torch.device

    @classmethod
    def load(cls, name: str = "smollm2", device: str | torch.device = "cpu") -> Speaker:
        """The packaged SmolLM2, or any LLaMA- or GPT-2-type model by its hub name when there is a network."""
        state, config, tokenizer = pretrained.weights(name)
        model = convert.build(config, state)
        if not isinstance(model, Transformer):
            raise ValueError(f"{name} is an encoder-decoder; this page needs a model that continues text")
        return cls(model.to(device), tokenizer, torch.device(device))

    def encode(self, text: str, start: bool = True) -> Tensor:
        """Token ids (1, T). Raises ``ValueError`` for text without a token.

        ``start=False`` leaves out the mark that some tokenizers put before a text: for text that goes on.
        """
        ids = self.tokenizer(text, add_special_tokens=start)["input_ids"]
        if not ids:
            raise ValueError("the text is empty; give at least one word")
        return torch.tensor([ids], device=self.device)

    def pieces(self, text: str) -> list[str]:
        """The tokens of a text, as text."""
        return [self.tokenizer.decode([i]) for i in self.encode(text)[0].tolist()]

    @torch.no_grad()
    def next_probabilities(self, text: str) -> Tensor:
        """p(next token | text) for every token of the vocabulary: (V,), sums to 1."""
        return self.model(self.encode(text))[0, -1].softmax(-1).cpu()

    def top(self, text: str, k: int = 10) -> dict[str, float]:
        """The ``k`` likeliest continuations and their probabilities, likeliest first."""
        values, ids = self.next_probabilities(text).topk(k)
        return {
            repr(self.tokenizer.decode([i])): p for i, p in zip(ids.tolist(), values.tolist(), strict=True)
        }

    @torch.no_grad()
    def surprise(self, text: str) -> Tensor:
        """-log2 p(token | tokens before it) for every token but the first, in bits: (T - 1,)."""
        ids = self.encode(text)
        log_p = self.model(ids)[0, :-1].log_softmax(-1)  # (T - 1, V)
        return -log_p.gather(1, ids[0, 1:, None])[:, 0].cpu() / math.log(2)

    def bits_per_byte(self, text: str) -> float:
        """Mean surprise per byte of UTF-8, the first token left out of both counts.

        Raises ``ValueError`` for a text of one token, of which nothing is left.
        """
        bits, first = self.surprise(text), self.pieces(text)[0]
        if not len(bits):
            raise ValueError(f"{text!r} is a single token; surprise needs at least two")
        rest = text.removeprefix(
            first
        )  # a tokenizer's start mark is no part of the text: then all of it counts
        return float(bits.sum()) / len(rest.encode())

    def say(
        self,
        prompt: str,
        max_new_tokens: int = 30,
        temperature: float = 0.0,
        seed: int = 0,
        top_k: int | None = None,
        start: bool = True,
    ) -> str:
        """Continue ``prompt``; temperature 0 always takes the likeliest token. Returns only what is new."""
        generator = torch.Generator().manual_seed(seed)
        ids = self.encode(prompt, start)
        out = generate(
            self.model,
            ids,
            max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            generator=generator,
            stop=self.tokenizer.eos_token_id,
        )
        return self.tokenizer.decode(out[0, ids.shape[1] :].tolist(), skip_special_tokens=True)

    def chat(self, message: str, max_new_tokens: int = 60) -> str:
        """Answer one message: the chat template around it, then greedy continuation until the model stops."""
        return self.say(self.template(message), max_new_tokens, start=False).strip()  # it has its own marks

    def template(self, message: str) -> str:
        """What the model really reads when somebody says ``message``: the conversation as one text."""
        turns = [{"role": "user", "content": message}]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def shuffled(text: str, seed: int = 0) -> str:
    """The same words in another order."""
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


@torch.no_grad()
def probability_of(speaker: Speaker, text: str, continuation: str) -> float:
    """p(continuation | text): the product over its tokens, each given what came before it (the chain rule)."""
    before, after = speaker.encode(text), speaker.encode(continuation, start=False)
    ids = torch.cat((before, after), dim=1)  # (1, T)
    log_p = speaker.model(ids)[0, before.shape[1] - 1 : -1].log_softmax(
        -1
    )  # one row per token of the continuation
    return float(log_p.gather(1, after[0, :, None]).sum().exp())


def share_correct(speaker: Speaker, questions: Sequence[tuple[str, str]]) -> float:
    """How often the likeliest next token begins the right answer, between 0 and 1."""
    hits = [
        int(speaker.next_probabilities(q).argmax()) == int(speaker.encode(a, start=False)[0, 0])
        for q, a in questions
    ]
    return sum(hits) / len(hits)


CAPITALS = [
    (f"The capital of {country} is", f" {city}")
    for country, city in {
        "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Russia": "Moscow",
        "Egypt": "Cairo", "Greece": "Athens", "Norway": "Oslo", "Cuba": "Havana", "Peru": "Lima",
        "Kenya": "Nairobi", "Iran": "Tehran", "Bulgaria": "Sofia", "Chile": "Santiago", "Ghana": "Accra",
        "Nepal": "Kathmandu", "Mongolia": "Ulaanbaatar", "Uruguay": "Montevideo", "Eritrea": "Asmara",
        "Bhutan": "Thimphu",
    }.items()
]  # fmt: skip

SENTENCES = (
    "The doctor told the patient to take the medicine twice a day.",
    "She opened the window because the room was too hot.",
    "Water freezes at a lower temperature when salt is added to it.",
    "The train to the city leaves every hour from the second platform.",
    "He forgot his umbrella and came home completely wet.",
    "Most birds build their nests in the spring before they lay eggs.",
    "The committee will publish its report at the end of the year.",
    "If you mix blue and yellow paint you get green.",
    "The old bridge was closed after the flood damaged its pillars.",
    "My sister plays the piano much better than I do.",
)
