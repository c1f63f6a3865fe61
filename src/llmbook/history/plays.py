"""The ladder's text: the plays as tokens, split so that nothing that is scored was learned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from llmbook.core.measure import losses
from llmbook.core.text import corpora


@dataclass(frozen=True)
class Text:
    """The plays as tokens: ids (N,) to train on, ids (M,) of unseen plays, and how many bytes the latter spell."""

    tokenizer: Tokenizer
    train: Tensor
    unseen: Tensor
    unseen_bytes: int
    split: str = "test"  # which plays ``unseen`` are

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.get_vocab_size()

    def decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode(list(ids))

    def bits_per_byte(self, nats_per_token: float) -> float:
        """From a mean loss per token to bits per byte of the unseen plays."""
        return losses.bits_per_byte(nats_per_token * (len(self.unseen) - 1), self.unseen_bytes)


@lru_cache(maxsize=4)
def text(vocab_size: int = 1024, unseen_chars: int = 100_000, split: str = "test") -> Text:
    """All training plays, and the beginning of each play of ``split``, in the same byte-level BPE tokens.

    The tokenizer (its own page explains it) is trained on the training plays only. Sizes, optimizers and learning
    rates of the ladder are chosen on ``split="valid"``; what the page shows is scored on ``"test"``.
    Raises ``ValueError`` for ``split="train"``, which the models have seen, an unknown split, fewer tokens than there
    are bytes, or no character to score.
    """
    if split == "train":
        raise ValueError("split is 'train', which the models learn from; score them on 'valid' or 'test'")
    if vocab_size < 256 or unseen_chars < 1:
        raise ValueError(
            f"vocab_size is {vocab_size}, unseen_chars {unseen_chars}; give at least 256, one token a byte, and 1"
        )
    unseen = "\n".join(play.text[:unseen_chars] for play in corpora.plays(split))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plays = corpora.plays_text("train")
    tokenizer.train_from_iterator(
        [plays], trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    )
    ids = [torch.tensor(tokenizer.encode(t).ids) for t in (plays, unseen)]
    first = len(tokenizer.decode(ids[1][:1].tolist()).encode())  # the first token is context only
    return Text(tokenizer, ids[0], ids[1], len(unseen.encode()) - first, split)
