"""The space that SentencePiece puts before a text, as LLaMA's first tokenizers did: shown with the real library.

SentencePiece (Kudo and Richardson 2018) writes a space as ``▁`` and, unless told otherwise, adds one in front of the
text, so that a word at the start has the same piece as elsewhere. The price: a text and its halves have different
tokens, and decoding token by token loses spaces. ``train`` uses LLaMA's settings (Touvron et al. 2023: BPE, bytes for
unknown characters, each digit alone) on a text of your choice.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llmbook.tokenization.splitting import check_text


def train(texts: str | Iterable[str], vocab_size: int = 1000, prefix_space: bool = True) -> Any:
    """A ``sentencepiece.SentencePieceProcessor`` trained with LLaMA's settings.

    Raises:
        ValueError: there is no text, or ``vocab_size`` is too small or too large for it.
    """
    import sentencepiece

    lines = [
        line
        for text in ([texts] if isinstance(texts, str) else texts)
        for line in check_text(text).splitlines()
    ]
    if not any(map(str.strip, lines)):
        raise ValueError("the corpus is empty: there is no line to learn from; give a text with some words")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            add_dummy_prefix=prefix_space,
            byte_fallback=True,
            split_digits=True,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(f"sentencepiece refuses vocab_size={vocab_size} on this text: {error}") from error
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


@dataclass(frozen=True)
class Quirk:
    """A text, its pieces, and the pieces and text that its two halves give on their own.

    Attributes:
        whole: the pieces of the text.
        halves: the pieces of each half, one after the other.
        decoded: what comes out when each piece is decoded alone and the results are joined.
    """

    text: str
    whole: list[str]
    halves: list[str]
    decoded: str

    @property
    def splits_alike(self) -> bool:
        return self.whole == self.halves

    @property
    def decodes_alike(self) -> bool:
        return self.decoded == self.text


def quirk(processor: Any, text: str, at: int) -> Quirk:
    """What happens to a text that is cut in two before character ``at``, encoded, and decoded piece by piece."""
    ids = processor.encode(text)
    halves = processor.encode(text[:at], out_type=str) + processor.encode(text[at:], out_type=str)
    decoded = "".join(processor.decode([i]) for i in ids)
    return Quirk(text, processor.encode(text, out_type=str), halves, decoded)
