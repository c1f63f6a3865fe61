"""Text one token at a time, against transformers' `generate`: `llmbook.core.models.generation`."""

import pytest
import torch

from llmbook.core.models import convert, pretrained
from llmbook.core.models.config import Config
from llmbook.core.models.generation import (
    choose,
    generate,
    next_token_probabilities,
    stream,
    translate,
)
from llmbook.core.models.transformer import Transformer


def tiny(family, seed=0):
    reference = pretrained.tiny_reference(family, seed)
    if family.startswith("t5"):  # a freshly initialised T5 only repeats its last word: louder layers talk
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter *= 4.0 if "block" in name and parameter.ndim == 2 else 1.0
    return convert.build(reference.config.to_dict(), reference.state_dict()), reference


@pytest.fixture(scope="module")
def llama():
    return tiny("llama")


def prompt(rows=2, length=6, seed=0):
    return torch.randint(2, 99, (rows, length), generator=torch.Generator().manual_seed(seed))


def drawn(model, seed, **options):
    generator = torch.Generator().manual_seed(seed)
    return generate(model, prompt(), 20, temperature=1.0, generator=generator, **options)


def up_to_stop(row, stop):
    """The row's ids up to and with the first ``stop``; what pads it after that is a matter of taste."""
    row = row.tolist()
    return row[: row.index(stop) + 1] if stop in row else row


# ---------------------------------------------------------------------------------------------- greedy


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_text_equals_transformers_generate(family, use_cache):
    ours, reference = tiny(family)
    expected = reference.generate(prompt(), attention_mask=torch.ones_like(prompt()), max_new_tokens=30,
                                  do_sample=False, eos_token_id=None, pad_token_id=0)  # fmt: skip
    text = generate(ours, prompt(), 30, use_cache=use_cache)
    assert torch.equal(text, expected)
    assert len(text[:, 6:].unique()) > 5  # it says more than one word


def test_greedy_text_with_a_stop_token_equals_transformers_generate(llama):
    ours, reference = llama
    stop = int(generate(ours, prompt(), 10)[0, 9])  # the first row says it early on
    text = generate(ours, prompt(), 30, stop=stop)
    expected = reference.generate(prompt(), attention_mask=torch.ones_like(prompt()), max_new_tokens=30,
                                  do_sample=False, eos_token_id=stop, pad_token_id=stop)  # fmt: skip
    assert torch.equal(text, expected)


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "relative", "none"])
def test_the_cache_changes_no_text(position):
    torch.manual_seed(0)
    model = Transformer(Config(99, 40, n_layer=2, n_head=4, n_embd=32, position=position))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 6
    assert torch.equal(generate(model, prompt(), 20), generate(model, prompt(), 20, use_cache=False))
    assert torch.equal(drawn(model, 1), drawn(model, 1, use_cache=False))


def test_a_batch_says_what_its_rows_say_alone(llama):
    model, _ = llama
    text = generate(model, prompt(3), 15)
    assert torch.equal(text, torch.cat([generate(model, row[None], 15) for row in prompt(3)]))


# ---------------------------------------------------------------------------------------------- drawing


def test_the_same_seed_gives_the_same_text_and_another_seed_another(llama):
    model, _ = llama
    assert torch.equal(drawn(model, 1), drawn(model, 1))
    assert not torch.equal(drawn(model, 1), drawn(model, 2))
    assert torch.equal(drawn(model, 1)[:, :6], prompt())


def test_top_1_and_a_temperature_near_zero_are_greedy(llama):
    model, _ = llama
    greedy = generate(model, prompt(), 20)
    assert torch.equal(drawn(model, 1, top_k=1), greedy)
    cold = generate(model, prompt(), 20, temperature=1e-4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(cold, greedy)


def test_drawn_shares_follow_the_probabilities():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).expand(20_000, 4)
    new = choose(logits, 1.0, None, torch.Generator().manual_seed(0))
    shares = torch.bincount(new.flatten(), minlength=4) / len(logits)
    torch.testing.assert_close(shares, logits[0].softmax(-1), atol=0.015, rtol=0)  # about 4 standard errors
    kept = choose(logits, 1.0, 2, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {1, 2}


def test_temperature_one_is_softmax_lower_sharpens_and_higher_flattens():
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(next_token_probabilities(logits), logits.softmax(-1))
    p = [next_token_probabilities(logits, t) for t in (0.25, 0.5, 1.0, 2.0, 8.0)]
    entropy = torch.stack([-(x * x.log()).sum(-1) for x in p])  # (5, 3)
    assert (entropy.diff(dim=0) > 0).all()
    torch.testing.assert_close(p[1], (p[2] ** 2) / (p[2] ** 2).sum(-1, keepdim=True))


@pytest.mark.parametrize("k", [1, 3, 50])
def test_top_k_keeps_the_k_likeliest_in_their_proportions(k):
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    full, kept = logits.softmax(-1), next_token_probabilities(logits, top_k=k)
    likeliest = full.topk(k).indices
    assert ((kept > 0).sum(-1) == k).all()
    torch.testing.assert_close(kept.sum(-1), torch.ones(3))
    expected = full.gather(1, likeliest) / full.gather(1, likeliest).sum(-1, keepdim=True)
    torch.testing.assert_close(kept.gather(1, likeliest), expected)


# ------------------------------------------------------------------------------------- stopping, streaming


def test_text_ends_once_every_row_has_said_stop_and_rows_that_ended_repeat_it(llama):
    model, _ = llama
    free = generate(model, prompt(), 30)
    stop = int(free[0, 8])
    text = generate(model, prompt(), 30, stop=stop)
    for row, expected in zip(text[:, 6:], free[:, 6:], strict=True):
        said = up_to_stop(expected, stop)
        assert up_to_stop(row, stop) == said
        assert (row[len(said) :] == stop).all()
    alone = generate(model, prompt()[:1], 30, stop=stop)
    assert alone.shape[1] <= 9 and alone[0, -1] == stop


def test_stream_yields_what_generate_returns(llama):
    model, _ = llama
    pieces = list(stream(model, prompt(), 7))
    assert [p.shape for p in pieces] == [(2, 1)] * 7
    assert torch.equal(torch.cat(pieces, 1), generate(model, prompt(), 7)[:, 6:])


def test_nothing_more_is_computed_than_what_is_read(llama):
    model, _ = llama
    lengths = []
    handle = model.embed.register_forward_hook(lambda module, inputs, out: lengths.append(inputs[0].shape[1]))
    generate(model, prompt(), 4)
    generate(model, prompt(), 4, use_cache=False)
    handle.remove()
    assert lengths == [6, 1, 1, 1, 6, 7, 8, 9]


def test_zero_new_tokens_give_back_the_prompt(llama):
    assert torch.equal(generate(llama[0], prompt(), 0), prompt())


def test_any_function_from_ids_to_logits_can_write():
    def counter(ids):  # the next number is one more
        return torch.nn.functional.one_hot((ids + 1) % 10, 10).float()

    assert generate(counter, torch.tensor([[7]]), 5).tolist() == [[7, 8, 9, 0, 1, 2]]
    assert generate(counter, torch.tensor([[7]]), 5, stop=9).tolist() == [[7, 8, 9]]


def test_without_a_cache_the_window_slides_past_the_end_of_the_context(llama):
    model, _ = llama
    seen = []
    handle = model.embed.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0].shape[1]))
    text = generate(model, prompt(), 70, use_cache=False)
    handle.remove()
    assert text.shape == (2, 76) and max(seen) == model.block_size == 64
    with torch.no_grad():
        assert torch.equal(text[:, -1], model(text[:, -65:-1])[:, -1].argmax(-1))


def test_generating_leaves_training_mode_as_it_was_and_makes_no_gradients():
    model = Transformer(Config(99, 16, n_layer=1, n_head=2, n_embd=8)).train()
    modes = []
    model.embed.register_forward_hook(
        lambda module, inputs, out: modes.append((module.training, out.requires_grad))
    )
    assert not generate(model, prompt(), 3).is_floating_point() and model.training
    assert set(modes) == {(False, False)}
    with pytest.raises(ValueError, match="do not fit"):
        generate(model, prompt(), 30)
    assert model.training
    assert not generate(model.eval(), prompt(), 3).requires_grad and not model.training


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_that_is_not_positive_has_no_probabilities(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}.*positive"):
        next_token_probabilities(torch.zeros(1, 5), temperature)


def test_a_negative_temperature_is_refused_by_generate(llama):
    with pytest.raises(ValueError, match="temperature is -1"):
        generate(llama[0], prompt(), 3, temperature=-1.0)


@pytest.mark.parametrize("k", [0, -1, 6])
def test_top_k_outside_the_vocabulary_is_refused(k):
    with pytest.raises(ValueError, match=f"top_k is {k}; choose between 1 and the vocabulary's 5"):
        next_token_probabilities(torch.zeros(1, 5), top_k=k)


@pytest.mark.parametrize("bad", [torch.tensor([1, 2]), torch.zeros(1, 0, dtype=torch.long)], ids=str)
def test_a_prompt_without_tokens_or_of_the_wrong_shape_is_refused(llama, bad):
    with pytest.raises(ValueError, match=r"prompt must be ids of shape \(B, T\)"):
        generate(llama[0], bad, 3)


def test_more_tokens_than_the_context_holds_are_refused_before_any_work(llama):
    with pytest.raises(ValueError, match=r"76 tokens do not fit into a context of 64.*use_cache=False"):
        next(stream(llama[0], prompt(), 70))


# ------------------------------------------------------------------------------------- encoder-decoders


@pytest.mark.parametrize("family", ["t5", "t5-gated"])
@pytest.mark.parametrize("seed", [0, 1])
def test_translate_equals_t5s_greedy_generate(family, seed):
    ours, reference = tiny(family, seed)
    source, is_token = prompt(3, 9), torch.arange(9)[None] < torch.tensor([[9], [6], [2]])
    free = translate(ours, source, 20, bos=0, eos=-1, is_token=is_token)
    assert free.shape == (3, 21) and (free[:, 0] == 0).all() and len(free[:, 1:].unique()) > 3
    for eos in (1, int(free[0, 4]), int(free[2, 6])):
        expected = reference.generate(
            source,
            attention_mask=is_token.long(),
            max_new_tokens=20,
            do_sample=False,
            num_beams=1,
            eos_token_id=eos,
            pad_token_id=0,
        )
        text = translate(ours, source, 20, bos=0, eos=eos, is_token=is_token)
        assert text.shape == expected.shape
        for mine, theirs in zip(text, expected, strict=True):
            assert up_to_stop(mine[1:], eos) == up_to_stop(theirs[1:], eos)


def test_translate_reads_the_source_once_and_one_target_token_at_a_time():
    ours, _ = tiny("t5")
    calls = []
    ours.encoder.register_forward_hook(lambda m, inputs, out: calls.append("encoder"))
    ours.decoder.register_forward_hook(lambda m, inputs, out: calls.append(inputs[0].shape[1]))
    translate(ours, prompt(2, 5), 4, bos=0, eos=-1)
    assert calls == ["encoder", 1, 1, 1, 1]


@torch.no_grad()
def test_translate_equals_rereading_everything_at_every_step():
    ours, _ = tiny("t5")
    text = translate(ours, prompt(2, 5), 12, bos=0, eos=-1)
    assert torch.equal(ours(prompt(2, 5), text[:, :-1]).argmax(-1), text[:, 1:])
