"""Text one token at a time, against transformers' `generate`: `llmbook.core.models.generation`."""

import copy
import math
from dataclasses import replace

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
from llmbook.core.models.lm import LanguageModel
from llmbook.core.models.prompts import left_pad
from llmbook.core.models.transformer import EncoderDecoder, Transformer


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


# ------------------------------------------------------------------------------- prompts of different lengths

UNEQUAL = [[7, 3, 9, 12, 4, 8, 5], [60], [33, 2, 71, 5]]


def padded(side):
    ids, is_token = torch.full((3, 7), 98), torch.zeros(3, 7, dtype=torch.bool)
    for i, p in enumerate(UNEQUAL):
        where = slice(7 - len(p), 7) if side == "left" else slice(0, len(p))
        ids[i, where], is_token[i, where] = torch.tensor(p), True
    return ids, is_token


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_batch_of_three_unequal_prompts_equals_three_singles(family, use_cache):
    model, _ = tiny(family)
    singles = [generate(model, torch.tensor([p]), 15, use_cache=use_cache)[0].tolist() for p in UNEQUAL]
    assert generate(model, UNEQUAL, 15, use_cache=use_cache) == singles
    assert len({i for row in singles for i in row[7:]}) > 8  # they say more than one word
    for side in ("left", "right"):
        ids, is_token = padded(side)
        text = generate(model, ids, 15, is_token=is_token, use_cache=use_cache)
        assert text[:, 7:].tolist() == [row[-15:] for row in singles]
        if side == "left":
            assert torch.equal(text[:, :7], ids)


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "relative", "none"])
def test_unequal_prompts_go_on_as_alone_with_every_kind_of_position(position):
    torch.manual_seed(0)
    model = Transformer(Config(99, 40, n_layer=2, n_head=4, n_kv_head=2, n_embd=32, position=position))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 6
    singles = [generate(model, [p], 20)[0] for p in UNEQUAL]
    assert generate(model, UNEQUAL, 20) == generate(model, UNEQUAL, 20, use_cache=False) == singles


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_left_padded_prompts_give_transformers_text_stop_included(family):
    ours, reference = tiny(family)
    ids, is_token = padded("left")
    stop = generate(ours, UNEQUAL, 10)[2][-6]
    expected = reference.generate(ids, attention_mask=is_token.long(), max_new_tokens=30, do_sample=False,
                                  eos_token_id=stop, pad_token_id=stop)  # fmt: skip
    assert torch.equal(generate(ours, ids, 30, is_token=is_token, stop=stop), expected)


def test_each_row_of_a_list_ends_with_its_own_stop(llama):
    model, _ = llama
    free = generate(model, UNEQUAL, 30)
    stop = free[1][1 + 3]
    rows = generate(model, UNEQUAL, 30, stop=stop)
    assert rows == [generate(model, [p], 30, stop=stop)[0] for p in UNEQUAL]
    for p, row, whole in zip(UNEQUAL, rows, free, strict=True):
        assert row == p + up_to_stop(torch.tensor(whole[len(p) :]), stop)
    assert len({len(row) - len(p) for p, row in zip(UNEQUAL, rows, strict=True)}) > 1


def test_unequal_prompts_slide_past_the_end_of_the_context_as_alone(llama):
    model, _ = llama
    text = generate(model, UNEQUAL, 70, use_cache=False)
    assert text == [generate(model, [p], 70, use_cache=False)[0] for p in UNEQUAL]
    assert len(text[0]) == 77


def test_a_model_that_cannot_skip_padding_refuses_unequal_prompts_and_takes_equal_ones():
    def counter(ids):
        return torch.nn.functional.one_hot((ids + 1) % 10, 10).float()

    assert generate(counter, [[7, 1], [2, 3]], 2) == [[7, 1, 2, 3], [2, 3, 4, 5]]
    with pytest.raises(ValueError, match="cannot skip padding: give prompts of one length"):
        generate(counter, [[7], [2, 3]], 2)


def test_ids_of_bytes_are_a_prompt(llama):
    model, _ = llama
    assert torch.equal(generate(model, prompt().to(torch.uint8), 5), generate(model, prompt(), 5))


# ------------------------------------------------------------------------------------- logits processors


@pytest.mark.parametrize("use_cache", [True, False])
def test_transformers_logits_processors_do_here_what_they_do_there(llama, use_cache):
    from transformers import (
        LogitsProcessorList,
        NoRepeatNGramLogitsProcessor,
        RepetitionPenaltyLogitsProcessor,
    )

    ours, reference = llama
    both = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.7), NoRepeatNGramLogitsProcessor(2)])
    ids, is_token = padded("left")
    expected = reference.generate(ids, attention_mask=is_token.long(), max_new_tokens=25, do_sample=False,
                                  eos_token_id=None, pad_token_id=0, logits_processor=both)  # fmt: skip
    text = generate(ours, ids, 25, is_token=is_token, logits_processor=both, use_cache=use_cache)
    assert torch.equal(text, expected)
    assert not torch.equal(text, generate(ours, ids, 25, is_token=is_token))


def test_a_logits_processor_sees_all_ids_and_raw_logits_before_temperature_and_top_k(llama):
    model, _ = llama
    seen = []

    def second_best(ids, logits):
        with torch.no_grad():
            expected = model(ids)[:, -1]
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
        seen.append(ids.shape)
        return logits.scatter(1, logits.argmax(1, keepdim=True), -math.inf)

    text = drawn(
        model, 0, top_k=1, logits_processor=second_best
    )  # temperature 1: only the second best is left
    assert torch.equal(text, generate(model, prompt(), 20, logits_processor=second_best))
    assert seen == [(2, 6 + i) for i in range(20)] * 2
    with torch.no_grad():
        for i in range(6, 26):
            assert torch.equal(text[:, i], model(text[:, :i])[:, -1].topk(2).indices[:, 1])


def test_a_logits_processor_serves_translate_too():
    ours, _ = tiny("t5")
    only = lambda ids, logits: torch.full_like(logits, -1.0).index_fill(1, torch.tensor([5]), 0.0)  # noqa: E731
    assert translate(ours, prompt(), 3, bos=0, eos=1, logits_processor=only).tolist() == [[0, 5, 5, 5]] * 2


@pytest.mark.parametrize("wrong", [lambda ids, logits: None, lambda ids, logits: logits[:, 1:]])
def test_a_logits_processor_that_returns_no_logits_is_refused(llama, wrong):
    with pytest.raises(ValueError, match=r"logits_processor must return logits \(2, 99\); it returned"):
        generate(llama[0], prompt(), 2, logits_processor=wrong)


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


@pytest.mark.parametrize("use_cache", [True, False])
def test_only_the_last_position_goes_through_the_output_layer(llama, use_cache):
    model, _ = llama
    rows = []
    handle = model.head.register_forward_hook(lambda module, inputs, out: rows.append(inputs[0].shape[1]))
    generate(model, prompt(), 3, use_cache=use_cache)
    handle.remove()
    assert rows == [1, 1, 1]


class Noisy(torch.nn.Module):
    """The next number is one more, unless it is training: then dropout takes all."""

    def __init__(self):
        super().__init__()
        self.drop, self.frozen = torch.nn.Dropout(1.0), torch.nn.Dropout(1.0).eval()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, ids):
        logits = torch.nn.functional.one_hot((ids + 1) % 10, 10).float()
        return self.drop(self.frozen(logits * self.scale))


def modes(model):
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("use", [lambda m: list(stream(m, [[7]], 3)), lambda m: generate(m, [[7]], 3)])
def test_a_model_in_training_writes_without_dropout_and_trains_on_afterwards(use):
    model = Noisy().train()
    model.frozen.eval()
    before = modes(model)
    assert [int(i) for row in use(model) for i in row][-3:] == [8, 9, 0]
    assert modes(model) == before == [True, True, False]


def test_stopping_early_leaves_the_mode_as_it_was_even_while_the_stream_is_held():
    model = Noisy().train()
    model.frozen.eval()
    held = stream(model, [[7]], 3)
    assert int(next(held)) == 8 and modes(model) == [True, True, False]
    for new in stream(model, [[7]], 3):
        assert int(new) == 8 and torch.is_grad_enabled()
        break
    assert modes(model) == [True, True, False]
    model.eval()  # by somebody else, while the stream is held
    assert int(next(held)) == 9 and modes(model) == [False] * 3


def test_an_error_inside_leaves_the_mode_as_it_was():
    model = Noisy().train()
    model.drop.forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        generate(model, [[7]], 3)
    assert model.training and model.drop.training


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
    with pytest.raises(
        ValueError, match=r"the prompt must be .*integers of shape \(B, T\)|prompt holds 0 tokens"
    ):
        generate(llama[0], bad, 3)


BAD_OPTIONS = [
    *({"temperature": t} for t in (-1.0, math.nan, math.inf, -math.inf, "hot", True, None)),
    *({"top_k": k} for k in (0, -1, 100, 2.5, True)),
    *({"max_new_tokens": n} for n in (-1, 2.0, True, None, "7")),
]


@pytest.mark.parametrize("bad", BAD_OPTIONS, ids=str)
def test_options_out_of_range_are_named_before_any_work(bad):
    for family in ("llama", "t5"):
        model, work = tiny(family)[0], []
        model.embed.register_forward_hook(lambda module, inputs, out, work=work: work.append(1))
        options = {"max_new_tokens": 3, **bad}
        calls = [lambda: stream(model, prompt(), **options), lambda: generate(model, UNEQUAL, **options)]  # noqa: B023
        if family == "t5":
            calls = [lambda: translate(model, prompt(), bos=0, eos=1, **options)]  # noqa: B023
        (name, value), *_ = bad.items()
        for call in calls:
            with pytest.raises(ValueError, match=f"{name} is {value!r}; "):
                call()
        assert not work


def test_numbers_of_numpy_are_numbers(llama):
    import numpy as np

    model, _ = llama
    generator = torch.Generator().manual_seed(1)
    text = generate(
        model, prompt(), np.int64(20), temperature=np.float32(1.0), top_k=np.int64(5), generator=generator
    )
    assert torch.equal(text, drawn(model, 1, top_k=5))


def test_ids_outside_the_vocabulary_are_refused_before_any_work(llama):
    with pytest.raises(ValueError, match="the prompt run from 3 to 99, but the vocabulary is 0 to 98"):
        stream(llama[0], [[3, 99]], 3)


def test_more_tokens_than_the_context_holds_are_refused_before_any_work(llama):
    with pytest.raises(ValueError, match=r"76 tokens do not fit into a context of 64.*use_cache=False"):
        stream(llama[0], prompt(), 70)
    t5, _ = tiny("t5")
    for source, n in ((prompt(1, 6), 513), (prompt(1, 513), 6)):
        with pytest.raises(ValueError, match="new tokens do not fit into a context of 512"):
            translate(t5, source, n, bos=0, eos=1)


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


@pytest.mark.parametrize("family", ["t5", "t5-gated"])
def test_translating_unequal_sources_together_equals_translating_them_alone(family):
    ours, _ = tiny(family)
    eos = translate(ours, UNEQUAL, 12, bos=0, eos=-1)[1][4]
    alone = [translate(ours, [p], 12, bos=0, eos=eos)[0] for p in UNEQUAL]
    assert translate(ours, UNEQUAL, 12, bos=0, eos=eos) == alone
    assert translate(ours, UNEQUAL, 12, bos=0, eos=eos, use_cache=False) == alone
    assert alone[1][-1] == eos and len({len(row) for row in alone}) > 1
    for side in ("left", "right"):
        ids, is_token = padded(side)
        text = translate(ours, ids, 12, bos=0, eos=eos, is_token=is_token)
        assert [[0, *up_to_stop(row[1:], eos)] for row in text] == alone


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "relative"])
def test_translating_unequal_sources_together_works_with_every_kind_of_position(position):
    torch.manual_seed(0)
    config = Config(99, 40, n_layer=2, n_head=4, n_embd=32, position=position)
    model = EncoderDecoder(replace(config, n_encoder_layer=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 6
    alone = [translate(model, [p], 12, bos=0, eos=-1)[0] for p in UNEQUAL]
    assert translate(model, UNEQUAL, 12, bos=0, eos=-1) == alone


# ----------------------------------------------------------------------------------------- real weights

TEXTS = ["The capital of France is", "Once upon a time there was a little girl who", "2, 4, 6,"]


@pytest.fixture(scope="module")
def smollm2():
    return LanguageModel.load("smollm2")


def test_smollm2_continues_three_unequal_prompts_together_as_alone(smollm2):
    prompts = [smollm2.encode(text)[0].tolist() for text in TEXTS]
    assert len({len(p) for p in prompts}) == 3
    alone = [generate(smollm2.model, [p], 12)[0] for p in prompts]
    assert generate(smollm2.model, prompts, 12) == alone
    assert generate(smollm2.model, prompts, 4, use_cache=False) == [
        row[: len(p) + 4] for p, row in zip(prompts, alone, strict=True)
    ]
    assert smollm2.complete(TEXTS, 12) == [smollm2.complete(text, 12) for text in TEXTS]


@torch.no_grad()
def test_smollm2_in_bfloat16_says_what_it_says_in_float32(smollm2, parity_report):
    """bfloat16 rounds each step by up to 0.4 %; over 30 layers that adds up to a few per cent of the logits."""
    half = LanguageModel(copy.deepcopy(smollm2.model).to(torch.bfloat16), smollm2.tokenizer, smollm2.device)
    prompts = [smollm2.encode(text)[0].tolist() for text in TEXTS]
    ids, is_token = left_pad(prompts)
    exact, rounded = (m.model(ids, is_token=is_token)[is_token] for m in (smollm2, half))
    difference = float((rounded - exact).abs().max() / exact.abs().max())
    together = generate(half.model, prompts, 8)
    alone = [generate(half.model, [p], 8)[0] for p in prompts]
    expected = generate(smollm2.model, prompts, 8)
    new = [(a[-8:], b[-8:], c[-8:]) for a, b, c in zip(together, alone, expected, strict=True)]
    same = sum(x == z for a, _, c in new for x, z in zip(a, c, strict=True)) / 24
    parity_report(
        f"SmolLM2-135M in bfloat16: relative logit difference {difference:.1e}, same greedy tokens {same:.0%}"
    )
    assert rounded.dtype == torch.bfloat16 and 0 < difference < 0.08
    assert all(a[0] == b[0] == c[0] for a, b, c in new)
    assert same > 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_translation_says_nothing_after_its_end(seed):
    """Rows end at different times; one that has ended is filled up with <eos> (or padding), not with words."""
    ours, _ = tiny("t5", seed)
    source = prompt(4, 9, seed)
    free = translate(ours, source, 20, bos=0, eos=-1)
    eos, filled = int(free[0, 3]), 0
    text = translate(ours, source, 20, bos=0, eos=eos)
    for row, expected in zip(text[:, 1:], free[:, 1:], strict=True):
        said = up_to_stop(expected, eos)
        assert row[: len(said)].tolist() == said
        rest = row[len(said) :].tolist()
        assert set(rest) <= {eos, 0} and len(set(rest)) <= 1
        filled += len(rest)
    assert filled > 0
