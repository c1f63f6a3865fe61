"""The Transformer against torch's, and what must hold for any of them: `llmbook.core.models.transformer`."""

from dataclasses import replace

import pytest
import torch

from llmbook.core.models.attention import Attention, KVCache
from llmbook.core.models.config import ACTIVATIONS, CHOICES, Config
from llmbook.core.models.masks import causal_mask, padding_mask, prefix_mask
from llmbook.core.models.positions import sinusoidal
from llmbook.core.models.transformer import (
    Block,
    EncoderDecoder,
    FeedForward,
    Stack,
    Transformer,
    n_parameters,
    recorded_attention,
)
from llmbook.core.text.tokens import check_ids

SMALL = Config(vocab_size=50, block_size=16, n_layer=2, n_head=4, n_embd=32)
POSITIONS = [
    position for position in CHOICES["position"] if position != "transformer-xl"
]  # that one is only counted
TOLERANCE = dict(atol=1e-5, rtol=1e-5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def loud(model, scale=8.0):
    """Larger weights and random biases and norms than at initialisation, so that every part matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= scale
            else:
                parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def make(**options):
    config = replace(SMALL, **{"n_kv_head": 0, "head_dim": 0, "d_ff": 0, **options})
    return loud(EncoderDecoder(config) if config.n_encoder_layer else Transformer(config))


def ids(*shape):
    return torch.randint(1, 50, shape)


def same(a, b):
    torch.testing.assert_close(a, b, **TOLERANCE)


# ---------------------------------------------------------------------------- what must hold for any of them


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_changing_a_future_token_leaves_the_past_unchanged(position):
    model, x = make(position=position), ids(2, 12)
    changed = x.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 50
    before, after = model(x), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert (before[:, 7:] - after[:, 7:]).abs().amax(-1).min() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_an_encoder_sees_the_future(position):
    model, x = make(position=position, mask="full"), ids(1, 12)
    changed = x.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 50
    assert (model(x) - model(changed)).abs().amax(-1).min() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("position", [p for p in POSITIONS if p != "none"])
def test_every_kind_of_position_tells_the_order_of_words_apart(position):
    model = make(position=position, mask="full")
    assert (
        model(torch.tensor([[3, 4, 5]]))[0, 0] - model(torch.tensor([[3, 5, 4]]))[0, 0]
    ).abs().max() > 1e-4


@torch.no_grad()
def test_an_encoder_without_positions_sees_a_bag_of_words():
    model, x, order = make(position="none", mask="full"), ids(1, 9), torch.randperm(9)
    same(model(x)[:, order], model(x[:, order]))


@torch.no_grad()
@pytest.mark.parametrize("pieces", [(1,) * 12, (5, 1, 1, 5), (11, 1), (1, 11), (4, 8)], ids=str)
@pytest.mark.parametrize("position", POSITIONS)
def test_cache_equals_no_cache(position, pieces):
    model, x = make(position=position, n_embd=32, norm="rms", gated=True), ids(2, 12)
    cache = KVCache(2, 12)
    out = torch.cat([model(piece, cache=cache) for piece in x.split(pieces, dim=1)], dim=1)
    same(out, model(x))
    assert cache.length == 12


@torch.no_grad()
@pytest.mark.parametrize("n_kv_head", [1, 2])
def test_cache_equals_no_cache_with_shared_key_heads(n_kv_head):
    model = loud(Transformer(replace(SMALL, n_kv_head=n_kv_head, position="rope", qk_norm=True)))
    x, cache = ids(2, 9), KVCache(2, 9)
    same(torch.cat([model(p, cache=cache) for p in x.split(4, dim=1)], dim=1), model(x))


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_a_decoders_cache_equals_no_cache(position):
    model, source, target = make(position=position, n_encoder_layer=1), ids(2, 7), ids(2, 9)
    is_token = torch.arange(7)[None] < torch.tensor([[7], [4]])
    memory, cache = model.encode(source, is_token), KVCache(2, 9)
    out = [model.decode(piece, memory, is_token, cache) for piece in target.split((1, 3, 1, 4), dim=1)]
    same(torch.cat(out, dim=1), model(source, target, is_token))


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("mask", ["causal", "full"])
def test_batch_of_three_equals_three_singles(position, mask):
    model, x = make(position=position, mask=mask), ids(3, 8)
    same(model(x), torch.cat([model(row[None]) for row in x]))


PADDINGS = {  # lengths 8, 5 and 1, and padding elsewhere
    "right": torch.tensor([[1] * 8, [1] * 5 + [0] * 3, [1] + [0] * 7]).bool(),
    "left": torch.tensor([[1] * 8, [0] * 3 + [1] * 5, [0] * 7 + [1]]).bool(),
    "both sides": torch.tensor([[1] * 8, [0] + [1] * 5 + [0] * 2, [0] * 3 + [1] + [0] * 4]).bool(),
}


@torch.no_grad()
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("side", PADDINGS)
@pytest.mark.parametrize("mask", ["causal", "full"])
@pytest.mark.parametrize("position", POSITIONS)
def test_a_padded_batch_equals_its_rows_alone_and_padding_is_never_read(position, mask, side, record):
    model, is_token, x = make(position=position, mask=mask, n_kv_head=2), PADDINGS[side], ids(3, 8)
    for layer in model.modules():
        if isinstance(layer, Attention):
            layer.record = record
    y = model(x, is_token=is_token)
    other = model(x.where(is_token, 49), is_token=is_token)
    assert y.isfinite().all()
    for i in range(3):
        same(y[i, is_token[i]], model(x[i : i + 1, is_token[i]])[0])
        assert torch.equal(y[i, is_token[i]], other[i, is_token[i]])


@torch.no_grad()
@pytest.mark.parametrize("pieces", [(1,) * 8, (4, 1, 3), (8, 1, 1, 2)], ids=str)
@pytest.mark.parametrize("position", POSITIONS)
def test_cache_equals_no_cache_with_padding_on_the_left(position, pieces):
    model, x = make(position=position, n_kv_head=2), ids(3, sum(pieces))
    is_token = torch.nn.functional.pad(PADDINGS["left"], (0, sum(pieces) - 8), value=True)
    cache, out = KVCache(2, 12), []
    for piece, known in zip(x.split(pieces, 1), is_token.split(pieces, 1), strict=True):
        said = None if known.all() and cache.length >= 8 else known  # only the padding has to be said
        out.append(model(piece, is_token=said, cache=cache))
    together, whole = torch.cat(out, 1), model(x, is_token=is_token)
    same(together[is_token], whole[is_token])


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_no_query_is_left_with_nothing_to_look_at(position):
    """A softmax over nothing is NaN in some kernels: padding in front looks at itself, and nobody else does."""
    model, is_token = make(position=position), PADDINGS["left"]
    with recorded_attention(model) as layers:
        model(ids(3, 8), is_token=is_token)
    for layer in layers:
        same(layer.weights.sum(-1), torch.ones(3, 4, 8))
        looked_at = layer.weights.diagonal_scatter(torch.zeros(3, 4, 8), dim1=-2, dim2=-1).sum(
            (1, 2)
        )  # (B, S)
        assert (looked_at[~is_token] == 0).all()


@pytest.mark.parametrize("side", PADDINGS)
@pytest.mark.parametrize("position", POSITIONS)
def test_padding_spoils_no_gradient(position, side):
    model, x = make(position=position), ids(3, 8)
    model(x, is_token=PADDINGS[side])[PADDINGS[side]].logsumexp(-1).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("position", POSITIONS)
def test_every_kind_of_position_runs_in_every_floating_type(position, record, dtype):
    model, x, is_token = make(position=position, n_kv_head=2), ids(3, 8), PADDINGS["left"]
    exact, cache = model(x, is_token=is_token)[is_token], KVCache(2, 8)
    model.to(dtype)
    for layer in model.modules():
        if isinstance(layer, Attention):
            layer.record = record
    padded = model(x, is_token=is_token)[is_token]
    pieces = [model(x[:, part], is_token=is_token[:, part], cache=cache) for part in (slice(5), slice(5, 8))]
    scale = float(exact.abs().max())
    for y in (padded, torch.cat(pieces, 1)[is_token], model(x[:1])[0]):
        assert y.dtype == dtype
        error = float((y - exact[: len(y)]).abs().max()) / scale
        assert error < (1e-5 if dtype == torch.float64 else 16 * torch.finfo(dtype).eps)


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_an_encoder_decoder_never_reads_padding_of_the_source(position):
    model, source, target = make(position=position, n_encoder_layer=2), ids(2, 8), ids(2, 5)
    is_token = torch.arange(8)[None] < torch.tensor([[8], [3]])
    y = model(source, target, is_token)
    assert torch.equal(y, model(source.where(is_token, 49), target, is_token))
    same(y[1:], model(source[1:, :3], target[1:]))
    assert (y[1] - model(source, target)[1]).abs().max() > 1e-4


def as_encoder(decoder):
    encoder = Transformer(replace(decoder.config, mask="full"))
    encoder.load_state_dict(decoder.state_dict())
    return encoder


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_no_mask_gives_a_decoder_back_the_future(position):
    decoder, x = make(position=position), ids(2, 6)
    everything = torch.ones(6, 6, dtype=torch.bool)
    same(decoder(x, mask=everything), decoder(x))
    same(decoder(x, mask=padding_mask(x >= 0)), decoder(x))
    hidden = padding_mask(torch.arange(6)[None] != 1)
    same(decoder(x, mask=hidden), decoder(x, mask=hidden & causal_mask(6)))
    changed = x.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 50
    for mask in (everything, padding_mask(x >= 0), hidden, prefix_mask(6, 5)):
        assert torch.equal(decoder(x, mask=mask)[:, :4], decoder(changed, mask=mask)[:, :4])
        assert torch.equal(decoder(x, is_token=x >= 0)[:, :4], decoder(changed, is_token=x >= 0)[:, :4])


@torch.no_grad()
def test_causal_false_takes_causality_away_and_causal_true_adds_it():
    decoder, x = make(position="rope"), ids(2, 6)
    encoder = as_encoder(decoder)
    same(decoder(x, causal=False), encoder(x))
    same(encoder(x, causal=True), decoder(x))
    same(encoder(x, mask=causal_mask(6)), decoder(x))
    same(decoder(x, mask=prefix_mask(6, 3), causal=False), encoder(x, mask=prefix_mask(6, 3)))
    changed = x.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 50
    seen = decoder(x, mask=prefix_mask(6, 3), causal=False) - decoder(
        changed, mask=prefix_mask(6, 3), causal=False
    )
    assert seen.abs().amax(-1).min() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_the_last_position_alone_is_the_last_of_all(tied):
    model, x = make(tied=tied), ids(2, 6)
    rows = []
    model.head.register_forward_hook(lambda module, inputs, out: rows.append(inputs[0].shape[1]))
    same(model(x, last_only=True), model(x)[:, -1:])
    both, memory = make(n_encoder_layer=1, tied=tied), None
    memory = both.encode(x)
    same(both.decode(x, memory, last_only=True), both.decode(x, memory)[:, -1:])
    assert rows == [1, 6]


@torch.no_grad()
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("mask", ["causal", "full"])
@pytest.mark.parametrize("position", POSITIONS)
def test_the_last_position_alone_is_the_last_of_all_whatever_restricts_it(position, mask, norm_first):
    model = make(position=position, mask=mask, norm_first=norm_first, n_kv_head=2)
    x, is_token = ids(3, 8), PADDINGS["left"]
    for given in ({}, {"is_token": is_token}, {"mask": prefix_mask(8, 3)}, {"causal": mask == "full"}):
        same(model(x, last_only=True, **given), model(x, **given)[:, -1:])
    if mask == "causal":  # the cache still gets every token
        cache = KVCache(2, 8)
        model(x[:, :5], is_token=is_token[:, :5], cache=cache, last_only=True)
        last = model(x[:, 5:], is_token=is_token[:, 5:], cache=cache, last_only=True)
        same(last, model(x, is_token=is_token)[:, -1:])


@torch.no_grad()
def test_the_last_position_alone_leaves_the_last_block_one_token_to_work_on():
    model, x, seen = make(), ids(2, 6), {}
    for i, block in enumerate(model.stack.blocks):
        for name, part in {"q": block.attn.q, "k": block.attn.k, "ff": block.ff}.items():
            part.register_forward_hook(
                lambda m, given, out, at=(i, name): seen.update({at: given[0].shape[1]})
            )
    model(x, last_only=True)
    assert seen == {(0, "q"): 6, (0, "k"): 6, (0, "ff"): 6, (1, "q"): 1, (1, "k"): 6, (1, "ff"): 1}


@torch.no_grad()
@pytest.mark.parametrize("position", POSITIONS)
def test_recording_attention_changes_no_output_and_ends_with_the_block(position):
    model, x = make(position=position), ids(2, 6)
    plain = model(x)
    with recorded_attention(model) as layers:
        same(model(x), plain)
        assert all(layer.record for layer in layers) and len(layers) == 2
    for layer in layers:
        assert not layer.record
        same(layer.weights.sum(-1), torch.ones(2, 4, 6))
        assert (layer.weights[..., ~causal_mask(6)] == 0).all()
    with pytest.raises(RuntimeError), recorded_attention(model):
        raise RuntimeError
    assert not any(layer.record for layer in layers)


def test_recording_inside_recording_leaves_the_outer_one_on():
    model = make()
    with recorded_attention(model) as layers:
        with recorded_attention(model.stack.blocks[0]):
            pass
        assert all(layer.record for layer in layers)
    assert not any(layer.record for layer in layers)


def test_every_parameter_gets_a_gradient():
    for position in POSITIONS:
        post = {"norm": "rms", "gated": True, "tied": False, "norm_first": False}
        for options in ({}, {"n_encoder_layer": 1}, post):
            model = make(position=position, **options)
            inputs = (ids(2, 5), ids(2, 5)) if options.get("n_encoder_layer") else (ids(2, 5),)
            model(*inputs).logsumexp(-1).sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# ------------------------------------------------------------------------------------------- against torch


def copy_attention(ours, theirs):
    for name, weight, bias in zip(
        "qkv", theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
    ):
        getattr(ours, name).weight.data, getattr(ours, name).bias.data = weight.data, bias.data
    ours.out.load_state_dict(theirs.out_proj.state_dict())


def copy_layer(ours, theirs):
    copy_attention(ours.attn, theirs.self_attn)
    ours.ff.up.load_state_dict(theirs.linear1.state_dict())
    ours.ff.down.load_state_dict(theirs.linear2.state_dict())
    norms = [ours.norm1, ours.norm2]
    if ours.cross is not None:
        copy_attention(ours.cross, theirs.multihead_attn)
        norms.insert(1, ours.norm_cross)
    for i, norm in enumerate(norms, start=1):
        norm.load_state_dict(getattr(theirs, f"norm{i}").state_dict())


def pair(kind, norm_first, activation):
    """torch's encoder or decoder of three layers with random weights, and our Stack with the same."""
    layer = getattr(torch.nn, f"Transformer{kind}Layer")(
        32, 4, 64, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first
    )
    last = torch.nn.LayerNorm(32) if norm_first else None
    options = {"enable_nested_tensor": False} if kind == "Encoder" else {}
    theirs = loud(getattr(torch.nn, f"Transformer{kind}")(layer, 3, norm=last, **options), scale=2.0)
    for i, one in enumerate(theirs.layers):  # torch copies one layer three times: make them differ
        loud(one, scale=1.0 + 0.1 * i)
    config = replace(SMALL, d_ff=64, position="none", norm_first=norm_first, activation=activation,
                     mask="full" if kind == "Encoder" else "causal")  # fmt: skip
    ours = Stack(config, 3, cross=kind == "Decoder").eval()
    for block, one in zip(ours.blocks, theirs.layers, strict=True):
        copy_layer(block, one)
    if last is not None:
        ours.norm.load_state_dict(theirs.norm.state_dict())
    return ours, theirs


@torch.no_grad()
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [True, False], ids=["pre-norm", "post-norm"])
def test_the_encoder_equals_torchs(norm_first, activation, parity_report):
    ours, theirs = pair("Encoder", norm_first, activation)
    x, is_token = torch.randn(2, 7, 32), torch.arange(7)[None] < torch.tensor([[7], [4]])
    same(ours(x), theirs(x))
    same(ours(x, mask=causal_mask(7)), theirs(x, mask=~causal_mask(7)))
    masked = ours(x, is_token=is_token), theirs(x, src_key_padding_mask=~is_token)
    same(*(y[is_token] for y in masked))
    difference = float((ours(x) - theirs(x)).abs().max())
    parity_report(f"torch.nn.TransformerEncoder, {activation}, norm_first={norm_first}: {difference:.1e}")


@torch.no_grad()
@pytest.mark.parametrize("norm_first", [True, False], ids=["pre-norm", "post-norm"])
def test_the_decoder_equals_torchs(norm_first, parity_report):
    ours, theirs = pair("Decoder", norm_first, "relu")
    x, memory = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    is_token = torch.arange(7)[None] < torch.tensor([[7], [4]])
    y = ours(x, memory=memory, memory_mask=padding_mask(is_token))
    expected = theirs(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~is_token)
    same(y, expected)
    difference = float((y - expected).abs().max())
    parity_report(f"torch.nn.TransformerDecoder, norm_first={norm_first}: {difference:.1e}")


@torch.no_grad()
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("gated", [True, False])
def test_the_feed_forward_network_is_its_formula_on_each_token_alone(activation, gated):
    ff, x = loud(FeedForward(replace(SMALL, activation=activation, gated=gated))), torch.randn(2, 3, 32)
    f = {"relu": torch.relu, "silu": lambda z: z * z.sigmoid(),
         "gelu": lambda z: z * 0.5 * (1 + torch.erf(z / 2**0.5)),
         "gelu_tanh": lambda z: 0.5 * z * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (z + 0.044715 * z**3))),
         "relu2": lambda z: torch.relu(z) ** 2}[activation]  # fmt: skip
    hidden = f(ff.gate(x)) * ff.up(x) if gated else f(ff.up(x))
    torch.testing.assert_close(ff(x), ff.down(hidden), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ff(x)[:, 1:2], ff(x[:, 1:2]), atol=1e-4, rtol=1e-4)


# --------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("n_encoder_layer", [0, 1])
def test_tied_weights_share_storage_and_are_counted_once(n_encoder_layer):
    tied, free = (make(tied=t, n_encoder_layer=n_encoder_layer) for t in (True, False))
    assert tied.head.weight.data_ptr() == tied.embed.weight.data_ptr()
    assert free.head.weight.data_ptr() != free.embed.weight.data_ptr()
    assert n_parameters(free) - n_parameters(tied) == 50 * 32


def test_the_number_of_parameters_is_the_sum_of_the_parts():
    c, f = 32, 128
    block = 4 * (c * c + c) + (c * f + f) + (f * c + c) + 2 * 2 * c
    assert n_parameters(Transformer(SMALL)) == 50 * c + 16 * c + 2 * block + 2 * c


def test_initial_weights_have_gpt2s_standard_deviations():
    config = Config(500, 64, n_layer=8, n_head=4, n_embd=128)
    for model, n_layer in (
        (Transformer(config), 8),
        (EncoderDecoder(replace(config, n_encoder_layer=2)), 10),
    ):
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                shrunk = name.endswith(("attn.out.weight", "cross.out.weight", "ff.down.weight"))
                expected = 0.02 / (2 * n_layer) ** 0.5 if shrunk else 0.02
                assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.05), name
            elif "norm" not in name:
                assert (parameter == 0).all(), name


@pytest.mark.parametrize("cross", [False, True])
def test_with_zero_init_every_block_begins_as_the_identity_and_the_first_guess_is_uniform(cross):
    config = replace(SMALL, tied=False, zero_init=True, position="rope", n_encoder_layer=2 * cross)
    ids = torch.randint(50, (2, 7))
    model = EncoderDecoder(config) if cross else Transformer(config)
    stack = model.decoder if cross else model.stack
    with torch.no_grad():
        x = model.embed(ids)
        memory = model.encode(ids) if cross else None
        assert torch.equal(stack(x, memory=memory), stack.norm(x))
        logits = model(ids, ids) if cross else model(ids)
    assert (logits == 0).all()


def test_zero_init_spares_an_output_layer_that_is_the_embedding():
    model = Transformer(replace(SMALL, tied=True, zero_init=True))
    assert float(model.head.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_a_model_that_starts_at_zero_learns_in_all_its_weights():
    torch.manual_seed(0)
    model = Transformer(replace(SMALL, tied=False, zero_init=True))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ids, optimizer = torch.randint(50, (8, 9)), torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(4):  # the output layer moves first, then what it reads, then what that reads
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
        optimizer.step()
    assert not [name for name, p in model.named_parameters() if torch.equal(p, before[name])]


def test_a_new_models_first_guess_is_nearly_uniform():
    loss = torch.nn.functional.cross_entropy(
        Transformer(SMALL)(ids(4, 16)).flatten(0, 1), ids(4, 16).flatten()
    )
    assert abs(float(loss.detach()) - torch.tensor(50.0).log()) < 0.1


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "bad", [torch.tensor([1, 2]), torch.zeros(1, 3), torch.zeros(1, 0, dtype=torch.long)], ids=str
)
def test_ids_of_the_wrong_kind_or_shape_are_refused(bad):
    with pytest.raises(ValueError, match=r"integers of shape \(B, T\)|holds 0 tokens"):
        Transformer(SMALL)(bad)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32], ids=str)
def test_ids_of_any_integer_type_are_read(dtype):
    model, both, x = make(token_types=2), make(n_encoder_layer=1), ids(2, 5)
    types = torch.tensor([0, 0, 1, 1, 1]).expand(2, 5)
    assert torch.equal(model(x.to(dtype), token_types=types.to(dtype)), model(x, token_types=types))
    assert torch.equal(both(x.to(dtype), x.to(dtype)), both(x, x))


@torch.no_grad()
def test_is_token_of_another_shape_is_refused_with_both_shapes():
    for shape in ((2, 4), (1, 5), (2, 1, 5)):
        with pytest.raises(ValueError, match=r"is_token is \(.*\); it must be \(2, 5\)"):
            make()(ids(2, 5), is_token=torch.ones(shape, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"is_token is \(2, 4\); it must be \(2, 5\)"):
        model = make(n_encoder_layer=1)
        model.decode(ids(2, 3), model.encode(ids(2, 5)), torch.ones(2, 4))


@torch.no_grad()
@pytest.mark.parametrize(
    "mask",
    [torch.ones(5, 5), torch.ones(5, 5).long(), *(torch.ones(s) > 0 for s in ((2, 4), (2, 5), (2, 5, 5)))],
    ids=lambda m: f"{m.dtype} {tuple(m.shape)}",
)
def test_a_mask_that_does_not_say_who_may_look_at_whom_is_refused(mask):
    with pytest.raises(
        ValueError, match=r"mask is torch\..*must be bool.*\(5, 5\) or \(B, 1, 5, 5\).*is_token"
    ):
        make()(ids(2, 5), mask=mask)


@torch.no_grad()
def test_a_cache_filled_for_two_rows_refuses_one_and_stays_as_it_was():
    model, cache, x = make(), KVCache(2, 9), ids(2, 5)
    model(x[:, :3], cache=cache)
    for is_token in (None, torch.ones(1, 2)):
        with pytest.raises(ValueError, match="batch of 2 rows and now gets 1"):
            model(x[:1, 3:], cache=cache, is_token=is_token)
    same(model(x[:, 3:], cache=cache), model(x)[:, 3:])


@pytest.mark.parametrize("bad, span", [([[0, 50]], "from 0 to 50"), ([[-1, 3]], "from -1 to 3")])
def test_ids_outside_the_vocabulary_are_refused(bad, span):
    with pytest.raises(ValueError, match=f"ids run {span}, but the vocabulary is 0 to 49"):
        check_ids(torch.tensor(bad), 50)
    model = EncoderDecoder(replace(SMALL, n_encoder_layer=1))
    for source, target in ((bad, [[1]]), ([[1]], bad)):
        with pytest.raises(ValueError, match=span):
            model(torch.tensor(source), torch.tensor(target))


@pytest.mark.parametrize("position", POSITIONS)
def test_an_input_longer_than_the_context_is_refused_with_and_without_a_cache(position):
    model = make(position=position)
    assert model(ids(1, 16)).shape == (1, 16, 50)
    with pytest.raises(ValueError, match="17 tokens do not fit into a context of block_size = 16"):
        model(ids(1, 17))
    cache = KVCache(2, 40)
    model(ids(1, 16), cache=cache)
    with pytest.raises(ValueError, match="17 tokens"):
        model(ids(1, 1), cache=cache)


def test_sinusoids_are_added_to_embeddings_scaled_by_the_root_of_their_width():
    x = torch.randn(1, 5, 32)
    same(
        Stack(replace(SMALL, position="sinusoidal"), 1).add_positions(x, torch.arange(5)),
        x * 32**0.5 + sinusoidal(5, 32),
    )


def test_a_block_without_cross_attention_has_no_weights_for_it():
    assert Block(SMALL, 0).cross is None and Block(SMALL, 0, cross=True).cross is not None


@pytest.mark.parametrize("position", POSITIONS)
def test_every_tensor_is_on_the_device_of_the_model(position):
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    ids = torch.zeros(2, 9, dtype=torch.long, device="meta")
    model = Transformer(replace(SMALL, position=position)).to("meta")
    cache = KVCache(2, 16)
    assert model(ids).device.type == model(ids, cache=cache).device.type == "meta"
    assert model(ids[:, :1], cache=cache).device.type == "meta"
    both = EncoderDecoder(replace(SMALL, position=position, n_encoder_layer=2)).to("meta")
    assert both(ids, ids, ids != 0).device.type == "meta"
    with pytest.raises(RuntimeError, match="meta"):  # so a mix is noticed
        model(ids) + torch.zeros(2, 9, 50)
