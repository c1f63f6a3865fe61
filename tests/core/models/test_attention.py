"""Attention, masks and positions against torch and transformers: `llmbook.core.models.attention`."""

import math

import pytest
import torch
import torch.nn.functional as F

from llmbook.core.models.attention import (
    Attention,
    KVCache,
    attend,
    attention_weights,
)
from llmbook.core.models.masks import causal_mask, padding_mask, prefix_mask
from llmbook.core.models.positions import (
    alibi_bias,
    alibi_slopes,
    apply_rope,
    count_tokens,
    relative_bucket,
    rope_angles,
    rope_frequencies,
    sinusoidal,
    sinusoids,
)

TOLERANCE = dict(atol=1e-5, rtol=1e-5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def same(a, b, **tolerance):
    torch.testing.assert_close(a, b, **(tolerance or TOLERANCE))


def qkv(t=5, s=7, d=8):
    return torch.randn(2, 3, t, d), torch.randn(2, 3, s, d), torch.randn(2, 3, s, d)


# ---------------------------------------------------------------------------------------------- attend


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
@pytest.mark.parametrize("kind", ["none", "causal", "padding", "bias", "bias per head"])
def test_attend_equals_torchs_fused_kernel(kind, scale):
    q, k, v = qkv()
    mask = {
        "none": None,
        "causal": causal_mask(5, 7),
        "padding": padding_mask(torch.arange(7)[None] < torch.tensor([[3], [7]])),
        "bias": torch.randn(5, 7),
        "bias per head": torch.randn(1, 3, 5, 7),
    }[kind]
    same(attend(q, k, v, mask, scale), F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale))


def test_weights_are_probabilities_and_hidden_keys_get_none():
    q, k, _ = qkv()
    mask = causal_mask(5, 7)
    weights = attention_weights(q, k, mask)
    same(weights.sum(-1), torch.ones(2, 3, 5))
    assert (weights[..., ~mask] == 0).all() and (weights[..., mask] > 0).all()


def test_a_bias_of_minus_infinity_is_the_same_as_a_mask():
    q, k, v = qkv()
    bias = torch.zeros(5, 7).masked_fill(~causal_mask(5, 7), -math.inf)
    assert torch.equal(attend(q, k, v, bias), attend(q, k, v, causal_mask(5, 7)))


def test_the_default_scale_divides_by_the_root_of_the_head_size():
    q, k, v = qkv(d=16)
    same(attend(q, k, v), attend(q, k, v, scale=0.25))
    same(attend(q, k, v), attend(q / 4, k, v, scale=1.0))


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_a_mask_of_zeros_and_ones_is_refused_and_not_added_to_the_scores(dtype):
    q, k, v = qkv()
    mask = causal_mask(5, 7).to(dtype)
    for call in (lambda: attention_weights(q, k, mask), lambda: attend(q, k, v, mask)):
        with pytest.raises(ValueError, match=rf"mask is of type {dtype}.*bool.*mask\.bool\(\)"):
            call()
    with pytest.raises(ValueError, match="mask is of type"):
        Attention(16, 4)(torch.randn(1, 5, 16), mask=causal_mask(5).to(dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["none", "mask", "bias in float32", "bias of the same type"])
def test_attend_keeps_the_type_of_its_queries(kind, dtype):
    q, k, v = (x.to(dtype) for x in qkv())
    bias = torch.randn(5, 7)
    mask = {"none": None, "mask": causal_mask(5, 7), "bias in float32": bias}.get(kind, bias.to(dtype))
    y = attend(q, k, v, mask)
    assert attention_weights(q, k, mask).dtype == y.dtype == dtype
    exact = attend(q.double(), k.double(), v.double(), mask if kind in ("none", "mask") else mask.double())
    same(y.double(), exact, atol=8 * torch.finfo(dtype).eps + 1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_kernel_gets_a_bias_in_the_type_of_its_queries(monkeypatch, dtype):
    """Kernels for GPUs refuse another type; the one for CPUs would not complain."""
    kernel, seen = F.scaled_dot_product_attention, []

    def watched(q, k, v, attn_mask, **options):
        seen.append(attn_mask.dtype)
        return kernel(q, k, v, attn_mask=attn_mask, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    attn, x = Attention(16, 4).to(dtype), torch.randn(1, 5, 16).to(dtype)
    attn(x, mask=alibi_bias(4, torch.arange(5), torch.arange(5)), causal=True)
    attn(x, mask=causal_mask(5))
    assert seen == [dtype, torch.bool]


def test_very_large_scores_do_not_overflow():
    q, k, v = qkv()
    assert attend(q * 1e4, k * 1e4, v).isfinite().all()


# ------------------------------------------------------------------------------------------ positions


def test_sinusoids_follow_the_papers_formula():
    table = sinusoidal(9, 6)
    for position in range(9):
        for pair in range(3):
            angle = position / 10_000 ** (2 * pair / 6)
            assert float(table[position, 2 * pair]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(table[position, 2 * pair + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_sinusoids_of_an_odd_width_are_refused():
    with pytest.raises(ValueError, match=r"n_embd is 5.*even"):
        sinusoidal(3, 5)


def test_a_shift_of_sinusoids_is_one_rotation_whatever_the_position():
    pairs = sinusoidal(20, 8).view(20, 4, 2)
    angle = 3 * rope_frequencies(8)
    sin, cos = pairs[:-3].unbind(-1)
    turned = torch.stack((sin * angle.cos() + cos * angle.sin(), cos * angle.cos() - sin * angle.sin()), -1)
    same(turned, pairs[3:])


@pytest.mark.parametrize("base", [10_000.0, 500.0])
def test_rope_equals_llamas(base):
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(
        hidden_size=32, num_attention_heads=4, rope_parameters={"rope_type": "default", "rope_theta": base}
    )
    q, k, _ = qkv(t=6, s=6)
    where = torch.tensor([0, 1, 2, 50, 999, 2047])
    cos, sin = LlamaRotaryEmbedding(config)(q, where[None])
    expected = apply_rotary_pos_emb(q, k, cos, sin)
    ours = rope_angles(where, 8, base)
    same(ours[0], cos[0])
    same(apply_rope(q, *ours), expected[0])
    same(apply_rope(k, *ours), expected[1])


def test_rope_scores_depend_on_the_distance_only():
    q, k, _ = qkv(t=6, s=6)
    here, there = (rope_angles(torch.arange(6) + shift, 8) for shift in (0, 37))
    scores = [apply_rope(q, *a) @ apply_rope(k, *a).mT for a in (here, there)]
    same(scores[0], scores[1], atol=1e-4, rtol=1e-4)
    assert (scores[0] - q @ k.mT).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_rope_keeps_the_type_of_what_it_turns_and_rounds_once(dtype):
    x, angles = torch.randn(2, 3, 6, 8).to(dtype), rope_angles(torch.arange(1000, 1006), 8)
    turned, exact = apply_rope(x, *angles), apply_rope(x.double(), *angles)
    assert turned.dtype == dtype
    once = 0.51 * torch.finfo(dtype).eps * exact.abs()  # what rounding to the nearest number can cost
    assert ((turned.double() - exact).abs() <= once + 1e-6).all()


def test_rows_can_have_positions_of_their_own():
    where = torch.tensor([[0, 0, 1], [4, 5, 6]])
    for one, both in zip(
        (rope_angles(where[1], 8), (sinusoids(where[1], 6),), (alibi_bias(4, where[1], where[1])[0],)),
        (rope_angles(where, 8), (sinusoids(where, 6),), (alibi_bias(4, where, where),)),
        strict=True,
    ):
        for a, b in zip(one, both, strict=True):
            assert len(b) == 2 and torch.equal(a, b[1])


def test_positions_count_real_tokens_wherever_the_padding_stands():
    is_token = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 1]]).bool()
    assert count_tokens(is_token).tolist() == [[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 2]]


def test_rope_leaves_position_zero_alone():
    x = torch.randn(1, 1, 1, 8)
    assert torch.equal(apply_rope(x, *rope_angles(torch.zeros(1), 8)), x)


def test_rope_frequencies_run_from_one_down_to_about_one_over_the_base():
    frequencies = rope_frequencies(64)
    assert frequencies[0] == 1 and (frequencies.diff() < 0).all() and 1e-4 < frequencies[-1] < 2e-4


@pytest.mark.parametrize("n_head", [1, 6, 8, 12, 16])
def test_alibi_slopes_equal_blooms(n_head):
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 4), n_head, torch.float32)  # (H, 1, 4): slope x position
    same(alibi_slopes(n_head), theirs[:, 0, 1])


def test_alibi_attention_equals_blooms_although_bloom_counts_from_the_start():
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    q, k, v = (torch.randn(1, 8, 6, 4) for _ in range(3))
    where, hidden = torch.arange(6), ~causal_mask(6)
    ours = attend(q, k, v, alibi_bias(8, where, where).masked_fill(hidden, -math.inf))
    bloom = build_alibi_tensor(torch.ones(1, 6), 8, torch.float32)[None].expand(1, 8, 6, 6)
    same(ours, attend(q, k, v, bloom.masked_fill(hidden, -math.inf)))


def test_alibi_penalises_distance_both_ways_and_one_token_by_one_slope():
    bias = alibi_bias(4, torch.arange(5), torch.arange(5))
    assert bias.shape == (1, 4, 5, 5) and torch.equal(bias, bias.mT)
    same(bias[0, :, 4, 3], -alibi_slopes(4))
    same(bias[0, :, 4, 0], -4 * alibi_slopes(4))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("n_bucket, max_distance", [(32, 128), (16, 50)])
def test_relative_buckets_equal_t5s_over_a_long_range(bidirectional, n_bucket, max_distance):
    from transformers.models.t5.modeling_t5 import T5Attention

    relative = torch.arange(-2000, 2001)
    theirs = T5Attention._relative_position_bucket(relative, bidirectional, n_bucket, max_distance)
    ours = relative_bucket(relative, bidirectional, n_bucket, max_distance)
    assert torch.equal(ours, theirs)
    assert ours.min() == 0 and ours.max() == n_bucket - 1


# ------------------------------------------------------------------------------------------ attention


def by_hand(attn, x, mask=None, rope=None):
    """Attention with Python loops over batch, heads and queries; everything else is a vector."""
    group, d = attn.n_head // attn.n_kv_head, attn.head_dim
    rows = []
    for one in x:  # (T, C)
        q, k, v = attn.q(one), attn.k(one), attn.v(one)
        heads = []
        for h in range(attn.n_head):
            g = h // group
            qh, kh, vh = q[:, h * d : (h + 1) * d], k[:, g * d : (g + 1) * d], v[:, g * d : (g + 1) * d]
            if attn.qk_norm:
                qh, kh = (z / (z.pow(2).mean(-1, keepdim=True) + 1.2e-7).sqrt() for z in (qh, kh))
            if rope is not None:
                qh, kh = apply_rope(qh, *rope), apply_rope(kh, *rope)
            out = []
            for i in range(len(one)):
                seen = [j for j in range(len(one)) if mask is None or mask[i, j]]
                score = torch.stack([qh[i] @ kh[j] * attn.scale for j in seen]).exp()
                out.append(sum(p * vh[j] for p, j in zip(score / score.sum(), seen, strict=True)))
            heads.append(torch.stack(out))
        rows.append(attn.out(torch.cat(heads, dim=-1)))
    return torch.stack(rows)


@pytest.mark.parametrize("n_kv_head", [None, 2, 1], ids=["MHA", "GQA", "MQA"])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"qk_norm": True}, {"scaled": False}, {"head_dim": 6}], ids=str
)
def test_attention_equals_a_loop_by_hand(n_kv_head, options):
    attn, x = Attention(16, 4, n_kv_head, **options), torch.randn(2, 5, 16)
    rope = rope_angles(torch.arange(5), attn.head_dim)
    with torch.no_grad():
        same(attn(x), by_hand(attn, x))
        same(attn(x, causal=True, rope=rope), by_hand(attn, x, causal_mask(5), rope))


def like_torchs(theirs):
    """Our Attention with the weights of a torch.nn.MultiheadAttention."""
    attn = Attention(theirs.embed_dim, theirs.num_heads)
    for name, weight, bias in zip(
        "qkv", theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
    ):
        getattr(attn, name).weight.data, getattr(attn, name).bias.data = weight.data, bias.data
    attn.out.load_state_dict(theirs.out_proj.state_dict())
    return attn


def multihead():
    theirs = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    torch.nn.init.normal_(theirs.in_proj_bias)
    torch.nn.init.normal_(theirs.out_proj.bias)
    return theirs


@torch.no_grad()
def test_self_attention_equals_torchs_multihead_attention_weights_included():
    theirs, x = multihead(), torch.randn(2, 6, 24)
    ours = like_torchs(theirs)
    ours.record = True
    for mask in (None, causal_mask(6), prefix_mask(6, 3)):
        hidden = None if mask is None else ~mask
        expected, weights = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)
        same(ours(x, mask=mask), expected)
        same(ours.weights, weights)


@torch.no_grad()
def test_cross_attention_equals_torchs_with_padding_in_the_source():
    theirs, x, memory = multihead(), torch.randn(2, 3, 24), torch.randn(2, 7, 24)
    ours, is_token = like_torchs(theirs), torch.arange(7)[None] < torch.tensor([[7], [4]])
    expected, _ = theirs(x, memory, memory, key_padding_mask=~is_token)
    same(ours.cross(x, memory, mask=padding_mask(is_token)), expected)


@torch.no_grad()
def test_cross_attention_reads_the_source_once_when_there_is_a_cache():
    attn, x, memory = Attention(16, 4), torch.randn(2, 3, 16), torch.randn(2, 7, 16)
    cache = KVCache(2, 10)
    expected = attn.cross(x, memory)
    same(attn.cross(x, memory, cache=cache, layer=1), expected)
    assert cache.cross[0] is None
    same(attn.cross(x, torch.zeros_like(memory), cache=cache, layer=1), expected)


@torch.no_grad()
@pytest.mark.parametrize("n_kv_head", [4, 2, 1])
@pytest.mark.parametrize("kind", ["full", "causal", "mask", "bias"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_recording_the_weights_changes_no_output(kind, n_kv_head, dtype):
    attn, x = Attention(16, 4, n_kv_head).to(dtype), torch.randn(2, 5, 16).to(dtype)
    options = {
        "full": {},
        "causal": {"causal": True},
        "mask": {"mask": prefix_mask(5, 2)},
        "bias": {"mask": alibi_bias(4, torch.arange(5), torch.arange(5))},
    }[kind]
    plain = attn(x, **options)
    assert attn.weights is None
    attn.record = True
    close = TOLERANCE if dtype == torch.float32 else dict(atol=4 * torch.finfo(dtype).eps, rtol=0)
    same(attn(x, **options), plain, **close)
    assert attn.weights.shape == (2, 4, 5, 5) and attn.weights.dtype == dtype


@torch.no_grad()
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kind", ["mask", "bias"])
def test_a_mask_given_besides_causality_restricts_further(kind, record):
    attn, x = Attention(16, 4, 2), torch.randn(2, 5, 16)
    attn.record = record
    seen = torch.tensor([True, False, True, True, True])
    mask = seen if kind == "mask" else torch.zeros(5, 5).masked_fill(~seen, -math.inf)
    visible = causal_mask(5) & seen
    same(attn(x, mask=mask, causal=True), by_hand(attn, x, visible))
    if record:
        assert (attn.weights[..., ~visible] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("record", [False, True])
def test_causal_is_the_same_as_a_causal_mask_also_behind_a_cache(record):
    attn, x = Attention(16, 4), torch.randn(1, 6, 16)
    attn.record = record
    whole, cache = attn(x, mask=causal_mask(6)), KVCache(1, 6)
    pieces = []
    for piece in x.split((3, 1, 2), dim=1):
        pieces.append(attn(piece, causal=True, cache=cache))
        cache.length += piece.shape[1]
    same(torch.cat(pieces, 1), whole)


@torch.no_grad()
@pytest.mark.parametrize("record", [False, True])
def test_a_query_that_may_look_nowhere_spoils_nobody(record):
    attn, x = Attention(16, 4), torch.randn(1, 4, 16)
    attn.record = record
    mask = causal_mask(4) & torch.tensor([False, True, True, True])  # padding on the left: row 0 sees nothing
    y = attn(x, mask=mask)
    assert y.isfinite().all()
    same(y[:, 1:], by_hand(attn, x[:, 1:], causal_mask(3)))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="n_head = 4 is not a multiple of n_kv_head = 3"):
        Attention(16, 4, 3)
    with pytest.raises(ValueError, match="n_embd = 10 is not a multiple of n_head = 4"):
        Attention(10, 4)
    assert Attention(10, 4, head_dim=5)(torch.randn(1, 2, 10)).shape == (1, 2, 10)


# ---------------------------------------------------------------------------------------------- cache


def test_a_cache_returns_everything_appended_so_far_in_order():
    cache, k, v = KVCache(2, 5), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    for start, end in ((0, 2), (2, 3), (3, 5)):
        for layer in (0, 1):  # layers don't disturb one another
            keys, values = cache.append(layer, k[:, :, start:end] + layer, v[:, :, start:end] - layer)
            assert torch.equal(keys, k[:, :, :end] + layer) and torch.equal(values, v[:, :, :end] - layer)
        cache.length = end


def test_a_cache_filled_for_two_rows_refuses_one():
    cache, two = KVCache(1, 9), torch.zeros(2, 1, 2, 4)
    cache.append(0, two, two)
    cache.length = 2
    with pytest.raises(ValueError, match="batch of 2 rows and now gets 1"):
        cache.append(0, two[:1], two[:1])


def test_a_cache_remembers_which_tokens_were_padding():
    cache, is_token = KVCache(1, 9), torch.tensor([[False, True], [True, True]])
    assert cache.with_new(None, 2, 2) is None
    cache.length, cache.is_token = 2, cache.with_new(is_token, 2, 2)
    assert cache.with_new(None, 2, 1).tolist() == [[False, True, True], [True, True, True]]
    late = KVCache(1, 9)
    late.length = 1
    assert late.with_new(is_token, 2, 2).tolist() == [[True, False, True], [True, True, True]]


def test_a_full_cache_says_how_much_room_is_needed():
    cache, one = KVCache(1, 3), torch.zeros(1, 1, 2, 4)
    cache.append(0, one, one)
    cache.length = 2
    with pytest.raises(ValueError, match="holds 3 tokens and 4 are needed"):
        cache.append(0, one, one)


def test_a_cache_takes_the_bytes_of_the_formula_and_fewer_key_heads_take_less():
    sizes = {}
    for n_kv_head in (4, 2, 1):
        attn, cache = Attention(16, 4, n_kv_head), KVCache(3, 10)
        for layer in range(3):
            attn(torch.randn(2, 1, 16), cache=cache, layer=layer)
        sizes[n_kv_head] = cache.nbytes()
        assert sizes[n_kv_head] == 2 * 3 * 2 * n_kv_head * 10 * 4 * 4  # 2 x layers x B x G x S x D x bytes
    assert sizes[4] == 4 * sizes[1]
    assert KVCache(3, 10).nbytes() == 0


def test_on_a_cpu_attention_stays_in_float32_while_the_rest_computes_in_bfloat16(monkeypatch):
    kernel, seen = F.scaled_dot_product_attention, []

    def watched(q, k, v, **options):
        seen.append((q.dtype, torch.is_autocast_enabled("cpu")))
        return kernel(q, k, v, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    torch.manual_seed(0)
    attn, x = Attention(32, 4), torch.randn(2, 9, 32)
    plain = attn(x, causal=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = attn(x, causal=True)
    assert seen == [(torch.float32, False), (torch.float32, False)]
    assert y.dtype == torch.bfloat16  # the projection behind it is in bfloat16 again
    torch.testing.assert_close(y.float(), plain, atol=2e-2, rtol=0)
