"""Which kind of text is easier? Many excerpts of plays, of Python's manual and of the news, scored alike.

Each excerpt is from another play, topic or article, has the same number of tokens, and is scored on its second part, so
that how a text begins does not count. The measure is bits per byte, which does not depend on how text is cut.

What it cannot say: the model has probably read the plays and the manual in training (not these files, but these
texts), and how often is unknown. Easier may mean better known.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from llmbook.core.measure.intervals import Interval, seed_interval, unpaired_difference
from llmbook.core.measure.records import Record
from llmbook.core.models.lm import LanguageModel
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora

DOMAINS = ("plays", "manual", "news")


@dataclass(frozen=True)
class Excerpt:
    """A piece of text and where it is from."""

    domain: str
    title: str
    text: str


@dataclass(frozen=True)
class ExcerptScore:
    """Bits per byte of the scored part of an excerpt, which has ``n_byte`` bytes and ``n_token`` tokens."""

    domain: str
    title: str
    n_token: int
    n_byte: int
    bits_per_byte: float


def works(domain: str) -> list[tuple[str, str]]:
    """All works of a domain, as (title, text): 38 plays, the topics of Python's manual, or the different news articles.

    Raises ``ValueError`` for an unknown domain.
    """
    if domain == "plays":
        return [(play.title, play.text) for split in corpora.SPLITS for play in corpora.plays(split)]
    if domain == "manual":
        from pydoc_data import topics

        return [(name, text.strip()) for name, text in sorted(topics.topics.items())]
    if domain == "news":
        texts = {article.text: article for article in corpora.news()}
        return [(text.partition("\n")[0], text) for text in texts]
    raise ValueError(f"domain is {domain!r}; choose one of {', '.join(DOMAINS)}")


def excerpts(lm: LanguageModel, domain: str, n: int, n_token: int, seed: int = 0) -> list[Excerpt]:
    """``n`` excerpts of ``n_token`` tokens, each of another work, from a random line on.

    Raises ``ValueError`` when fewer works are long enough, and when ``n`` or ``n_token`` is below 1.
    """
    if n < 1 or n_token < 1:
        raise ValueError(f"n is {n}, n_token {n_token}; give at least 1 of each")
    found: list[Excerpt] = []
    rng = random.Random(f"{seed} {domain}")
    candidates = works(domain)
    rng.shuffle(candidates)
    for title, text in candidates:
        if len(found) == n:
            break
        if (piece := _piece(lm, text, n_token, rng)) is not None:
            found.append(Excerpt(domain, title, piece))
    if len(found) < n:
        raise ValueError(
            f"only {len(found)} works of {domain!r} have {n_token} tokens to spare; ask for fewer than {n}"
        )
    return found


def _piece(lm: LanguageModel, text: str, n_token: int, rng: random.Random) -> str | None:
    """``n_token`` tokens of ``text`` from a random line on, as text that is cut into the same tokens; or None."""
    starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n" and not text[i + 1 : i + 2].isspace())]
    rng.shuffle(starts)
    for start in starts[:20]:
        ids = lm.encode(text[start : start + 12 * n_token] or "\n")[0, :n_token].tolist()
        piece = lm.tokenizer.decode(ids)
        if len(ids) == n_token and text.startswith(piece, start) and lm.encode(piece)[0].tolist() == ids:
            return piece
    return None


@torch.no_grad()
def score_excerpts(
    lm: LanguageModel, chosen: Sequence[Excerpt], n_context: int, batch_size: int = 8
) -> list[ExcerptScore]:
    """Bits per byte of each excerpt's tokens after the first ``n_context``, in batches; all are of one length.

    Raises ``ValueError`` for excerpts of different length, or not longer than the context.
    """
    ids = [lm.encode(e.text)[0] for e in chosen]
    lengths = {len(i) for i in ids}
    if len(lengths) != 1 or not 1 <= n_context < min(lengths):
        raise ValueError(
            f"excerpts have {sorted(lengths)} tokens, n_context is {n_context}; give excerpts of one length, and a "
            "context of at least one token and fewer than they have"
        )
    bits: list[float] = []
    for part in torch.stack(ids).split(batch_size):  # (B, T)
        log_p = lm.model(part)[:, n_context - 1 : -1].float().log_softmax(-1)
        bits += (-log_p.gather(2, part[:, n_context:, None]).sum((1, 2)) / math.log(2)).tolist()
    scores = []
    for excerpt, tokens, b in zip(chosen, ids, bits, strict=True):
        n_byte = _n_byte(lm, tokens[n_context:].tolist())
        scores.append(
            ExcerptScore(excerpt.domain, excerpt.title, len(tokens) - n_context, n_byte, b / n_byte)
        )
    return scores


def _n_byte(lm: LanguageModel, ids: list[int]) -> int:
    """How many bytes tokens stand for, also where the first begins inside a character: in byte-level BPE names tell."""
    text = lm.tokenizer.decode(ids)
    if "\ufffd" not in text:
        return len(text.encode())
    return sum(map(len, lm.tokenizer.convert_ids_to_tokens(ids)))  # one character a byte


def by_domain(scores: Sequence[ExcerptScore]) -> dict[str, Interval]:
    """Mean bits per byte of each domain, over its excerpts, with a 95 % interval (Student's)."""
    return {d: seed_interval(values) for d, values in _grouped(scores).items()}


def difference(scores: Sequence[ExcerptScore], one: str, other: str) -> Interval:
    """Mean bits per byte of ``one`` domain less the ``other``'s, with a 95 % interval; no excerpts are paired.

    Raises ``ValueError`` for a domain without a score.
    """
    values = _grouped(scores)
    if missing := [d for d in (one, other) if d not in values]:
        raise ValueError(f"there is no score of {missing[0]!r}; there are {', '.join(values)}")
    return unpaired_difference(values[one], values[other])


def _grouped(scores: Sequence[ExcerptScore]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for s in scores:
        found.setdefault(s.domain, []).append(s.bits_per_byte)
    return found


def measure(n: int, n_token: int, n_context: int, seed: int, device: str = "auto") -> Iterator[ExcerptScore]:
    """``n`` excerpts of every domain, scored by the packaged SmolLM2."""
    lm = LanguageModel.load(device=pick_device(device))
    for domain in DOMAINS:
        yield from score_excerpts(lm, excerpts(lm, domain, n, n_token, seed), n_context)


EXCERPTS = Record(  # rows of ExcerptScore
    "excerpts",
    measure,
    {"n": 30, "n_token": 160, "n_context": 32, "seed": 0, "device": "cpu"},
    seconds=90,
    path=Path(__file__).parent / "data" / "excerpts.json",
)
ARTEFACTS = (EXCERPTS,)
