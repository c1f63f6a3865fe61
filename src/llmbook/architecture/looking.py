"""Who looks at whom: the weight that a word puts on another in every head, and what may be concluded from it.

"The animal didn't cross the street because it was too tired" is the picture with which Uszkoreit (2017, "Transformer: a
novel neural network architecture for language understanding") showed attention: an encoder's ``it``, which sees
*tired*. In a decoder ``it`` stands before *tired* and cannot see it: its weights are the same whatever follows. So the
minimal pairs below are also asked at the last word, and of an encoder. The pairs are in the manner of Winograd's
schemas (Levesque et al. 2012), in our own words; scoring by replacing the pronoun is Trinh & Le 2018
(arXiv:1806.02847). Left out on purpose: interventions on heads; that a head looks somewhere does not say what for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llmbook.core.measure.intervals import sign_test
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.transformer import Transformer, recorded_attention


@dataclass(frozen=True)
class MinimalPair:
    """Two sentences that differ in their last word, which decides what *it* is: ``endings[i]`` means ``nouns[i]``."""

    start: str
    nouns: tuple[str, str]
    endings: tuple[str, str]

    def __post_init__(self) -> None:
        words = self.start.split()
        once = {word: words.count(word) for word in ("it", *self.nouns)}
        if set(once.values()) != {1}:
            raise ValueError(
                f"{self.start!r} has {once}; it and both nouns have to stand there once, as words"
            )
        if "it" in (words[0], words[-1]):
            raise ValueError(
                f"{self.start!r}: *it* needs words before and behind it, to be replaced by a noun"
            )
        early = [ending for ending in self.endings if f" {ending} " in f" {self.start} "]
        if early:
            raise ValueError(f"{self.start!r} has {early[0]!r} already; the word that decides must come last")

    @property
    def sentences(self) -> tuple[str, str]:
        """Both sentences whole."""
        return f"{self.start} {self.endings[0]}", f"{self.start} {self.endings[1]}"


def _pairs(*rows: tuple[str, str, str, str, str]) -> tuple[MinimalPair, ...]:
    return tuple(MinimalPair(start, (a, b), (x, y)) for start, a, b, x, y in rows)


# Heads are chosen on these ...
MINIMAL_PAIRS = _pairs(
    ("The animal didn't cross the street because it was too", "animal", "street", "tired", "wide"),
    ("The ball broke the window because it was so", "ball", "window", "heavy", "thin"),
    ("The cup would not fit in the box because it was too", "cup", "box", "large", "small"),
    ("The truck could not use the bridge because it was too", "truck", "bridge", "heavy", "weak"),
    ("The cat could not reach the shelf because it was too", "cat", "shelf", "small", "high"),
    ("She poured the water into the bottle until it was", "water", "bottle", "gone", "full"),
    ("The knife would not cut the bread because it was too", "knife", "bread", "dull", "hard"),
    ("The plant outgrew the pot because it was too", "plant", "pot", "tall", "small"),
    ("The boat could not enter the harbor because it was too", "boat", "harbor", "wide", "shallow"),
    ("The key would not go into the lock because it was too", "key", "lock", "thick", "narrow"),
    ("The table would not go through the door because it was too", "table", "door", "large", "narrow"),
    ("The rope could not hold the stone because it was too", "rope", "stone", "thin", "heavy"),
    ("The lamp could not light the hall because it was too", "lamp", "hall", "weak", "large"),
    ("The horse would not jump over the fence because it was too", "horse", "fence", "scared", "high"),
    ("The bear left the cave because it was too", "bear", "cave", "hungry", "dark"),
    ("The nail would not go into the wall because it was too", "nail", "wall", "blunt", "hard"),
)
# ... and tested on these, which were written before any head had been looked at on them.
FRESH_PAIRS = _pairs(
    ("The bird could not lift the branch because it was too", "bird", "branch", "weak", "heavy"),
    ("The car would not fit in the garage because it was too", "car", "garage", "long", "short"),
    ("The spoon would not go into the jar because it was too", "spoon", "jar", "wide", "narrow"),
    ("The rock broke the chair because it was so", "rock", "chair", "heavy", "weak"),
    ("The child could not open the gate because it was too", "child", "gate", "weak", "heavy"),
    ("The snow covered the road until it was", "snow", "road", "melted", "hidden"),
    ("The dog ran away from the storm because it was so", "dog", "storm", "afraid", "loud"),
    ("The ship could not pass through the canal because it was too", "ship", "canal", "large", "narrow"),
    ("The pen would not write on the paper because it was too", "pen", "paper", "dry", "wet"),
    ("The saw would not cut the board because it was too", "saw", "board", "dull", "thick"),
    ("The letter did not fit into the envelope because it was too", "letter", "envelope", "long", "small"),
    ("The candle did not warm the church because it was too", "candle", "church", "tiny", "big"),
    ("The mouse got through the hole because it was so", "mouse", "hole", "thin", "wide"),
    ("The arrow did not go through the shield because it was too", "arrow", "shield", "slow", "thick"),
    ("The cow would not drink from the river because it was too", "cow", "river", "nervous", "dirty"),
    ("The music did not fill the hall because it was too", "music", "hall", "quiet", "big"),
)


@torch.no_grad()
def all_weights(model: Transformer, rows: Sequence[Tensor]) -> list[Tensor]:
    """Attention weights of several texts, ids (T,) each, read as one batch: of each text (layers, heads, T, T)."""
    n_token = [len(ids) for ids in rows]
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)  # (B, T), padding behind
    is_token = (torch.arange(ids.shape[1]) < torch.tensor(n_token)[:, None]).to(ids.device)
    with recorded_attention(model) as layers:
        model.hidden(ids, is_token=None if min(n_token) == max(n_token) else is_token)
        weights = torch.stack([layer.weights for layer in layers if layer.weights is not None], 1)
    return [w[..., :n, :n] for w, n in zip(weights, n_token, strict=True)]


def who_looks(model: Transformer, ids: Tensor, query: int, key: int | Sequence[int]) -> Tensor:
    """The weight that the token at ``query`` of ids (T,) puts on the one at ``key``, in every head: (layers, heads).

    Of several keys, the tokens of one word, the sum. Raises ``ValueError`` for a place outside ids.

    >>> from llmbook.core.models.config import Config
    >>> model = Transformer(Config(vocab_size=9, block_size=4, n_layer=2, n_head=3, n_embd=12))
    >>> who_looks(model, torch.tensor([5, 6, 7]), query=0, key=0).tolist()  # the first token sees itself alone
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    keys = [key] if isinstance(key, int) else list(key)
    if ids.ndim != 1 or not keys or not all(0 <= i < len(ids) for i in (query, *keys)):
        raise ValueError(
            f"query is {query}, key {key}, ids {tuple(ids.shape)}; give ids (T,) and places from 0 to T - 1"
        )
    return all_weights(model, [ids])[0][:, :, query, keys].sum(-1)


def tokens_of(tokenizer: Any, text: str, word: str) -> tuple[Tensor, list[int]]:
    """Ids (T,) of ``text``, and the places of the tokens that cover ``word``, where it stands first as a whole word.

    Raises ``ValueError`` when it does not stand there.
    """
    found = f" {text} ".find(f" {word} ")
    if found < 0:
        raise ValueError(f"{word!r} is no word of {text!r}; give one that stands there between spaces")
    encoded = tokenizer(text, return_offsets_mapping=True)
    covers = [a < found + len(word) and b > found for a, b in encoded["offset_mapping"]]
    return torch.tensor(encoded["input_ids"]), [i for i, inside in enumerate(covers) if inside]


Question = tuple[str, str, tuple[str, str]]  # text, the word that looks, the two nouns


def questions(pairs: Sequence[MinimalPair], query: str) -> list[Question]:
    """Two for each pair. ``query``: "it" or "last", the word that looks in the sentence; or "list", see there.

    "list" is a control without a sentence: in *animal, street, tired* nothing refers to anything. A head that prefers
    the right noun there too goes by the company that words keep.
    Raises ``ValueError`` for another query.
    """
    if query not in ("it", "last", "list"):
        raise ValueError(f"query is {query!r}; choose 'it', 'last' or 'list'")
    found: list[Question] = []
    for p in pairs:
        for text, ending in zip(p.sentences, p.endings, strict=True):
            listed = f"Words: {p.nouns[0]} , {p.nouns[1]} , {ending}"
            looks = "it" if query == "it" else ending
            found.append((listed if query == "list" else text, looks, p.nouns))
    return found


def preferences(
    model: Transformer, tokenizer: Any, pairs: Sequence[MinimalPair] = MINIMAL_PAIRS, query: str = "it"
) -> Tensor:
    """Weight on the first noun minus weight on the second, for every sentence and head: (pairs, 2, layers, heads).

    ``query``: whose weight, see ``questions``; of a word of several tokens that of the last.
    """
    asked = questions(pairs, query)
    device = model.embed.weight.device
    weights = all_weights(
        model, [tokens_of(tokenizer, text, looks)[0].to(device) for text, looks, _ in asked]
    )
    rows = []
    for w, (text, looks, nouns) in zip(weights, asked, strict=True):
        at = tokens_of(tokenizer, text, looks)[1][-1]
        first, second = (w[:, :, at, tokens_of(tokenizer, text, noun)[1]].sum(-1) for noun in nouns)
        rows.append(first - second)  # (layers, heads)
    return torch.stack(rows).unflatten(0, (len(pairs), 2))


def follows(preferences: Tensor) -> Tensor:
    """How much more each head prefers the right noun: (pairs, 2, layers, heads) -> (pairs, layers, heads).

    The preference for the first noun when the ending means the first, minus that when it means the second: what a head
    always does, such as looking at the nearer noun, drops out.
    """
    return preferences[:, 0] - preferences[:, 1]


@torch.no_grad()
def resolves(lm: LanguageModel, pair: MinimalPair) -> tuple[bool, bool]:
    """Whether each ending is likelier behind the noun that it means than behind the other one, put in place of *it*."""
    before, after = pair.start.split(" it ")
    log_p = []
    for noun in pair.nouns:
        start = f"{before} the {noun} {after}"
        ids, n = lm.encode(start), len(lm.encode(start)[0])
        rows = [lm.encode(f" {ending}", start=False)[0] for ending in pair.endings]
        whole = [lm.model(torch.cat((ids, row[None]), 1))[0].float().log_softmax(-1) for row in rows]
        log_p.append(
            [float(w[n - 1 : -1].gather(1, r[:, None]).sum()) for w, r in zip(whole, rows, strict=True)]
        )
    return log_p[0][0] > log_p[1][0], log_p[1][1] > log_p[0][1]


@dataclass(frozen=True)
class BestHead:
    """The head that follows the meaning in most pairs, and how often chance alone gives some head as many."""

    layer: int
    head: int
    n_right: int
    n_pair: int
    p_alone: float  # the sign test of this head, as if it had been the only one
    p_best: float  # with all heads tried: what has to be reported of a head chosen as the best


def best_head(follows: Tensor, n_flip: int = 10_000, seed: int = 0) -> BestHead:
    """Choose the best head of (pairs, layers, heads) and test it as what it is, the best of many.

    If no head followed the meaning, exchanging the two sentences of a pair would change nothing. So pairs are exchanged
    at random, in all heads at once, and each time the best head is counted (Westfall & Young 1993, maximum statistic).
    Raises ``ValueError`` for another shape.
    """
    if follows.ndim != 3 or len(follows) < 2:
        raise ValueError(
            f"follows has shape {tuple(follows.shape)}; give (pairs, layers, heads), two pairs at least"
        )
    signs = follows.flatten(1).sign()  # (N, heads of all layers)
    right = (signs > 0).sum(0)
    ties = right + 1e-3 * follows.flatten(1).mean(0)  # among equals the one with the larger difference
    at = int(ties.argmax())
    generator = torch.Generator().manual_seed(seed)
    flips = torch.randint(2, (n_flip, len(follows)), generator=generator).to(signs) * 2 - 1  # (R, N)
    some_head = ((flips[:, :, None] * signs) > 0).sum(1).amax(1)  # (R,)
    p_best = (1 + int((some_head >= right[at]).sum())) / (1 + n_flip)
    layer, head = divmod(at, follows.shape[2])
    return BestHead(layer, head, int(right[at]), len(follows), sign_test(follows[:, layer, head]), p_best)
