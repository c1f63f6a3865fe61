"""What a trained model loses when one of its parts is left out, its weights as they are.

Parts are left out of a second model on the same weights, so that the first stays whole. Without the causal mask the
token that is asked for can be seen; but the first token, on which most heads lean (an attention sink, Xiao et al. 2023,
arXiv:2309.17453), sees ahead as well and may become another vector. So the mask is left out twice: whole, and all but
its first row. The control does the latter and hides the answer: every prefix is read alone, so that nothing stands
behind it. What a part means to a *trained* model is not what
a model trained without it would lose (Meyes et al. 2019, arXiv:1901.08644, on what ablations can show). Left out on
purpose: two parts at a time, and single heads or layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llmbook.architecture.norms import take_out
from llmbook.core.measure import intervals
from llmbook.core.measure.records import Record
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import corpora
from llmbook.core.text.tokens import check_ids

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

IN_CONFIG: dict[str, dict[str, Any]] = {
    "positions": {"position": "none"},
    "the √d": {"scaled": False},
    "the mask": {"mask": "full"},
}
IN_BLOCKS = {
    "attention": "no attention",
    "feed-forward": "no feed-forward",
    "the sums": "no residual",
    "the norms": "no norm",
}
NOTHING = "nothing"
BUT_FIRST, CONTROL = "the mask, but row 1", "so, and answer hidden"
IN_CONFIG |= dict.fromkeys((BUT_FIRST, CONTROL), IN_CONFIG["the mask"])
PARTS = (NOTHING, *IN_CONFIG, *IN_BLOCKS)
N_TOKEN, N_SCORED = 64, 32  # tokens of a passage, and how many of them, the last, are scored


@dataclass(frozen=True)
class Ablation:
    """The mean surprise (nats per token) at the second half of one passage; None where it is no number."""

    part: str
    passage: int
    nats: float | None


def without(model: Transformer, part: str) -> Transformer:
    """A second model on the weights of ``model``, with one of ``PARTS`` left out. Raises ``ValueError`` for another.

    >>> from llmbook.core.models.config import Config
    >>> model = Transformer(Config(vocab_size=9, block_size=4, n_layer=1, n_head=2, n_embd=8))
    >>> without(model, "the mask").embed.weight is model.embed.weight
    True
    """
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; choose one of {', '.join(PARTS)}")
    with torch.device("meta"):  # without memory of its own
        twin = Transformer(replace(model.config, **IN_CONFIG.get(part, {})))
    weights = {
        name: p for name, p in model.named_parameters(remove_duplicate=False) if name in twin.state_dict()
    }
    twin.load_state_dict(weights, assign=True)
    if part in IN_BLOCKS:
        take_out(twin, IN_BLOCKS[part])
    return twin.eval()


def first_row(n_token: int) -> Tensor:
    """The mask of which only the first row is left: that token sees itself, all others everything. (T, T), bool."""
    mask = torch.ones(n_token, n_token, dtype=torch.bool)
    mask[0, 1:] = False
    return mask


@torch.no_grad()
def surprise(model: Transformer, ids: Tensor, n_scored: int, part: str = NOTHING) -> float | None:
    """Mean surprise (nats) of ``model``, which is ``without(part)``, at the last ``n_scored`` of ids (T,).

    None where it is no number. For ``CONTROL`` each token is predicted from the text before it, read alone; for
    everything else from one reading of the whole.
    Raises ``ValueError`` unless there is a token before those that are scored.
    """
    ids = check_ids(ids, ndim=1)
    if not 1 <= n_scored < len(ids):
        raise ValueError(f"n_scored is {n_scored} of {len(ids)} tokens; give 1 to {len(ids) - 1}")
    first = len(ids) - n_scored
    see = (lambda n: first_row(n).to(ids.device)) if part in (BUT_FIRST, CONTROL) else lambda n: None
    if part == CONTROL:
        logits = torch.cat([model(ids[None, :n], mask=see(n))[0, -1:] for n in range(first, len(ids))])
    else:  # the last token is read too: it is the answer that a model without a mask can see
        logits = model(ids[None], mask=see(len(ids)))[0, first - 1 : -1]  # (n_scored, V)
    nats = float(F.cross_entropy(logits.float(), ids[first:]))
    return None if math.isnan(nats) else nats


def passages(ids: Tensor, n: int, n_token: int = N_TOKEN) -> list[Tensor]:
    """``n`` runs of ``n_token`` of ids (T,), evenly over the text; the first begins it, and none overlap.

    Raises ``ValueError`` for a text that is too short.

    >>> [p.tolist() for p in passages(torch.arange(10), n=2, n_token=3)]
    [[0, 1, 2], [7, 8, 9]]
    """
    if n < 1 or len(ids) < n * n_token:
        raise ValueError(
            f"{n} passages of {n_token} tokens in a text of {len(ids)}; give one, and a longer text"
        )
    starts = torch.linspace(0, len(ids) - n_token, n).long().tolist()
    return [ids[start : start + n_token] for start in starts]


def ablations(model: Transformer, texts: Sequence[Tensor], n_scored: int = N_SCORED) -> Iterator[Ablation]:
    """Every part left out, on every text, ids (T,) each."""
    for part, (i, ids) in product(PARTS, enumerate(texts)):
        yield Ablation(part, i, surprise(without(model, part), ids, n_scored, part))


def measure(n_passage: int, device: str = "auto") -> Iterator[Ablation]:
    """SmolLM2 on ``n_passage`` passages of the test plays."""
    lm = LanguageModel.load("smollm2", pick_device(device))
    ids = lm.encode(corpora.plays_text("test"), start=False)[0]
    yield from ablations(lm.model, passages(ids, n_passage))  # type: ignore[arg-type]


ABLATION = Record(  # rows of Ablation
    "ablation",
    measure,
    {"n_passage": 12, "device": "cpu"},
    seconds=150,
    path=Path(__file__).parent / "data" / "ablation.json",
)
ARTEFACTS = (ABLATION,)


def nats_by_part(rows: Sequence[Ablation]) -> dict[str, intervals.Interval | None]:
    """Part -> mean surprise and its 95 % interval over passages, at least two; None where one is no number."""
    found: dict[str, list[float | None]] = {}
    for row in rows:
        found.setdefault(row.part, []).append(row.nats)
    whole = {part: [n for n in nats if n is not None] for part, nats in found.items()}
    return {
        part: intervals.seed_interval(whole[part]) if len(whole[part]) == len(nats) else None
        for part, nats in found.items()
    }


def extra_nats(rows: Sequence[Ablation], part: str, other: str = NOTHING) -> intervals.Interval:
    """How much more surprised the model is without ``part`` than without ``other``, paired by passage (95 %).

    Raises ``ValueError`` unless both are numbers on the same passages.
    """
    first, second = ({r.passage: r.nats for r in rows if r.part == name} for name in (part, other))
    both = [(first[i], second.get(i)) for i in first]
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    if len(pairs) != len(both) or first.keys() != second.keys() or not pairs:
        raise ValueError(f"{part!r} and {other!r} make no pairs: {both}; give numbers on the same passages")
    return intervals.paired_difference([a for a, _ in pairs], [b for _, b in pairs])


def draw_ablation(ax: Axes, rows: Sequence[Ablation], n_known: int) -> Axes:
    """A bar for each part that leaves a number, with its interval, and a line at a blind guess among ``n_known``."""
    from llmbook.core.show.plotting import INK, bars, label

    found = {part: nats for part, nats in nats_by_part(rows).items() if nats is not None}
    ends = {part: (nats.low, nats.high) for part, nats in found.items()}
    bars(
        ax,
        {part: nats.mean for part, nats in found.items()},
        intervals=ends,
        show="{:.1f}",
        highlight=NOTHING,
    )
    ax.axvline(math.log(n_known), color=INK, linewidth=1.2, linestyle=":")
    return label(ax, "surprise (nats per token); dotted: a blind guess", "")
