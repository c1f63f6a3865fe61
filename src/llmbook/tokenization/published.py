"""SmolLM2's own tokenizer in this page's code: a published tokenizer is a list of merges and a split.

Its merges were learnt by Hugging Face (2024) on text in many languages and on code; the code that applies them is
``llmbook.tokenization.bpe``. The numbers are the model's.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmbook.core.models.pretrained import prepare
from llmbook.tokenization.bpe import BPE
from llmbook.tokenization.byte_level import BYTE_OF
from llmbook.tokenization.splitting import SMOLLM2


def smollm2_file() -> Path:
    """The file of SmolLM2's tokenizer, as 🤗 tokenizers reads it; it is made on first use."""
    return Path(prepare("smollm2")) / "tokenizer.json"


@lru_cache(maxsize=1)
def smollm2() -> BPE:
    """SmolLM2's 49,152 pieces in our BPE, and behind them the 21 bytes for which the model has none.

    Those hardly occur in text (0x04, and what begins the rarest characters); the library drops them silently.

    Raises:
        ValueError: the file's numbers are not those of special tokens, bytes and merges, in this order.
    """
    model = json.loads(smollm2_file().read_text(encoding="utf-8"))["model"]
    by_number = sorted(model["vocab"], key=model["vocab"].__getitem__)
    alphabet = [token for token in by_number if token in BYTE_OF]
    special = by_number[: by_number.index(alphabet[0])]
    found = BPE([pair(merge) for merge in model["merges"]], special, SMOLLM2, alphabet)
    if wrong := [token for token, number in model["vocab"].items() if found.ids.get(token) != number]:
        raise ValueError(f"{len(wrong)} pieces would have other numbers, {wrong[0]!r} among them")
    return found


def pair(merge: Any) -> tuple[str, str]:
    """A merge as two pieces, from either of the ways that files write it.

    >>> pair("a b"), pair(["a", "b"])
    (('a', 'b'), ('a', 'b'))
    """
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def for_browser(bpe: BPE, name: str) -> dict[str, Any]:
    """A tokenizer as ``llmbook.core.show.live.pieces`` hands it to the reader's browser.

    >>> for_browser(BPE([("a", "b")]), "ours")["merges"]
    ['a b']
    """
    return {
        "name": name,
        "tokens": bpe.tokens,
        "merges": [f"{left} {right}" for left, right in bpe.merges],
        "digits": bpe.split == SMOLLM2,
    }
