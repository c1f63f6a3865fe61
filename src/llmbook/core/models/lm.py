"""What every language model of the book can be asked: text in, probabilities or text out.

A model here is our own Transformer with published weights and its tokenizer; SmolLM2-135M-Instruct (Ben Allal et al.
2025, arXiv:2502.02737) is the one that the book carries.

Left out on purpose: training, and every decoding method but greedy and plain sampling.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor

from llmbook.core.models import convert, pretrained
from llmbook.core.models.generation import generate
from llmbook.core.models.transformer import Transformer


@dataclass
class LanguageModel:
    """A language model with its tokenizer: text in, probabilities or text out.

    ``model`` is our own Transformer (ids (B, T) -> logits (B, T, V)) with the published weights.
    """

    model: Transformer
    tokenizer: Any
    device: torch.device

    @classmethod
    def load(cls, name: str = "smollm2", device: str | torch.device = "cpu") -> LanguageModel:
        """The packaged SmolLM2, or any LLaMA- or GPT-2-type model by its hub name when there is a network."""
        state, config, tokenizer = pretrained.load_state(name)
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
        return self.model(self.encode(text), last_only=True)[0, -1].float().softmax(-1).cpu()

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
        log_p = self.model(ids)[0, :-1].float().log_softmax(-1)  # (T - 1, V)
        return -log_p.gather(1, ids[0, 1:, None])[:, 0].cpu() / math.log(2)

    def bits_per_byte(self, text: str) -> float:
        """Mean surprise per byte of UTF-8, the first token left out of both counts.

        Raises ``ValueError`` for a text of one token, of which nothing is left.
        """
        bits = self.surprise(text)
        if not len(bits):
            raise ValueError(f"{text!r} is a single token; surprise needs at least two")
        first = self._first_token_bytes(text)
        return float(bits.sum()) / (len(text.encode()) - first)

    def _first_token_bytes(self, text: str) -> int:
        """How many bytes of ``text`` its first token stands for; none if that is a tokenizer's start mark.

        A token may end inside a character. It decodes to U+FFFD then, which says nothing about its length, but
        its name does: `<0xE2>` is one byte (SentencePiece), and byte-level BPE writes each byte as one character.
        """
        first = int(self.encode(text)[0, 0])
        piece = self.tokenizer.decode([first])
        if "\ufffd" in piece:
            name = self.tokenizer.convert_ids_to_tokens(first)
            return 1 if re.fullmatch("<0x[0-9A-F]{2}>", name) else len(name)
        return len(piece.encode()) if text.startswith(piece) else 0

    @overload
    def complete(self, prompt: str, max_new_tokens: int = ..., **options: Any) -> str: ...
    @overload
    def complete(self, prompt: Sequence[str], max_new_tokens: int = ..., **options: Any) -> list[str]: ...
    def complete(
        self,
        prompt: str | Sequence[str],
        max_new_tokens: int = 30,
        *,
        seed: int = 0,
        start: bool = True,
        **options: Any,
    ) -> str | list[str]:
        """Continue a prompt, or several at once; returns only what is new.

        ``options``: as for ``generation.stream``. At temperature 0, the default, it always takes the likeliest token.
        """
        ids = [self.encode(p, start)[0].tolist() for p in ([prompt] if isinstance(prompt, str) else prompt)]
        options = {
            "generator": torch.Generator().manual_seed(seed),
            "stop": self.tokenizer.eos_token_id,
        } | options
        rows = generate(self.model, ids, max_new_tokens, **options)
        texts = [
            self.tokenizer.decode(row[len(p) :], skip_special_tokens=True)
            for p, row in zip(ids, rows, strict=True)
        ]
        return texts[0] if isinstance(prompt, str) else texts

    def chat(self, message: str, max_new_tokens: int = 60) -> str:
        """Answer one message: the chat template around it, then greedy continuation until the model stops."""
        return self.complete(
            self.chat_prompt(message), max_new_tokens, start=False
        ).strip()  # it has its own marks

    def chat_prompt(self, message: str) -> str:
        """What the model really reads when somebody says ``message``: the conversation as one text."""
        turns = [{"role": "user", "content": message}]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
