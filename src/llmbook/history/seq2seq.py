"""Sequence to sequence with recurrent networks, with and without attention.

Sutskever et al. 2014 (arXiv:1409.3215): the decoder starts from the encoder's last state. Luong et al. 2015
(arXiv:1508.04025): it also looks back at every encoder output. Left out: bidirectional encoders, beam search.

Shapes: B batch, T target tokens, S source tokens, C embedding size, N hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmbook.core.text.tokens import BOS, EOS, PAD, SPECIALS, Batch, check_ids
from llmbook.history.cells import LAYERS, State, check_kind, run, unroll


class Translation(NamedTuple):
    """``ids`` (B, T) with <eos> and padding; ``attention`` (B, T, S), rows sum to 1, or None."""

    ids: Tensor
    attention: Tensor | None


class Seq2Seq(nn.Module):
    """Encoder-decoder (Sutskever et al. 2014), with dot-product attention (Luong et al. 2015) or without.

    Without attention the decoder knows the source only through the encoder's last state. ``reverse_source``
    feeds the source backwards, as Sutskever et al. did; attention weights keep the order of the source.

    >>> model = Seq2Seq("lstm", attention=True, source_vocab=9, target_vocab=7, n_embd=4, n_hidden=6)
    >>> model(torch.tensor([[4, 5, 2]]), torch.tensor([[1, 4]])).shape
    torch.Size([1, 2, 7])
    """

    def __init__(
        self,
        kind: str = "lstm",
        attention: bool = True,
        source_vocab: int = 256,
        target_vocab: int = 256,
        n_embd: int = 64,
        n_hidden: int = 128,
        n_layer: int = 1,
        reverse_source: bool = False,
        readable: bool = False,
    ) -> None:
        super().__init__()
        check_kind(kind)
        self.kind, self.attention, self.reverse_source, self.readable = (
            kind,
            attention,
            reverse_source,
            readable,
        )
        self.source_vocab, self.vocab_size = source_vocab, target_vocab
        self.source_embedding = nn.Embedding(source_vocab, n_embd)
        self.target_embedding = nn.Embedding(target_vocab, n_embd)
        self.encoder = LAYERS[kind](n_embd, n_hidden, n_layer, batch_first=True)
        self.decoder = LAYERS[kind](n_embd, n_hidden, n_layer, batch_first=True)
        self.score = nn.Linear(n_hidden, n_hidden, bias=False) if attention else None  # Luong's "general"
        self.combine = nn.Linear(2 * n_hidden, n_hidden, bias=False) if attention else None
        self.head = nn.Linear(n_hidden, target_vocab)

    def forward(self, source: Tensor, target_in: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) from ``source`` (B, S) and the target so far (B, T).

        ``source_mask`` (B, S) is True at real tokens, which stand on the left; by default all but <pad>.

        Raises:
            ValueError: ids out of range, a source with no real token, padding before a real token.
        """
        memory, state, mask = self.encode(source, source_mask)
        return self.decode(target_in, memory, state, mask)[0]

    def encode(self, source: Tensor, source_mask: Tensor | None = None) -> tuple[Tensor, State, Tensor]:
        """Encoder outputs (B, S, N) in source order, the state after the last token read, the mask (B, S)."""
        check_ids(source, self.source_vocab)
        mask = source != PAD if source_mask is None else source_mask
        lengths = _lengths(mask)
        order = _order(lengths, source.shape[1], self.reverse_source)  # its own inverse
        x = self.source_embedding(source.gather(1, order))
        if self.readable:
            outputs, state = _unroll_padded(self.encoder, x, lengths)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            outputs, state = run(self.encoder, packed, None, readable=False)
            outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return outputs.gather(1, order[:, :, None].expand_as(outputs)), state, mask

    def decode(
        self, target_in: Tensor, memory: Tensor, state: State, mask: Tensor
    ) -> tuple[Tensor, State, Tensor | None]:
        """Logits (B, T, V), the new state and the attention weights (B, T, S)."""
        check_ids(target_in, self.vocab_size)
        h, state = run(self.decoder, self.target_embedding(target_in), state, self.readable)  # (B, T, N)
        if self.score is None or self.combine is None:
            return self.head(h), state, None
        scores = h @ self.score(memory).transpose(1, 2)  # (B, T, S)
        weights = scores.masked_fill(~mask[:, None], float("-inf")).softmax(dim=-1)
        h = torch.tanh(self.combine(torch.cat([weights @ memory, h], dim=-1)))  # Luong et al. 2015, eq. 5
        return self.head(h), state, weights

    @torch.no_grad()
    def translate(
        self, source: Tensor, source_mask: Tensor | None = None, max_new_tokens: int = 32
    ) -> Translation:
        """Greedy decoding from <bos> until every row has produced <eos>; after its <eos> a row is <pad>.

        Raises ``ValueError`` when ``max_new_tokens`` is below 1.
        """
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {max_new_tokens}; a translation has at least one")
        memory, state, mask = self.encode(source, source_mask)
        token = source.new_full((len(source), 1), BOS)
        done = torch.zeros_like(token, dtype=torch.bool)
        ids, rows = [], []
        for _ in range(max_new_tokens):
            logits, state, weights = self.decode(token, memory, state, mask)
            token = logits[:, -1:].argmax(dim=-1).masked_fill(done, PAD)  # (B, 1)
            ids.append(token)
            rows.append(weights)
            done = done | (token == EOS)
            if bool(done.all()):
                break
        attention = torch.cat([row for row in rows if row is not None], dim=1) if self.attention else None
        return Translation(torch.cat(ids, dim=1), attention)


def _lengths(mask: Tensor) -> Tensor:
    """Real tokens in each row, (B,)."""
    lengths = mask.sum(dim=1)
    if bool((lengths == 0).any()):
        raise ValueError("a source row has no real token; leave empty sentences out of the batch")
    if bool((mask != (torch.arange(mask.shape[1], device=mask.device) < lengths[:, None])).any()):
        raise ValueError("padding stands before a real token; pad the source on the right")
    return lengths


def _order(lengths: Tensor, width: int, reverse: bool) -> Tensor:
    """Positions (B, S) to read the source in: as it is, or each row's real tokens backwards."""
    at = torch.arange(width, device=lengths.device).expand(len(lengths), width)
    return torch.where(at < lengths[:, None], lengths[:, None] - 1 - at, at) if reverse else at


def _unroll_padded(layers: nn.RNNBase, x: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
    """Our cells on padded rows: run each row alone, so that padding never enters its state."""
    rows = [unroll(layers, row[None, : int(n)]) for row, n in zip(x, lengths, strict=True)]
    outputs = nn.utils.rnn.pad_sequence([out[0] for out, _ in rows], batch_first=True)
    outputs = F.pad(outputs, (0, 0, 0, x.shape[1] - outputs.shape[1]))
    return outputs, tuple(torch.cat(part, dim=1) for part in zip(*(state for _, state in rows), strict=True))


def until_eos(ids: Tensor) -> list[list[int]]:
    """Each row of ids (B, T) up to and including its first <eos>, as a list.

    >>> until_eos(torch.tensor([[5, 2, 0], [5, 6, 7]]))
    [[5, 2], [5, 6, 7]]
    """
    return [row[: row.index(EOS) + 1] if EOS in row else row for row in ids.tolist()]


def reversal_batch(
    batch_size: int, lengths: tuple[int, int], symbols: int = 10, *, generator: torch.Generator
) -> Batch:
    """Random sequences and the same backwards: the smallest task with long-range word order.

    Args:
        lengths: shortest and longest sequence, both included.
        symbols: how many different tokens; the vocabulary is that plus the four special ones.

    >>> made = reversal_batch(1, (3, 3), generator=torch.Generator().manual_seed(0))
    >>> made.source[0, :3].tolist() == made.target_out[0, :3].flip(0).tolist()
    True

    Raises:
        ValueError: a size below 1, or lengths in the wrong order.
    """
    shortest, longest = lengths
    if batch_size < 1 or symbols < 1 or not 1 <= shortest <= longest:
        raise ValueError(
            f"batch_size {batch_size}, lengths {lengths}, symbols {symbols}; sizes are at least 1 and "
            "lengths go from the shortest to the longest"
        )
    n = torch.randint(shortest, longest + 1, (batch_size, 1), generator=generator)
    words = torch.randint(len(SPECIALS), len(SPECIALS) + symbols, (batch_size, longest), generator=generator)
    at = torch.arange(longest)
    words = words.masked_fill(at >= n, PAD)
    backwards = words.gather(1, _order(n[:, 0], longest, reverse=True))
    source, target_out = (F.pad(rows, (0, 1)).scatter(1, n, EOS) for rows in (words, backwards))
    return Batch(source, F.pad(backwards, (1, 0), value=BOS), target_out)
