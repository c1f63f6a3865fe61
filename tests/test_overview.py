"""The page "Overview": a real model's probabilities, its surprise and its text (`llmbook.overview`)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from llmbook import overview
from llmbook.core import pretrained
from llmbook.overview import CAPITALS, SENTENCES, Speaker, probability_of, share_correct, shuffled

PROMPT = "The capital of France is"
TEXTS = (
    PROMPT,
    "naïve café: 12345 × 6 = ?\n\n\t“Ça va ?” 日本 🙂",
    "Water freezes at a lower temperature when salt is added to it.",
)


@pytest.fixture(scope="module")
def speaker():
    return Speaker.load()


@pytest.fixture(scope="module")
def reference():
    return pretrained.load("smollm2").model


@torch.no_grad()
def reference_log_p(reference, speaker, text):
    return reference(speaker.encode(text)).logits[0].log_softmax(-1)  # (T, V)


@pytest.mark.parametrize("text", TEXTS)
def test_the_next_token_probabilities_are_a_distribution(speaker, text):
    p = speaker.next_probabilities(text)
    assert p.shape == (speaker.model.vocab_size,)
    assert p.min() >= 0
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_next_token_probabilities_equal_those_of_transformers_on_real_weights(speaker, reference, text):
    theirs = reference_log_p(reference, speaker, text)[-1].exp()
    torch.testing.assert_close(speaker.next_probabilities(text), theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("text", TEXTS)
def test_surprise_equals_the_cross_entropy_of_transformers_in_bits(speaker, reference, text):
    ids = speaker.encode(text)
    with torch.no_grad():
        nats = F.cross_entropy(reference(ids).logits[0, :-1], ids[0, 1:], reduction="none")
    torch.testing.assert_close(speaker.surprise(text), nats / math.log(2), atol=1e-3, rtol=1e-4)


def test_surprise_is_the_chain_rule_token_by_token(speaker):
    """Asked for one next token after the other, the model gives the numbers of one pass over the text."""
    text = SENTENCES[1]
    ids, pieces = speaker.encode(text)[0].tolist(), speaker.pieces(text)
    bits = []
    for n in range(1, len(ids)):
        start = "".join(pieces[:n])
        assert speaker.encode(start)[0].tolist() == ids[:n]
        bits.append(-math.log2(float(speaker.next_probabilities(start)[ids[n]])))
    assert speaker.surprise(text).tolist() == pytest.approx(bits, abs=1e-3)


def test_bits_per_byte_is_the_surprise_over_the_bytes_after_the_first_token(speaker):
    text = "The naïve café"
    assert speaker.pieces(text)[0] == "The"
    expected = float(speaker.surprise(text).sum()) / len(" naïve café".encode())
    assert speaker.bits_per_byte(text) == pytest.approx(expected)


def speaker_with_a_start_mark():
    """A tiny random model whose tokenizer, like LLaMA's, puts a mark before every text: one token per byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from llmbook.core.transformer import Config, Transformer

    vocabulary = {c: i for i, c in enumerate(["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    fast = Tokenizer(models.BPE(vocabulary, []))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    torch.manual_seed(0)
    model = Transformer(Config(len(vocabulary), 64, n_layer=1, n_head=2, n_embd=16))
    return Speaker(
        model, PreTrainedTokenizerFast(tokenizer_object=fast, bos_token="<s>"), torch.device("cpu")
    )


def test_a_start_mark_stands_before_the_text_and_nowhere_else():
    speaker = speaker_with_a_start_mark()
    assert speaker.pieces("ab") == ["<s>", "a", "b"]
    p_b = speaker.next_probabilities("a")[speaker.encode("b", start=False)[0, 0]]
    assert probability_of(speaker, "a", "b") == pytest.approx(float(p_b), rel=1e-4)
    likeliest = speaker.tokenizer.decode([int(speaker.next_probabilities("a").argmax())])
    assert share_correct(speaker, [("a", likeliest)]) == 1.0
    assert speaker.bits_per_byte("ab") == pytest.approx(float(speaker.surprise("ab").sum()) / 2)


def test_bits_per_byte_of_a_single_token_says_that_there_is_nothing_to_measure(speaker):
    with pytest.raises(ValueError, match="single token"):
        speaker.bits_per_byte(" Paris")


def test_a_single_token_has_no_surprise_but_a_next_token(speaker):
    assert speaker.surprise(" Paris").shape == (0,)
    assert float(speaker.next_probabilities(" Paris").sum()) == pytest.approx(1, abs=1e-4)


def test_top_lists_the_likeliest_tokens_in_order(speaker):
    top, p = speaker.top(PROMPT, 7), speaker.next_probabilities(PROMPT)
    assert len(top) == 7
    assert list(top.values()) == p.sort(descending=True).values[:7].tolist()
    assert next(iter(top)) == repr(speaker.tokenizer.decode([int(p.argmax())]))


def test_the_tokens_of_a_text_put_together_are_the_text(speaker):
    for text in (*SENTENCES, "x = 3.14", "Ulaanbaatar"):
        assert "".join(speaker.pieces(text)) == text


@pytest.mark.parametrize(
    "call", ["encode", "pieces", "next_probabilities", "top", "surprise", "bits_per_byte", "say"]
)
def test_an_empty_text_is_refused_with_advice(speaker, call):
    with pytest.raises(ValueError, match="empty; give at least one word"):
        getattr(speaker, call)("")


def test_greedy_text_is_what_transformers_writes(speaker, reference):
    ids = speaker.encode("Once upon a time")
    theirs = reference.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8)
    expected = speaker.tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
    assert speaker.say("Once upon a time", 8) == expected


def test_the_same_seed_says_the_same_and_other_seeds_something_else(speaker):
    def say(seed):
        return speaker.say("Once upon a time", 12, temperature=1.0, seed=seed)

    assert say(3) == say(3)
    assert len({say(seed) for seed in range(3)}) > 1


def test_sampling_from_the_likeliest_token_alone_is_greedy(speaker):
    assert speaker.say(PROMPT, 6, temperature=1.5, top_k=1, seed=7) == speaker.say(PROMPT, 6)


def test_say_gives_back_only_what_is_new_and_ends_at_the_end_token(speaker):
    assert not speaker.say(PROMPT, 4).startswith(PROMPT)
    whole = speaker.template("Say hello.")
    answer = speaker.say(whole, 100)
    assert len(speaker.encode(answer)[0]) < 100 and "<|im_end|>" not in answer
    assert speaker.chat("Say hello.", 100) == answer.strip()


def test_a_prompt_and_new_tokens_that_do_not_fit_the_context_are_refused(speaker):
    with pytest.raises(ValueError, match="do not fit into a context"):
        speaker.say(PROMPT, speaker.model.block_size)


def test_the_chat_template_puts_the_message_between_its_markers(speaker):
    text = speaker.template("Why is the sky blue?")
    assert "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n" in text
    assert text.endswith("<|im_start|>assistant\n")
    ids = speaker.encode(text)[0]
    marker = speaker.tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert int((ids == marker).sum()) == text.count("<|im_start|>")  # each marker is one token


def test_shuffling_keeps_the_words_and_moves_them(speaker):
    for text in SENTENCES:
        assert sorted(shuffled(text, 1).split()) == sorted(text.split())
        assert shuffled(text, 1) == shuffled(text, 1)
        assert len({shuffled(text, seed) for seed in range(5)}) > 1
    assert shuffled("") == "" and shuffled("one") == "one"


def test_words_out_of_order_are_more_surprising(speaker):
    for text in SENTENCES[:3]:
        assert speaker.surprise(shuffled(text)).mean() > speaker.surprise(text).mean()


def test_the_probability_of_a_continuation_is_the_product_over_its_tokens(speaker):
    p = speaker.next_probabilities(PROMPT)
    assert probability_of(speaker, PROMPT, " Paris") == pytest.approx(float(p.max()), rel=1e-4)
    text, product = PROMPT, 1.0
    for piece in speaker.pieces(" Kathmandu"):  # one token after the other
        product *= float(speaker.next_probabilities(text)[speaker.encode(piece)[0, 0]])
        text += piece
    assert len(speaker.pieces(" Kathmandu")) > 1
    assert probability_of(speaker, PROMPT, " Kathmandu") == pytest.approx(product, rel=1e-3)


def test_the_share_of_right_answers_counts_likeliest_tokens(speaker):
    likeliest = speaker.tokenizer.decode([int(speaker.next_probabilities(PROMPT).argmax())])
    assert share_correct(speaker, [(PROMPT, likeliest)]) == 1.0
    assert share_correct(speaker, [(PROMPT, likeliest), (PROMPT, " Rome")]) == 0.5


def test_no_capital_is_named_in_its_own_question():
    assert len(CAPITALS) == 20
    for question, answer in CAPITALS:
        assert answer.startswith(" ") and answer.strip() not in question


def test_a_model_that_does_not_continue_text_is_refused(monkeypatch):
    tiny = pretrained.tiny_reference("t5")
    monkeypatch.setattr(
        pretrained, "weights", lambda name: (tiny.state_dict(), tiny.config.to_dict(), object())
    )
    with pytest.raises(ValueError, match="encoder-decoder"):
        overview.Speaker.load("t5-tiny")
