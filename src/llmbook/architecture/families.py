"""Three ways to read and to write, from the same parts: encoder-decoder, prefix decoder, causal decoder.

Compared on English to French, as Raffel et al. 2020 (arXiv:1910.10683, section 3.2) compared them on many tasks. Left
out on purpose: beam search, and any tuning of one family that the others do not get.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from llmbook.architecture import french
from llmbook.core.measure import intervals, losses
from llmbook.core.measure.metrics import exact_match
from llmbook.core.measure.records import Record
from llmbook.core.models.config import Config
from llmbook.core.models.generation import generate, translate
from llmbook.core.models.masks import prefix_mask
from llmbook.core.models.transformer import (
    Block,
    EncoderDecoder,
    Transformer,
    n_parameters,
    recorded_attention,
)
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import tokens
from llmbook.core.train import training
from llmbook.core.train.optim import Recipe


class Translator:
    """English to French by one of three decoder families, from the same parts and with the same training.

    ``encoder-decoder`` reads the source with an encoder; ``prefix`` and ``causal`` are decoders that read
    "source <bos> target" as one sequence, the first looking both ways within the source.
    """

    FAMILIES = ("encoder-decoder", "prefix", "causal")

    def __init__(
        self,
        family: str,
        pairs: Sequence[french.Pair],
        *,
        n_embd: int = 96,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ):
        if family not in self.FAMILIES:
            raise ValueError(f"family is {family!r}; choose one of {', '.join(self.FAMILIES)}")
        if not pairs:
            raise ValueError("pairs is empty; a translator learns from at least one")
        self.family, self.pairs, self.seed, self.device = family, list(pairs), seed, device
        self.english = french.Vocabulary.build((p.english for p in pairs), "en")
        self.french = french.Vocabulary.build((p.french for p in pairs), "fr")
        config = Config(
            len(self.english) + len(self.french),
            block_size=64,
            n_layer=2,
            n_head=4,
            n_embd=n_embd,
            norm="rms",
            position="learned",
            activation="relu2",
            bias=False,
        )
        torch.manual_seed(seed)
        if family == "encoder-decoder":
            self.model: nn.Module = EncoderDecoder(replace(config, n_encoder_layer=2))
        else:  # as many layers of weights as encoder and decoder have together
            self.model = Transformer(replace(config, n_layer=5))
        self.model.to(device)  # made on the CPU: the same weights on every device
        self.n_parameters = n_parameters(self.model)

    def encode(self, pairs: Sequence[french.Pair]) -> tokens.Batch:
        """Ids of both languages in one vocabulary: the French words come behind the English ones."""
        batch = french.batch(pairs, self.english, self.french, self.device)
        shift = len(self.english)
        return tokens.Batch(
            batch.source, self._shift(batch.target_in, shift), self._shift(batch.target_out, shift)
        )

    @staticmethod
    def _shift(ids: Tensor, shift: int) -> Tensor:
        return torch.where(ids == tokens.PAD, ids, ids + shift)

    def logits(self, model: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T, V) for what follows each word of ``target`` (B, T)."""
        if self.family == "encoder-decoder":
            return model(source, target, source != tokens.PAD)
        ids, n_source = torch.cat((source, target), dim=1), (source != tokens.PAD).sum(1)  # (B, S + T), (B,)
        # Padding goes to the end: between source and target it would move the target's positions.
        order = (ids == tokens.PAD).long().argsort(dim=1, stable=True)
        n_prefix = n_source.tolist() if self.family == "prefix" else [0] * len(ids)
        mask = torch.stack([prefix_mask(ids.shape[1], n) for n in n_prefix]).to(ids.device)
        assert isinstance(model, Transformer)
        hidden = model.hidden(ids.gather(1, order), mask=mask[:, None], causal=False)  # (B, S + T, C)
        where = n_source[:, None] + torch.arange(target.shape[1], device=ids.device)  # (B, T)
        return model.head(hidden[torch.arange(len(ids), device=ids.device)[:, None], where])

    def loss(self, model: nn.Module, batch: tuple) -> losses.Loss:
        """Surprise at each French word, padding left out."""
        source, target_in, target_out = batch
        return losses.cross_entropy(
            self.logits(model, source, target_in), target_out, ignore_index=tokens.PAD
        )

    def train(self, steps: int, batch_size: int = 64) -> training.History:
        """Draw random pairs ``steps`` times; the same pairs for each family at the same seed."""

        def draw(generator: torch.Generator) -> tuple:
            rows = torch.randint(len(self.pairs), (batch_size,), generator=generator)
            return tuple(self.encode([self.pairs[i] for i in rows.tolist()]))

        recipe = Recipe(
            lr=1e-2, steps=steps, batch_size=batch_size, block_size=32, weight_decay=0.0, optimizer="muon"
        )
        return training.train(
            self.model, draw, recipe, loss_fn=self.loss, seed=self.seed, device=self.device, progress=False
        )

    @torch.no_grad()
    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Greedy decoding, all sentences at once. Raises ``ValueError`` for a bare string or no sentence."""
        if isinstance(sentences, str):
            raise ValueError(f"sentences is the string {sentences!r}; give a list of sentences")
        source = self.encode([french.Pair(s, "") for s in sentences]).source
        shift, start = len(self.english), source.shape[1]
        bos, eos = tokens.BOS + shift, tokens.EOS + shift
        if self.family == "encoder-decoder":
            ids = translate(self.model, source, 24, bos=bos, eos=eos, is_token=source != tokens.PAD)  # type: ignore[call-overload]
        else:
            step = lambda ids: self.logits(self.model, source, ids[:, start:])  # noqa: E731
            first = torch.full((len(source), 1), bos, device=source.device)
            ids = generate(step, torch.cat((source, first), 1), 24, stop=eos)[:, start:]
        # Ids below `shift` are English words or padding; they become <pad>, which is not written.
        return [self.french.decode((row[1:] - shift).clamp(min=0).tolist()) for row in ids.cpu()]

    @torch.no_grad()
    def cross_attention(self, sentence: str) -> tuple[list[str], list[str], Tensor]:
        """French words written, English words read, who looked where (T, S): the last layer's mean head."""
        if not isinstance(self.model, EncoderDecoder):
            raise ValueError(f"a {self.family} decoder has no cross-attention; use an encoder-decoder")
        batch = self.encode([french.Pair(sentence, self.translate([sentence])[0])])
        with recorded_attention(self.model.decoder):
            self.model(batch.source, batch.target_in)
            block = self.model.decoder.blocks[-1]
            assert isinstance(block, Block) and block.cross is not None
            weights = block.cross.weights
            assert weights is not None
        shift = len(self.english)
        written = self.french.tokens((batch.target_out[0] - shift).tolist())
        return written, self.english.tokens(batch.source[0].tolist()), weights[0].mean(0).cpu()


@dataclass(frozen=True)
class FamilyRun:
    """One trained translator: the share of held-out sentences that it translates letter by letter."""

    family: str
    steps: int
    seed: int
    exact: float
    n_parameters: int


def family_run(
    family: str, steps: int, seed: int, device: str | torch.device = "cpu", n_test: int = 300
) -> FamilyRun:
    """Train one family on the sentences that this seed leaves it and score it on ``n_test`` that it has not seen.

    Raises ``ValueError`` when there are not that many held out, or for an unknown family.
    """
    train_pairs, test_pairs = french.split(french.pairs(), held_out=0.05, seed=seed)
    if not 1 <= n_test <= len(test_pairs):
        raise ValueError(
            f"n_test is {n_test}; choose between 1 and {len(test_pairs)}, the sentences held out"
        )
    translator = Translator(family, train_pairs, seed=seed, device=device)
    translator.train(steps)
    test = test_pairs[:n_test]
    right = exact_match(translator.translate([p.english for p in test]), [p.french for p in test])
    return FamilyRun(family, steps, seed, sum(right) / len(right), translator.n_parameters)


def measure(steps: Sequence[int], seeds: int, device: str = "auto") -> Iterator[FamilyRun]:
    """Every family, over ``seeds`` seeds and the given numbers of training steps of 64 pairs.

    All three get the same pairs in the same order, the same optimizer and learning rate, and the same number of steps;
    each is scored by exact matches on the sentences held out at its seed.
    """
    where = pick_device(device)
    for n, seed, family in product(steps, range(seeds), Translator.FAMILIES):
        yield family_run(family, n, seed, where)


FAMILIES = Record(  # rows of FamilyRun
    "families",
    measure,
    {"steps": [90, 360], "seeds": 5, "device": "cpu"},
    seconds=900,
    path=Path(__file__).parent / "data" / "families.json",
)
ARTEFACTS = (FAMILIES,)


def exact_by_family(runs: Sequence[FamilyRun]) -> dict[int, dict[str, intervals.Interval]]:
    """Steps -> family -> mean share of exact translations and its 95 % interval over seeds."""
    return {
        steps: {
            family: intervals.seed_interval([r.exact for r in runs if (r.steps, r.family) == (steps, family)])
            for family in dict.fromkeys(r.family for r in runs if r.steps == steps)
        }
        for steps in sorted({r.steps for r in runs})
    }
