"""Two meanings of "large": models from ten years of language modelling, their parameters computed, and who is in.

One meaning is the method: a deep network that has learned language from much text, of any size. The other is the size:
tens or hundreds of billions of parameters (Zhao et al. 2023, arXiv:2303.18223, section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmbook.core.models.config import Config
from llmbook.core.models.parameters import parameter_count
from llmbook.core.show.tables import Html, collapsed, short, table

if TYPE_CHECKING:
    from llmbook.core.show.plotting import Axes

TENS_OF_BILLIONS = 10_000_000_000
DEEP = 2  # hidden layers


@dataclass(frozen=True)
class Model:
    """A language model: its architecture, what it was trained on, and where that is written."""

    name: str
    year: int
    config: Config
    tokens: int | None  # seen in training, repetitions included; None where not published or not fixed
    source: str

    @property
    def parameters(self) -> int:
        """Computed from the architecture."""
        return parameter_count(self.config)

    @property
    def is_deep(self) -> bool:
        """The first meaning: a network of several layers that learned to predict text."""
        return self.config.n_layer >= DEEP

    @property
    def is_huge(self) -> bool:
        """The second meaning: at least ten billion parameters."""
        return self.parameters >= TENS_OF_BILLIONS


MODELS = (
    Model(
        "this book's Transformer", 2026,
        Config(1024, 64, n_layer=2, n_head=4, n_embd=128, norm="rms", position="rope", bias=False, tied=False),
        None, "the page History",
    ),
    Model(
        "BERT-base", 2018,
        Config(30_522, 512, n_layer=12, n_head=12, n_embd=768, norm_first=False, embed_norm=True, token_types=2,
               pooler=True, mask="full"),
        42_598_400_000,  # a million steps of 256 texts, 128 tokens long for 90 % of them, then 512 (appendix A.2)
        "https://arxiv.org/abs/1810.04805",
    ),
    Model(
        "GPT-2 XL", 2019, Config(50_257, 1024, n_layer=48, n_head=25, n_embd=1600),
        None, "https://openai.com/index/better-language-models/",
    ),
    Model(
        "GPT-3", 2020, Config(50_257, 2048, n_layer=96, n_head=96, n_embd=12_288),
        300_000_000_000, "https://arxiv.org/abs/2005.14165",
    ),
    Model(
        "Llama 3.1 405B", 2024,
        Config(128_256, 131_072, n_layer=126, n_head=128, n_kv_head=8, n_embd=16_384, d_ff=53_248, tied=False,
               norm="rms", bias=False, gated=True, position="rope"),
        15_600_000_000_000, "https://arxiv.org/abs/2407.21783",
    ),
    Model(
        "SmolLM2-135M", 2024,
        Config(49_152, 8192, n_layer=30, n_head=9, n_kv_head=3, n_embd=576, d_ff=1536, norm="rms",
               bias=False, gated=True, position="rope"),
        2_000_000_000_000, "https://arxiv.org/abs/2502.02737",
    ),
)  # fmt: skip


def table_of_sizes() -> Html:
    """The models by size, folded away; those that the second meaning of "large" lets in are marked."""
    rows = [
        (f"{m.name} ({m.year})", short(m.parameters), short(m.tokens), "yes" if m.is_huge else "")
        for m in sorted(MODELS, key=lambda m: m.parameters)
    ]
    columns = ["model", "weights", "tokens seen", "tens of billions"]
    caption = "Deep networks that learned language, by their number of weights"
    return collapsed(
        "The same as a table, with the number of tokens that each model saw", table(caption, columns, rows)
    )


def draw_sizes(ax: Axes) -> Axes:
    """A dot per model, the number of its weights on a logarithmic axis, and the line between the two meanings."""
    from llmbook.core.show.plotting import BLUE, INK, ORANGE, label, tag

    ordered = sorted(MODELS, key=lambda m: m.parameters)
    for i, m in enumerate(ordered):
        marker, color = ("D", ORANGE) if m.is_huge else ("o", BLUE)
        ax.scatter([m.parameters], [i], s=55, marker=marker, color=color, zorder=3)
        offset, side = ((9, 0), "left") if m.is_huge else ((-9, 0), "right")  # away from the line
        tag(ax, short(m.parameters), (m.parameters, i), offset, side)
    top = len(ordered) - 0.1
    ax.axvline(TENS_OF_BILLIONS, color=INK, linewidth=1.2, linestyle="--")
    ax.text(TENS_OF_BILLIONS * 1.4, top, "large for all", ha="left", va="center", color=ORANGE)
    ax.text(TENS_OF_BILLIONS / 1.4, top, "large for some", ha="right", va="center", color=BLUE)
    ax.set(xscale="log", xlim=(8e3, 6e13), ylim=(-0.6, len(ordered) + 0.4))
    ax.set_xticks([1e6, 1e8, 1e10, 1e12], ["1M", "100M", "10B", "1T"])
    ax.set_yticks(range(len(ordered)), [f"{m.name} ({m.year})" for m in ordered])
    return label(ax, "number of weights")
