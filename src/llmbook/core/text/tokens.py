"""Token ids: the special ones, bytes as tokens, batches of pairs, and the one check that ids are what a model can read.

Shapes: N tokens of a text; B rows of T (or, in the source of a pair, S) tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Batch(NamedTuple):
    """Padded ids: source (B, S) ending in <eos>; target_in (B, T) from <bos>; target_out (B, T) to <eos>."""

    source: torch.Tensor
    target_in: torch.Tensor
    target_out: torch.Tensor

    @property
    def source_mask(self) -> torch.Tensor:
        """True at real tokens, (B, S)."""
        return self.source != PAD


def check_ids(
    ids: Tensor,
    vocab_size: int | None = None,
    *,
    ndim: int = 2,
    at_least: int = 1,
    name: str = "ids",
) -> Tensor:
    """Return ``ids`` as int64 once they are what a model can read.

    Args:
        ids: integers, (B, T) by default, (N,) with ``ndim=1``; bool, floating-point and complex numbers are refused.
        vocab_size: ids have to be below it (looked at on a CPU only: a GPU would have to be waited for).
        at_least: the smallest number of tokens in a row.

    Raises:
        ValueError: another type, shape, length or id, naming what was given and what is allowed.

    >>> check_ids(torch.tensor([[1, 2]], dtype=torch.uint8), vocab_size=3).dtype
    torch.int64
    """
    wanted = "integers of shape (B, T)" if ndim == 2 else "integers of shape (N,)"
    if not isinstance(ids, Tensor) or ids.ndim != ndim or not _is_integer(ids.dtype):
        given = f"{ids.dtype} {tuple(ids.shape)}" if isinstance(ids, Tensor) else type(ids).__name__
        raise ValueError(f"{name} must be token ids, {wanted}; got {given}")
    if ids.shape[-1] < at_least:
        raise ValueError(
            f"{name} holds {ids.shape[-1]} tokens; at least {at_least} are needed: "
            "use a longer text or a smaller block_size"
        )
    if (
        vocab_size is not None
        and not torch.compiler.is_compiling()
        and ids.device.type == "cpu"
        and ids.numel()
    ):
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= vocab_size:
            raise ValueError(
                f"{name} run from {low} to {high}, but the vocabulary is 0 to {vocab_size - 1}: "
                "were they made by another tokenizer?"
            )
    return ids.long()


def _is_integer(dtype: torch.dtype) -> bool:
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)


def encode_bytes(text: str) -> torch.Tensor:
    """UTF-8 bytes of a text as integers 0..255, shape (T,).

    Raises ValueError for a string that UTF-8 cannot hold (a lone surrogate).

    >>> encode_bytes("aé").tolist()
    [97, 195, 169]
    """
    if not isinstance(text, str):
        raise ValueError(f"text is of type {type(text).__name__}; give a str")
    return (
        torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()
        if text
        else torch.empty(0).long()
    )


def decode_bytes(ids: torch.Tensor | Sequence[int]) -> str:
    """Text of byte values, shape (T,); broken UTF-8 becomes U+FFFD.

    Raises ValueError when a value is outside 0..255.

    >>> decode_bytes([97, 195, 169, 195])
    'aé\\ufffd'
    """
    values = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
    try:
        return bytes(values).decode("utf-8", errors="replace")
    except (ValueError, TypeError) as error:
        raise ValueError(f"byte ids must be a flat sequence of whole numbers 0..255: {error}") from error
