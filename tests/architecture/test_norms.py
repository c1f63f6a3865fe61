"""What is taken out is out and nothing else is; what is measured in a layer is that layer's; the recipe is obeyed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from llmbook.architecture import norms
from llmbook.architecture.norms import KINDS, NORMS, NormRun
from llmbook.core.measure.records import load
from llmbook.core.models.transformer import Context
from llmbook.core.show.plotting import figure
from llmbook.core.text import corpora, tokens

IDS = torch.randint(256, (2, 17), generator=torch.Generator().manual_seed(0))


def by_hand(kind, block, x):
    """The sublayers of one block, written out."""
    c = Context(causal=True)
    for norm, f in ((block.norm1, lambda h: block.self_attention(h, c)), (block.norm2, block.ff)):
        is_attention = norm is block.norm1
        if kind == ("no attention" if is_attention else "no feed-forward"):
            continue
        x = {
            "post-norm": lambda x, n=norm, f=f: n(x + f(x)),
            "no norm": lambda x, f=f: x + f(x),
            "no residual": lambda x, n=norm, f=f: f(n(x)),
        }.get(kind, lambda x, n=norm, f=f: x + f(n(x)))(x)
    return x


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_of_each_kind_is_its_formula(kind):
    block = norms.stack_of(kind, 2, n_embd=16).stack.blocks[1]
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1)) * 3
    torch.testing.assert_close(block(x, Context(causal=True)), by_hand(kind, block, x), atol=1e-5, rtol=1e-5)


def test_all_kinds_start_from_the_same_weights_and_another_seed_from_others():
    whole, *others = (norms.stack_of(kind, 3, n_embd=16, seed=4) for kind in KINDS)
    weights = dict(whole.named_parameters())
    for other in others:
        assert all(torch.equal(p, weights[name]) for name, p in other.named_parameters())
    assert not torch.equal(norms.stack_of(KINDS[0], 3, n_embd=16, seed=5).embed.weight, whole.embed.weight)


def test_a_part_that_is_out_has_no_weights_left():
    names = {kind: {n for n, _ in norms.stack_of(kind, 1, n_embd=16).named_parameters()} for kind in KINDS}
    for kind, part in (("no attention", ".attn."), ("no feed-forward", ".ff."), ("no norm", "norm")):
        assert any(part in n for n in names["pre-norm"]) and not any(part in n for n in names[kind])
    assert names["pre-norm"] - names["post-norm"] == {"stack.norm.weight", "stack.norm.bias"}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'sandwich'; choose one of pre-norm"):
        norms.stack_of("sandwich", 2)
    with pytest.raises(ValueError, match="start is 'zeros'; choose one of glorot, gpt2"):
        norms.stack_of("pre-norm", 2, "zeros")


def test_gpt2s_start_is_small_and_smaller_still_where_it_joins_the_stream():
    block = norms.stack_of("no norm", 8, "gpt2", n_embd=64).stack.blocks[3]
    for weight, std in (
        (block.attn.q.weight, 0.02),
        (block.attn.out.weight, 0.005),
        (block.ff.down.weight, 0.005),
    ):
        assert float(weight.std()) == pytest.approx(std, rel=0.1)
    glorot = norms.stack_of("no norm", 8, n_embd=64).stack.blocks[3].attn.q.weight
    assert float(glorot.std()) == pytest.approx((2 / 128) ** 0.5, rel=0.1)


# ---------------------------------------------------------------------------------------------- a profile


def test_signal_and_gradient_of_a_layer_are_those_of_its_output():
    model = norms.stack_of("pre-norm", 3, n_embd=16)
    found = norms.profile(model, IDS)
    x = model.stack.add_positions(model.embed(IDS[:, :-1]), torch.arange(16)[None])
    c, outputs = Context(causal=True), []
    for block in model.stack.blocks:
        x = block(x, c)
        outputs.append(x)
    loss = F.cross_entropy(model.head(model.stack.norm(x)).flatten(0, 1), IDS[:, 1:].flatten())
    weights = [[*block.parameters()] for block in model.stack.blocks]
    grads = torch.autograd.grad(loss, [*outputs, *(p for ps in weights for p in ps)])
    for i, layer in enumerate(found):
        assert layer.layer == i
        assert layer.signal == pytest.approx(float(outputs[i].detach().square().mean().sqrt()), rel=1e-4)
        assert layer.gradient == pytest.approx(float(grads[i].norm()), rel=1e-4)
        start = 3 + sum(map(len, weights[:i]))
        mine = torch.cat([g.flatten() for g in grads[start : start + len(weights[i])]])
        assert layer.weight_gradient == pytest.approx(float(mine.norm()), rel=1e-4)


def test_a_profile_twice_is_the_same_and_leaves_no_hook_behind():
    model = norms.stack_of("post-norm", 2, n_embd=16)
    assert norms.profile(model, IDS) == norms.profile(model, IDS)
    assert not any(block._forward_hooks for block in model.stack.blocks)
    with pytest.raises(ValueError, match="at least two tokens"):
        norms.profile(model, IDS[:, :2])


def test_tokens_are_alike_when_they_point_the_same_way_and_only_within_their_text():
    one, other = torch.tensor([1.0, 2.0]), torch.tensor([-2.0, 1.0])
    assert norms.cosine_between_tokens(torch.stack([one, 3 * one])[None]) == pytest.approx(1.0)
    texts = torch.stack([torch.stack([one, one]), torch.stack([other, 2 * other])])
    assert norms.cosine_between_tokens(texts) == pytest.approx(1.0)
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    pairs = [F.cosine_similarity(t[i], t[j], dim=0) for t in x for i in range(4) for j in range(4) if i != j]
    assert norms.cosine_between_tokens(x) == pytest.approx(float(torch.stack(pairs).mean()), abs=1e-6)


def test_without_norms_the_signal_grows_with_depth_and_without_residuals_tokens_become_alike():
    found = norms.profiles(("pre-norm", "no norm", "no residual"), (12,), seeds=2, n_row=2)
    assert found.keys() == {(kind, 12) for kind in ("pre-norm", "no norm", "no residual")}
    for seed in range(2):
        pre, bare, alone = (found[kind, 12][seed] for kind in ("pre-norm", "no norm", "no residual"))
        assert bare[-1].signal > 10 * pre[-1].signal and bare[0].gradient > 1000 * pre[0].gradient
        assert alone[-1].alike > 0.99 > 0.95 > pre[-1].alike


def test_from_gpt2s_start_a_deep_stack_without_norms_keeps_its_size():
    found = norms.profiles(("no norm",), (24,), seeds=1, n_row=2, start="gpt2")["no norm", 24][0]
    assert 0.5 < found[-1].signal / found[0].signal < 2


def test_profiles_give_each_seed_its_own_weights_and_all_kinds_of_a_seed_the_same_texts(monkeypatch):
    made, read = [], []
    real = norms.stack_of

    def stack_of(kind, depth, start, **options):
        made.append((kind, depth, start, options["seed"]))
        return real(kind, depth, start, **options)

    monkeypatch.setattr(norms, "stack_of", stack_of)
    monkeypatch.setattr(norms, "profile", lambda model, ids: read.append(ids))
    norms.profiles(("pre-norm", "no norm"), (2,), seeds=2, n_row=3, start="gpt2")
    assert made == [(kind, 2, "gpt2", seed) for kind in ("pre-norm", "no norm") for seed in (0, 1)]
    assert torch.equal(read[0], read[2]) and torch.equal(read[1], read[3])
    assert not torch.equal(read[0], read[1]) and read[0].shape == (3, 65)


def test_profiles_use_other_texts_and_weights_for_each_seed():
    one, two = norms.profiles(("pre-norm",), (2,), seeds=2, n_row=2)["pre-norm", 2]
    assert one != two


# ----------------------------------------------------------------------------------------------- training


def test_a_run_obeys_its_recipe(updates):
    norms.norm_run("post-norm", 1e-3, 0.5, 0, n_layer=1, steps=4)
    assert updates.optimizers() == {"AdamW"} and updates.weight_decay() == {0.0}
    assert updates.lr("AdamW") == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3])
    updates.rows.clear()
    norms.norm_run("post-norm", 1e-3, 0.0, 0, n_layer=1, steps=3)
    assert updates.lr("AdamW") == pytest.approx([1e-3] * 3)


def test_it_trains_on_the_training_plays_and_is_scored_on_the_validation_plays(monkeypatch):
    given = {}

    def train(model, data, recipe, *, valid_ids, **options):
        given.update(data=data, valid=valid_ids, recipe=recipe, seed=options["seed"])
        return type("History", (), {"last": {"valid_loss": math.log(4)}})()

    monkeypatch.setattr(norms.training, "train", train)
    run = norms.norm_run("pre-norm", 2e-3, 0.3, 7, n_layer=2, steps=5)
    assert run == NormRun("pre-norm", "glorot", 2, 2e-3, 0.3, 7, pytest.approx(2.0))
    assert torch.equal(given["data"], tokens.encode_bytes(corpora.plays_text("train")))
    assert torch.equal(given["valid"], tokens.encode_bytes(corpora.plays_text("valid")))
    assert given["recipe"].grad_clip == 0 and given["recipe"].steps == 5 and given["seed"] == 7


def test_a_run_that_breaks_off_says_so_instead_of_a_number():
    assert norms.norm_run("no norm", 1e6, 0.0, 0, n_layer=2, steps=20).bits is None


def run(kind, bits, warmup, seed=0, lr=1e-3, start="glorot"):
    return NormRun(kind, start, 12, lr, warmup, seed, bits)


def test_a_warm_up_is_paired_by_seed_and_its_gain_positive_where_it_helps():
    rows = [run("post-norm", 4.0 + s + (0.0 if w else 0.5), w, s) for w in (0.3, 0.0) for s in (2, 0, 1)]
    others = [run("post-norm", 9.0, 0.0, lr=1.0), run("post-norm", 9.0, 0.3, start="gpt2")]
    gain = norms.warmup_gain([*rows, *others], "post-norm", 1e-3)
    assert gain.mean == pytest.approx(0.5) and gain.low > 0.49
    with pytest.raises(ValueError, match="no pairs"):
        norms.warmup_gain(rows[:-1], "post-norm", 1e-3)
    with pytest.raises(ValueError, match="no pairs"):
        norms.warmup_gain([*rows[:-1], run("post-norm", None, 0.0, 1)], "post-norm", 1e-3)


def test_a_mean_over_seeds_is_given_only_where_no_run_broke_off():
    rows = [run("a", 2.0, 0.0, 0), run("a", 3.0, 0.0, 1), run("b", 2.0, 0.0, 0), run("b", None, 0.0, 1)]
    found = norms.bits_by_kind(rows)
    assert found["a", 1e-3, 0.0].mean == 2.5 and found["b", 1e-3, 0.0] is None
    other = norms.bits_by_kind(
        [*rows, run("a", 9.0, 0.0, 0, start="gpt2"), run("a", 7.0, 0.0, 1, start="gpt2")], "gpt2"
    )
    assert list(other) == [("a", 1e-3, 0.0)] and other["a", 1e-3, 0.0].mean == 8.0


def test_letters_alone_cost_what_their_frequencies_say():
    text = corpora.plays_text("valid")
    own = -sum(n / len(text) * math.log2(n / len(text)) for n in map(text.count, set(text)))
    assert own < norms.letter_bits() < own + 0.1  # close to the entropy, and never below it


@pytest.mark.skipif(not NORMS.path.exists(), reason="not measured yet: llmbook artefacts make norms")
def test_the_stored_record_holds_every_run():
    runs, about = load(NORMS, NormRun)
    seen = {(r.kind, r.start, r.lr, r.warmup, r.seed) for r in runs}
    per_seed = 2 * len(about["rates"]) * len(about["warmups"]) + len(KINDS) - 2 + len(norms.STARTED_TWICE)
    assert len(runs) == len(seen) == about["seeds"] * per_seed
    assert {r.kind for r in runs} == set(KINDS) and {r.n_layer for r in runs} == {about["n_layer"]}


def test_a_line_is_the_mean_over_seeds_of_one_field():
    _, (ax,) = figure()
    seeds = [[norms.Layer(i, s + i, 0.0, 0.0, 0.0) for i in range(3)] for s in (0.0, 2.0)]
    norms.draw_by_layer(ax, {"a": seeds, "b": seeds[:1]}, "signal")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 2, 3], [0, 1, 2]]
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3] and ax.get_ylabel() == "size of the vectors"
