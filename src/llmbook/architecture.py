"""The Transformer, measured: what the page ``architecture`` computes.

The models themselves are in ``core.attention`` and ``core.transformer``; here are the experiments. Sources:
Vaswani et al. 2017 (arXiv:1706.03762); decoder families as in Raffel et al. 2020, figure 4
(arXiv:1910.10683); length extrapolation as in Press et al. 2021 (arXiv:2108.12409).

Left out on purpose: training at scale (see ``pretraining``) and the many variants of each part
(``popular_models``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmbook.core import convert, data, evaluation, french, pretrained, training
from llmbook.core.attention import (
    KVCache,
    attention_weights,
    causal_mask,
    padding_mask,
    prefix_mask,
    rope_angles,
)
from llmbook.core.attention import apply_rope as turn
from llmbook.core.generation import generate, translate
from llmbook.core.optim import Recipe
from llmbook.core.transformer import (
    Block,
    Config,
    EncoderDecoder,
    Transformer,
    n_parameters,
    recorded_attention,
)

# ----------------------------------------------------------------------- real weights in our own code


def real_pair(name: str = "smollm2", attn: str = "sdpa") -> tuple[Transformer, pretrained.Pretrained]:
    """Our model and transformers', sharing one copy of the published weights."""
    reference = pretrained.load(name, attn=attn)
    ours = convert.build(reference.config.to_dict(), reference.model.state_dict())
    assert isinstance(ours, Transformer)
    return ours, reference


@torch.no_grad()
def logit_agreement(ours: Transformer, reference: nn.Module, ids: Tensor) -> dict[str, float]:
    """Both models on ids (T,): the largest difference of logits, and the share of equal top tokens.

    Once whole and once through the cache, in two pieces, so that the cache is compared as well.
    """
    theirs = cast(Any, reference).base_model(ids[None]).last_hidden_state[0]  # (T, C)
    their_head = cast(nn.Module, cast(Any, reference).get_output_embeddings())
    cache, half = KVCache(ours.config.n_layer, len(ids)), len(ids) // 2
    whole = ours.hidden(ids[None])[0]
    pieces = torch.cat([ours.hidden(part[None], cache=cache)[0] for part in (ids[:half], ids[half:])])
    result = {}
    for name, mine in {"": whole, ", cache on": pieces}.items():
        difference, same = 0.0, 0
        for a, b in zip(
            mine.split(100), theirs.split(100), strict=True
        ):  # all logits at once would be 200 MB
            ours_out, theirs_out = ours.head(a), their_head(b)  # (100, V)
            difference = max(difference, float((ours_out - theirs_out).abs().max()))
            same += int((ours_out.argmax(-1) == theirs_out.argmax(-1)).sum())
        result[f"largest difference{name}"], result[f"same top token{name}"] = difference, same / len(ids)
    return result


@torch.no_grad()
def tiny_parity(seed: int = 0) -> dict[str, float]:
    """Largest difference of outputs between a tiny random transformers model and ours with its weights."""
    result = {}
    for family in ("gpt2", "bert", "t5", "t5-gated", "llama"):
        reference = pretrained.tiny_reference(family, seed)
        ours = convert.build(reference.config.to_dict(), reference.state_dict())
        ids, target = torch.randint(2, 99, (2, 3, 17), generator=torch.Generator().manual_seed(seed))
        if isinstance(ours, EncoderDecoder):
            difference = ours(ids, target) - reference(input_ids=ids, decoder_input_ids=target).logits
        elif family == "bert":
            difference = ours.hidden(ids) - reference(ids).last_hidden_state
        else:
            difference = ours(ids) - reference(ids).logits
        result[family] = float(difference.abs().max())
    return result


@torch.no_grad()
def our_embeddings(ours: Transformer, tokenizer: Any, sentences: Sequence[str]) -> Tensor:
    """Unit-length sentence vectors (N, C) by our own encoder: the mean over real tokens of its last layer."""
    batch = tokenizer(list(sentences), padding=True, truncation=True, max_length=256, return_tensors="pt")
    is_token = batch["attention_mask"].bool()  # (N, T)
    hidden = ours.hidden(batch["input_ids"], mask=padding_mask(is_token), token_types=batch["token_type_ids"])
    kept = is_token[..., None]  # (N, T, 1)
    return F.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)


# ------------------------------------------------------------------------------ attention, step by step


@torch.no_grad()
def five_steps(model: Transformer, ids: Tensor, layer: int) -> dict[str, Tensor]:
    """Self-attention of one layer on ids (T,), every intermediate result by name.

    input (T, C); queries (H, T, D), keys and values (G, T, D); scores, weights (H, T, T); mixed (H, T, D);
    output (T, C), which is what the model's own attention returns.
    Raises ``ValueError`` unless the model is causal and adds no bias to its scores (ALiBi and T5 do).
    """
    if model.config.position in ("alibi", "relative") or model.config.mask != "causal":
        raise ValueError("the five steps need a causal model without biases on its scores; this one has "
                         f"position={model.config.position!r}, mask={model.config.mask!r}")  # fmt: skip
    inputs: list[Tensor] = []
    block = model.stack.blocks[layer]
    assert isinstance(block, Block)
    attn = block.attn
    hook = attn.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    model(ids[None])
    hook.remove()
    x = inputs[0]  # (1, T, C)
    c = model.config
    rope = rope_angles(torch.arange(len(ids)), c.head_dim, c.rope_theta) if c.position == "rope" else None
    q, k, v = attn.project(x, x, rope)  # 1. project
    group = attn.n_head // attn.n_kv_head
    keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)  # (1, H, T, D)
    scores = q @ keys.mT  # 2. compare
    weights = attention_weights(q, keys, causal_mask(len(ids)), attn.scale)  # 3. scale, softmax
    mixed = weights @ values  # 4. mix
    output = attn.out(mixed.transpose(1, 2).flatten(2))  # 5. concatenate the heads, project
    named = dict(
        input=x, queries=q, keys=k, values=v, scores=scores, weights=weights, mixed=mixed, output=output
    )
    return {name: t[0] for name, t in named.items()}


def softmax_health(
    head_dims: Sequence[int], scaled: bool, n_token: int = 64, seed: int = 0
) -> dict[str, list[float]]:
    """Random queries and keys of variance 1: how spread out the weights are, how much gradient gets through.

    entropy: mean over queries, as a share of ln T (1: all keys alike, 0: one key takes all).
    gradient: mean size of d(weights)/d(scores), as a share of what it is when all keys are alike.
    """
    generator = torch.Generator().manual_seed(seed)
    result: dict[str, list[float]] = {"entropy": [], "gradient": []}
    for d in head_dims:
        q, k = (torch.randn(256, n_token, d, generator=generator) for _ in range(2))
        p = attention_weights(q, k, scale=d**-0.5 if scaled else 1.0)  # (N, T, T)
        entropy = -(p * p.clamp(min=1e-30).log()).sum(-1).mean()
        slope = (p * (1 - p)).sum(-1).mean()  # the diagonal of the softmax's Jacobian, summed
        result["entropy"].append(float(entropy / torch.tensor(n_token).log()))
        result["gradient"].append(float(slope / (1 - 1 / n_token)))
    return result


# ------------------------------------------------------------------------------------------- positions


def rope_score(distance: Tensor, head_dim: int = 64) -> Tensor:
    """The score of a query and a key that point the same way, at each distance: (len,), 1 at zero."""
    one = torch.ones(1, 1, 1, head_dim)
    key = turn(one, *rope_angles(torch.zeros(1), head_dim))
    query = turn(one.expand(1, 1, len(distance), head_dim), *rope_angles(distance, head_dim))
    return (query @ key.mT).flatten() / head_dim


def extrapolation(
    kinds: Sequence[str],
    lengths: Sequence[int],
    *,
    steps: int,
    train_length: int = 64,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, list[float]]:
    """Train one small byte model per kind of position; its loss at each length, in bits per byte.

    Each is trained at ``train_length`` tokens. The score counts only the last 16 tokens of each window, so
    that longer windows can only help by being longer.
    Learned positions end where training ended: beyond, the entry is NaN.
    """
    text, unseen = data.encode_bytes(data.plays_text("train")), data.encode_bytes(data.plays_text("valid"))
    recipe = Recipe(
        lr=1e-2, steps=steps, batch_size=32, block_size=train_length, weight_decay=0.0, optimizer="muon"
    )
    result = {}
    for kind in kinds:
        torch.manual_seed(seed)
        room = train_length if kind == "learned" else max(lengths)
        model = Transformer(Config(256, room, n_layer=2, n_head=4, n_embd=96, position=kind))
        training.train(model, text, recipe, seed=seed, device=device, progress=False)
        result[kind] = [last_token_bits(model, unseen, n) if n <= room else float("nan") for n in lengths]
    return result


@torch.no_grad()
def last_token_bits(
    model: Transformer, ids: Tensor, length: int, n_window: int = 128, n_last: int = 16
) -> float:
    """Bits per token of the last ``n_last`` tokens of ``n_window`` windows.

    The windows end at the same places for every length.
    """
    if not n_last <= length <= 4096:
        raise ValueError(f"length is {length}; choose between {n_last}, the tokens that count, and 4096")
    device = next(model.parameters()).device
    ends = torch.linspace(4096, len(ids) - 2, n_window).long()
    x = torch.stack([ids[e - length : e + 1] for e in ends]).long().to(device)  # (N, length + 1)
    nats = [
        F.cross_entropy(model(part[:, :-1])[:, -n_last:].flatten(0, 1), part[:, -n_last:].flatten())
        for part in x.split(16)
    ]
    return float(torch.stack(nats).mean() / torch.log(torch.tensor(2.0)))


def influence(model: Transformer, mask: Tensor, seed: int = 0) -> Tensor:
    """Whose embedding can change whose output, measured by gradients: bool (T, T), rows are outputs."""
    ids = torch.randint(model.vocab_size, (1, len(mask)), generator=torch.Generator().manual_seed(seed))
    x = model.embed(ids).detach().requires_grad_()  # (1, T, C)
    out = model.stack(x, mask=mask)  # (1, T, C)
    probe = torch.randn(out.shape[-1], generator=torch.Generator().manual_seed(seed))
    rows = [
        torch.autograd.grad(out[0, i] @ probe, x, retain_graph=True)[0][0].abs().sum(-1) > 0
        for i in range(len(mask))
    ]
    return torch.stack(rows)


# ---------------------------------------------------------------------- three ways to read and to write


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
        device: str = "cpu",
    ):
        if family not in self.FAMILIES:
            raise ValueError(f"family is {family!r}; choose one of {', '.join(self.FAMILIES)}")
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
        self.n_parameters = n_parameters(self.model)

    def encode(self, pairs: Sequence[french.Pair]) -> french.Batch:
        """Ids of both languages in one vocabulary: the French words come behind the English ones."""
        batch = french.batch(pairs, self.english, self.french, self.device)
        shift = len(self.english)
        return french.Batch(
            batch.source, self._shift(batch.target_in, shift), self._shift(batch.target_out, shift)
        )

    @staticmethod
    def _shift(ids: Tensor, shift: int) -> Tensor:
        return torch.where(ids == french.PAD, ids, ids + shift)

    def logits(self, model: nn.Module, source: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T, V) for what follows each word of ``target`` (B, T)."""
        if self.family == "encoder-decoder":
            return model(source, target, source != french.PAD)
        ids, n_source = torch.cat((source, target), dim=1), (source != french.PAD).sum(1)  # (B, S + T), (B,)
        # Padding goes to the end: between source and target it would move the target's positions.
        order = (ids == french.PAD).long().argsort(dim=1, stable=True)
        n_prefix = n_source.tolist() if self.family == "prefix" else [0] * len(ids)
        mask = torch.stack([prefix_mask(ids.shape[1], n) for n in n_prefix]).to(ids.device)
        logits = model(ids.gather(1, order), mask=mask[:, None])  # (B, S + T, V)
        where = n_source[:, None] + torch.arange(target.shape[1], device=ids.device)  # (B, T)
        return logits[torch.arange(len(ids), device=ids.device)[:, None], where]

    def loss(self, model: nn.Module, batch: tuple) -> Tensor:
        """Mean surprise per French word, padding left out."""
        source, target_in, target_out = batch
        return F.cross_entropy(
            self.logits(model, source, target_in).flatten(0, 1), target_out.flatten(), ignore_index=french.PAD
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
        """Greedy decoding, all sentences at once."""
        source = self.encode([french.Pair(s, "") for s in sentences]).source
        shift, start = len(self.english), source.shape[1]
        bos, eos = french.BOS + shift, french.EOS + shift
        if self.family == "encoder-decoder":
            ids = translate(self.model, source, 24, bos=bos, eos=eos, is_token=source != french.PAD)  # type: ignore[arg-type]
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


def exact_match(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """1.0 where a translation equals its reference, letter by letter."""
    return [float(c == r) for c, r in zip(candidates, references, strict=True)]


# ------------------------------------------------------------------------------------------------ cost


def parameter_formula(c: Config) -> dict[str, int]:
    """Parameters of a decoder by part, from the configuration alone."""
    width, kv = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    bias = int(c.bias)
    norm = c.n_embd * (2 if c.norm == "layer" else 1)
    attention = 2 * c.n_embd * width + 2 * c.n_embd * kv + bias * (width + 2 * kv + c.n_embd)
    feed_forward = (3 if c.gated else 2) * c.n_embd * c.d_ff + bias * (
        (2 if c.gated else 1) * c.d_ff + c.n_embd
    )
    return {
        "embedding": c.vocab_size * c.n_embd,
        "positions": c.block_size * c.n_embd
        if c.position == "learned"
        else 32 * c.n_head
        if c.position == "relative"
        else 0,
        "attention": c.n_layer * attention,
        "feed-forward": c.n_layer * feed_forward,
        "norms": c.n_layer * 2 * norm + (norm if c.norm_first else 0),
        "output": 0 if c.tied else c.vocab_size * c.n_embd,
    }


def flop_formula(c: Config, n_token: int) -> dict[str, int]:
    """Floating-point operations of one forward pass over ``n_token`` tokens; a multiply-add counts as two.

    Two per weight and token in every matrix (the embedding is a look-up), plus the T x T part of attention.
    """
    matrices = parameter_formula(replace(c, bias=False, tied=False))
    weights = matrices["attention"] + matrices["feed-forward"] + matrices["output"]
    return {
        "weights": 2 * n_token * weights,
        "attention scores": 4 * c.n_layer * n_token**2 * c.n_head * c.head_dim,
    }


def measured_flops(model: nn.Module, ids: Tensor) -> int:
    """What PyTorch counts while ``model`` reads ids (B, T).

    With attention written out: the counter does not know the fused kernel for CPUs and would count it as
    nothing.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), recorded_attention(model), counter:
        model(ids)
    return counter.get_total_flops()


def cache_bytes(c: Config, n_token: int, bytes_per_number: int = 4) -> int:
    """Keys and values of one sequence: 2 x layers x key/value heads x head size x tokens x bytes."""
    return 2 * c.n_layer * c.n_kv_head * c.head_dim * n_token * bytes_per_number


def stored_score_bytes(n_head: int, n_token: int, n_layer: int, bytes_per_number: int = 4) -> int:
    """What the T x T weights of all heads and layers take when they are kept for the backward pass."""
    return n_layer * n_head * n_token**2 * bytes_per_number


def saved_bytes(model: nn.Module, ids: Tensor) -> int:
    """Bytes that autograd really keeps for the backward pass, weights not counted: the activations."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    seen: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(ids).sum()
    return sum(seen.values())


def seconds_per_call(function: Callable[[], object], repeat: int = 3) -> float:
    """The fastest of ``repeat`` calls: the one least disturbed by whatever else the machine does."""
    import time

    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def summary(values: Mapping[str, Sequence[float]], seed: int = 0) -> dict[str, evaluation.Interval]:
    """A 95 % bootstrap interval per name."""
    return {name: evaluation.bootstrap_interval(list(v), seed=seed) for name, v in values.items()}
