"""A language model of bytes with random weights, for tests of what is asked of a real one."""

from __future__ import annotations

import torch

from llmbook.core.models.config import Config
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer


class Bytes:
    """A tokenizer whose tokens are the bytes of a text."""

    eos_token_id = None

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": list(text.encode())}

    def decode(self, ids, skip_special_tokens=False):
        return bytes(ids).decode("utf-8", errors="replace")

    def convert_ids_to_tokens(self, ids):
        return [chr(i) for i in ids]


def byte_lm(block_size=512, seed=0, **options):
    """Random weights, large enough that every token and every position matters."""
    torch.manual_seed(seed)
    model = Transformer(
        Config(256, block_size, n_layer=2, n_head=2, n_embd=16, position="rope", **options)
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 2:
                p.mul_(10)
    return LanguageModel(model, Bytes(), torch.device("cpu"))
