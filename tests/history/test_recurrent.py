"""Recurrent cells against torch, the early language models, and sequence to sequence."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from llmbook.core.measure.losses import cross_entropy
from llmbook.core.text.tokens import BOS, EOS, PAD
from llmbook.history.cells import CELLS, LAYERS, unroll
from llmbook.history.recurrent import FeedForwardLM, RecurrentLM, gradient_by_distance
from llmbook.history.seq2seq import Seq2Seq, reversal_batch, until_eos

KINDS = tuple(CELLS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def language_models() -> list[nn.Module]:
    recurrent = [RecurrentLM(kind, 11, n_embd=5, n_hidden=7, n_layer=2) for kind in KINDS]
    return [*recurrent, FeedForwardLM(11, 5, 7, context=3), FeedForwardLM(11, 5, 7, context=1, direct=False)]


@pytest.mark.parametrize("n_layer", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_our_cells_equal_torch_in_outputs_states_and_gradients(kind: str, n_layer: int) -> None:
    layers = LAYERS[kind](5, 7, n_layer, batch_first=True)
    x = torch.randn(3, 9, 5, requires_grad=True)
    inputs = (x, *layers.parameters())
    theirs, their_state = layers(x)
    ours, our_state = unroll(layers, x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    their_states = their_state if isinstance(their_state, tuple) else (their_state,)
    torch.testing.assert_close(our_state, their_states, atol=1e-6, rtol=0)
    weight = torch.randn_like(theirs)
    our_gradients = torch.autograd.grad((ours * weight).sum(), inputs)
    their_gradients = torch.autograd.grad((theirs * weight).sum(), inputs)
    torch.testing.assert_close(our_gradients, their_gradients, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_unrolling_starts_from_a_given_state(kind: str) -> None:
    layers = LAYERS[kind](5, 7, 2, batch_first=True)
    x = torch.randn(3, 9, 5)
    whole, last = unroll(layers, x)
    _, middle = unroll(layers, x[:, :4])
    rest, last_again = unroll(layers, x[:, 4:], middle)
    torch.testing.assert_close(rest, whole[:, 4:])
    torch.testing.assert_close(last_again, last)


@pytest.mark.parametrize("kind", KINDS)
def test_readable_and_fused_language_models_agree(kind: str) -> None:
    fused = RecurrentLM(kind, 11, n_embd=5, n_hidden=7, n_layer=2)
    readable = RecurrentLM(kind, 11, n_embd=5, n_hidden=7, n_layer=2, readable=True)
    readable.load_state_dict(fused.state_dict())
    ids = torch.randint(11, (3, 9))
    torch.testing.assert_close(readable(ids), fused(ids), atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", language_models(), ids=lambda model: getattr(model, "kind", "feed-forward"))
def test_changing_a_future_token_leaves_the_past_unchanged(model: nn.Module) -> None:
    ids = torch.randint(11, (2, 8))
    changed = ids.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = model(ids), model(changed)
    assert before.shape == (2, 8, 11)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5], after[:, 5])


@pytest.mark.parametrize("model", language_models(), ids=lambda model: getattr(model, "kind", "feed-forward"))
def test_batch_of_three_equals_three_singles(model: nn.Module) -> None:
    ids = torch.randint(11, (3, 6))
    torch.testing.assert_close(model(ids), torch.cat([model(row[None]) for row in ids]), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_stepping_token_by_token_equals_one_pass(kind: str) -> None:
    model, ids, state, rows = RecurrentLM(kind, 11, n_embd=5, n_hidden=7), torch.randint(11, (2, 6)), None, []
    for t in range(6):
        logits, state = model.step(ids[:, t : t + 1], state)
        rows.append(logits)
    torch.testing.assert_close(torch.cat(rows, dim=1), model(ids), atol=1e-6, rtol=1e-5)


def test_tied_weights_are_one_tensor_and_need_equal_sizes() -> None:
    model = RecurrentLM("lstm", 11, n_embd=6, n_hidden=6, tie=True)
    assert model.head.weight is model.embedding.weight
    with pytest.raises(ValueError, match="n_embd equal to n_hidden"):
        RecurrentLM("lstm", 11, n_embd=5, n_hidden=6, tie=True)


def test_feed_forward_model_is_equation_1_of_bengio() -> None:
    model = FeedForwardLM(11, n_embd=2, n_hidden=4, context=3)
    ids = torch.randint(11, (1, 5))
    x = torch.cat([model.embedding.weight[i] for i in ids[0, 2:5]])  # the last three tokens, oldest first
    assert "W" in model.head
    y = (
        model.head["U"].bias
        + model.head["W"].weight @ x
        + model.head["U"].weight @ torch.tanh(model.H.bias + model.H.weight @ x)
    )
    torch.testing.assert_close(model(ids)[0, 4], y)


@pytest.mark.parametrize("context", [1, 3])
def test_feed_forward_model_forgets_what_is_beyond_its_context(context: int) -> None:
    model = FeedForwardLM(11, 5, 7, context=context)
    ids = torch.randint(11, (2, 8))
    changed = ids.clone()
    changed[:, 7 - context] = (changed[:, 7 - context] + 1) % 11
    torch.testing.assert_close(model(ids)[:, 7], model(changed)[:, 7])
    changed[:, 8 - context] = (changed[:, 8 - context] + 1) % 11
    assert not torch.allclose(model(ids)[:, 7], model(changed)[:, 7])


def test_gradient_by_distance_is_zero_beyond_the_context_and_not_within() -> None:
    gradient = gradient_by_distance(FeedForwardLM(11, 5, 7, context=3), torch.randint(11, (4, 9)))
    assert gradient.shape == (8,)
    assert (gradient[:3] > 0).all() and (gradient[3:] == 0).all()


def test_gradient_by_distance_agrees_with_a_finite_difference() -> None:
    model = RecurrentLM("rnn", 11, n_embd=1, n_hidden=4).double()
    ids = torch.tensor([[1, 2, 3, 4, 5]])  # every token once, so its embedding row is its position

    def loss() -> float:
        return nn.functional.cross_entropy(model(ids[:, :-1])[:, -1], ids[:, -1]).item()

    gradient = gradient_by_distance(model, ids)
    for distance, token in enumerate([4, 3, 2, 1]):
        with torch.no_grad():
            model.embedding.weight[token] += 1e-5
            high = loss()
            model.embedding.weight[token] -= 2e-5
            low = loss()
            model.embedding.weight[token] += 1e-5
        assert gradient[distance] == pytest.approx(abs(high - low) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_by_distance_of_another_precision_is_that_of_float32(kind, dtype) -> None:
    model, ids = RecurrentLM(kind, 11, n_embd=4, n_hidden=6), torch.randint(11, (4, 6))
    expected = gradient_by_distance(model, ids)
    found = gradient_by_distance(model.to(dtype), ids)
    assert found == pytest.approx(expected, rel=1e-4 if dtype == torch.float64 else 0.1)


def test_gradient_by_distance_of_a_batch_is_the_mean_of_its_rows() -> None:
    model, ids = RecurrentLM("gru", 11, n_embd=4, n_hidden=6), torch.randint(11, (5, 7))
    alone = [gradient_by_distance(model, row[None]) for row in ids]
    assert gradient_by_distance(model, ids) == pytest.approx(sum(alone) / 5, rel=1e-4)


def test_gradient_by_distance_shrinks_geometrically_in_a_contracting_network() -> None:
    model = RecurrentLM("rnn", 11, n_embd=5, n_hidden=8)
    with torch.no_grad():
        model.layers.weight_hh_l0.copy_(0.5 * torch.eye(8))
    gradient = gradient_by_distance(model, torch.randint(11, (4, 21)))
    assert (gradient[1:] <= 0.5 * gradient[:-1] * 2).all() and gradient[20 - 1] < 0.5**15 * gradient[0]


@pytest.mark.parametrize("model", language_models(), ids=lambda model: getattr(model, "kind", "feed-forward"))
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(3, dtype=torch.long), "shape"),
        (torch.zeros(1, 0, dtype=torch.long), "holds 0 tokens"),
        (torch.zeros(1, 3), "float32"),
        (torch.tensor([[0, 11]]), "11"),
        (torch.tensor([[-1, 0]]), "-1"),
    ],
)
def test_bad_ids_are_refused(model: nn.Module, ids: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(ids)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        RecurrentLM("transformer")
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        Seq2Seq("transformer")
    with pytest.raises(ValueError, match="context is 0"):
        FeedForwardLM(context=0)
    with pytest.raises(ValueError, match="at least two tokens"):
        gradient_by_distance(RecurrentLM(), torch.zeros(1, 1, dtype=torch.long))


# ---------------------------------------------------------------------------------- sequence to sequence


def translator(kind: str = "lstm", attention: bool = True, **options: bool) -> Seq2Seq:
    return Seq2Seq(kind, attention, source_vocab=14, target_vocab=13, n_embd=5, n_hidden=7, **options)


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD], [10, EOS, PAD, PAD, PAD]])
    return source, torch.tensor([[BOS, 4, 5, 6], [BOS, 7, 8, PAD], [BOS, 9, PAD, PAD]])


@pytest.mark.parametrize("readable", [False, True])
@pytest.mark.parametrize("reverse_source", [False, True])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_equals_its_rows_alone(kind, attention, reverse_source, readable) -> None:
    model = translator(kind, attention, reverse_source=reverse_source, readable=readable)
    source, target = padded()
    logits = model(source, target)
    assert logits.shape == (3, 4, 13)
    for row in range(3):
        length = int((source[row] != PAD).sum())
        alone = model(source[row : row + 1, :length], target[row : row + 1])
        torch.testing.assert_close(logits[row : row + 1], alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_readable_and_fused_translators_agree(kind: str, attention: bool) -> None:
    fused, readable = translator(kind, attention), translator(kind, attention, readable=True)
    readable.load_state_dict(fused.state_dict())
    torch.testing.assert_close(readable(*padded()), fused(*padded()), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
def test_changing_a_future_target_token_leaves_the_past_unchanged(attention: bool) -> None:
    model, (source, target) = translator(attention=attention), padded()
    changed = target.clone()
    changed[:, 2] = 11
    before, after = model(source, target), model(source, changed)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_reversing_the_source_inside_equals_reversing_it_outside() -> None:
    inside, outside = translator(attention=False, reverse_source=True), translator(attention=False)
    outside.load_state_dict(inside.state_dict())
    source, target = torch.randint(4, 14, (3, 6)), torch.randint(4, 13, (3, 4))
    torch.testing.assert_close(inside(source, target), outside(source.flip(1), target))


def test_attention_weights_sum_to_one_and_skip_padding() -> None:
    source, _ = padded()
    for reverse in (False, True):
        found = translator(reverse_source=reverse).translate(source, max_new_tokens=6)
        assert found.attention is not None and found.attention.shape == (3, found.ids.shape[1], 5)
        torch.testing.assert_close(found.attention.sum(-1), torch.ones(3, found.ids.shape[1]))
        assert not found.attention[source[:, None].expand_as(found.attention) == PAD].any()
    assert translator(attention=False).translate(source, max_new_tokens=6).attention is None


def test_attention_is_that_of_luong_with_the_general_score() -> None:
    model, (source, target) = translator(), padded()
    memory, state, mask = model.encode(source[:1])
    logits, _, weights = model.decode(target[:1], memory, state, mask)
    h = model.decoder(model.target_embedding(target[:1]), state)[0][0]  # (T, N)
    for t in range(4):
        score = torch.stack([h[t] @ model.score.weight @ m for m in memory[0]])  # equation 8, "general"
        a = score.softmax(0)  # equation 7
        c = sum(a[s] * memory[0, s] for s in range(5))
        attentional = torch.tanh(model.combine.weight @ torch.cat([c, h[t]]))  # equation 5
        torch.testing.assert_close(weights[0, t], a, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(logits[0, t], model.head(attentional), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
def test_greedy_translation_is_the_argmax_of_the_forward_pass(attention: bool) -> None:
    model, (source, _) = translator(attention=attention), padded()
    ids = model.translate(source, max_new_tokens=6).ids
    target_in = torch.cat([torch.full((3, 1), BOS), ids[:, :-1]], dim=1)
    best = model(source, target_in).argmax(-1)
    for row in range(3):
        ends = (ids[row] == EOS).nonzero()
        stop = int(ends[0]) + 1 if len(ends) else ids.shape[1]
        assert best[row, :stop].tolist() == ids[row, :stop].tolist()
        assert not ids[row, stop:].any()


def test_translation_stops_when_every_row_has_ended() -> None:
    model = translator()
    with torch.no_grad():
        model.head.bias[EOS] = 100.0
    assert model.translate(padded()[0]).ids.tolist() == [[EOS]] * 3


def test_a_mask_hides_tokens_that_are_not_padding() -> None:
    model, (source, target) = translator(), padded()
    mask = torch.ones_like(source, dtype=torch.bool)
    mask[:, 3:] = False
    other = source.clone()
    other[:, 3:] = 12
    torch.testing.assert_close(model(source, target, mask), model(other, target, mask))


def test_bad_sources_are_refused() -> None:
    model, target = translator(), torch.tensor([[BOS]])
    with pytest.raises(ValueError, match="no real token"):
        model(torch.tensor([[PAD, PAD]]), target)
    with pytest.raises(ValueError, match="pad the source on the right"):
        model(torch.tensor([[PAD, 5]]), target)
    with pytest.raises(ValueError, match="14"):
        model(torch.tensor([[14]]), target)


def test_the_loss_of_a_sequence_ignores_padding() -> None:
    logits, target = torch.randn(2, 4, 9), torch.tensor([[4, 5, EOS, PAD], [6, EOS, PAD, PAD]])
    by_hand = -torch.stack([logits[b, t].log_softmax(-1)[target[b, t]] for b, t in (target != PAD).nonzero()])
    torch.testing.assert_close(cross_entropy(logits, target, ignore_index=PAD).mean, by_hand.mean())


def test_rows_are_compared_up_to_the_end_and_the_end_counts() -> None:
    target = torch.tensor([[4, 5, EOS], [4, EOS, PAD], [4, 5, EOS]])
    predicted = torch.tensor([[4, 5, EOS, PAD], [4, EOS, PAD, PAD], [4, 5, 6, EOS]])
    assert [a == b for a, b in zip(until_eos(predicted), until_eos(target), strict=True)] == [
        True,
        True,
        False,
    ]
    assert until_eos(torch.tensor([[4]])) != until_eos(target)[:1]


def test_reversal_batch_holds_each_sequence_and_its_mirror() -> None:
    made = reversal_batch(200, (2, 5), symbols=6, generator=torch.Generator().manual_seed(0))
    lengths = made.source_mask.sum(1) - 1
    assert set(lengths.tolist()) == {2, 3, 4, 5} and made.source.max() == 9
    for row in range(200):
        n = int(lengths[row])
        words = made.source[row, :n].tolist()
        assert min(words) >= 4
        assert made.source[row].tolist() == [*words, EOS, *[PAD] * (5 - n)]
        assert made.target_out[row].tolist() == [*words[::-1], EOS, *[PAD] * (5 - n)]
        assert made.target_in[row].tolist() == [BOS, *words[::-1], *[PAD] * (5 - n)]


def test_reversal_batch_repeats_with_its_seed() -> None:
    one, two, three = (
        reversal_batch(4, (3, 6), generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)
    )
    assert torch.equal(one.source, two.source) and not torch.equal(one.source, three.source)


@pytest.mark.parametrize(("size", "lengths"), [(0, (1, 2)), (2, (3, 2)), (2, (0, 2))])
def test_bad_reversal_settings_are_refused(size: int, lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="lengths go from"):
        reversal_batch(size, lengths, generator=torch.Generator())


@pytest.mark.parametrize("attention", [False, True])
def test_a_few_steps_of_training_lower_the_loss(attention: bool) -> None:
    model, generator = translator(attention=attention), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        made = reversal_batch(32, (2, 3), symbols=5, generator=generator)
        logits = model(made.source, made.target_in)
        loss = cross_entropy(logits, made.target_out, ignore_index=PAD).mean
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_every_tensor_is_on_the_device_of_the_model(monkeypatch) -> None:
    """The "meta" device stands in for a GPU: an operation that mixes it with the CPU raises."""
    monkeypatch.setattr(
        "llmbook.history.recurrent.check_ids", lambda *args: None
    )  # reads values; "meta" has none
    ids = torch.zeros(2, 6, dtype=torch.long, device="meta")
    assert {m.to("meta")(ids).device.type for m in language_models()} == {"meta"}


def test_before_the_text_stands_a_vector_of_its_own_that_is_learned():
    torch.manual_seed(0)
    model = FeedForwardLM(11, n_embd=4, n_hidden=6, context=3)
    ids = torch.tensor([[5, 7, 2, 9], [1, 1, 3, 0]])
    torch.nn.init.normal_(model.start)
    before = model(ids)
    for row in range(2):  # the first logits by hand: two such vectors, then the first token
        x = torch.cat([model.start, model.start, model.embedding(ids[row, 0])])
        expected = model.head["U"](torch.tanh(model.H(x))) + model.head["W"](x)
        torch.testing.assert_close(before[row, 0], expected, atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        model.start += 1
    changed = (model(ids) - before).abs().amax(-1)
    assert (changed[:, :2] > 1e-3).all() and (changed[:, 2:] == 0).all()
    model(ids).sum().backward()
    assert model.start.grad.abs().sum() > 0
