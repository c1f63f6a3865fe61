"""The page "Overview": a real model's probabilities, its surprise and its text (`llmbook.overview`)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from llmbook import overview
from llmbook.core.models import pretrained
from llmbook.core.models.lm import LanguageModel
from llmbook.overview import CAPITALS, SENTENCES, share_correct, shuffled

PROMPT = "The capital of France is"
TEXTS = (
    PROMPT,
    "naïve café: 12345 × 6 = ?\n\n\t“Ça va ?” 日本 🙂",
    "Water freezes at a lower temperature when salt is added to it.",
)


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


@pytest.fixture(scope="module")
def reference():
    return pretrained.load("smollm2").model


@torch.no_grad()
def reference_log_p(reference, lm, text):
    return reference(lm.encode(text)).logits[0].log_softmax(-1)  # (T, V)


@pytest.mark.parametrize("text", TEXTS)
def test_the_next_token_probabilities_are_a_distribution(lm, text):
    p = lm.next_probabilities(text)
    assert p.shape == (lm.model.vocab_size,)
    assert p.min() >= 0
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_next_token_probabilities_equal_those_of_transformers_on_real_weights(lm, reference, text):
    theirs = reference_log_p(reference, lm, text)[-1].exp()
    torch.testing.assert_close(lm.next_probabilities(text), theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("text", TEXTS)
def test_surprise_equals_the_cross_entropy_of_transformers_in_bits(lm, reference, text):
    ids = lm.encode(text)
    with torch.no_grad():
        nats = F.cross_entropy(reference(ids).logits[0, :-1], ids[0, 1:], reduction="none")
    torch.testing.assert_close(lm.surprise(text), nats / math.log(2), atol=1e-3, rtol=1e-4)


def test_surprise_is_the_chain_rule_token_by_token(lm):
    """Asked for one next token after the other, the model gives the numbers of one pass over the text."""
    text = SENTENCES[1]
    ids, pieces = lm.encode(text)[0].tolist(), lm.pieces(text)
    bits = []
    for n in range(1, len(ids)):
        start = "".join(pieces[:n])
        assert lm.encode(start)[0].tolist() == ids[:n]
        bits.append(-math.log2(float(lm.next_probabilities(start)[ids[n]])))
    assert lm.surprise(text).tolist() == pytest.approx(bits, abs=1e-3)


def test_bits_per_byte_is_the_surprise_over_the_bytes_after_the_first_token(lm):
    text = "The naïve café"
    assert lm.pieces(text)[0] == "The"
    expected = float(lm.surprise(text).sum()) / len(" naïve café".encode())
    assert lm.bits_per_byte(text) == pytest.approx(expected)


def lm_with_a_start_mark():
    """A tiny random model whose tokenizer, like LLaMA's, puts a mark before every text: one token per byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from llmbook.core.models.config import Config
    from llmbook.core.models.transformer import Transformer

    vocabulary = {c: i for i, c in enumerate(["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    fast = Tokenizer(models.BPE(vocabulary, []))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    torch.manual_seed(0)
    model = Transformer(Config(len(vocabulary), 64, n_layer=1, n_head=2, n_embd=16))
    return LanguageModel(
        model, PreTrainedTokenizerFast(tokenizer_object=fast, bos_token="<s>"), torch.device("cpu")
    )


def test_a_start_mark_stands_before_the_text_and_nowhere_else():
    lm = lm_with_a_start_mark()
    assert lm.pieces("ab") == ["<s>", "a", "b"]
    likeliest = lm.tokenizer.decode([int(lm.next_probabilities("a").argmax())])
    assert share_correct(lm, [("a", likeliest)]) == 1.0
    assert lm.bits_per_byte("ab") == pytest.approx(float(lm.surprise("ab").sum()) / 2)


def test_tokens_that_are_written_alike_are_listed_each_by_itself_and_the_rest_is_the_rest():
    """Parts of a character all read U+FFFD; of this model's tokens half are such."""
    lm = lm_with_a_start_mark()
    hot = overview.at_temperatures(lm, "ab", [0.7, 1.0], k=60)
    mass = float(lm.next_probabilities("ab").topk(60).values.sum())
    assert all(len(h.top) == 60 for h in hot.values()) and hot[1.0].rest == pytest.approx(1 - mass, abs=1e-5)
    assert list(hot[1.0].top) == list(hot[0.7].top)
    with pytest.raises(ValueError, match=f"k is 999; give 1 to {lm.model.vocab_size}"):
        overview.at_temperatures(lm, "ab", [1.0], k=999)


def test_bits_per_byte_of_a_single_token_says_that_there_is_nothing_to_measure(lm):
    with pytest.raises(ValueError, match="single token"):
        lm.bits_per_byte(" Paris")


def test_a_single_token_has_no_surprise_but_a_next_token(lm):
    assert lm.surprise(" Paris").shape == (0,)
    assert float(lm.next_probabilities(" Paris").sum()) == pytest.approx(1, abs=1e-4)


def test_top_lists_the_likeliest_tokens_in_order(lm):
    top, p = lm.top(PROMPT, 7), lm.next_probabilities(PROMPT)
    assert len(top) == 7
    assert list(top.values()) == p.sort(descending=True).values[:7].tolist()
    assert next(iter(top)) == repr(lm.tokenizer.decode([int(p.argmax())]))


def test_the_tokens_of_a_text_put_together_are_the_text(lm):
    for text in (*SENTENCES, "x = 3.14", "Ulaanbaatar"):
        assert "".join(lm.pieces(text)) == text


@pytest.mark.parametrize(
    "call", ["encode", "pieces", "next_probabilities", "top", "surprise", "bits_per_byte", "complete"]
)
def test_an_empty_text_is_refused_with_advice(lm, call):
    with pytest.raises(ValueError, match="empty; give at least one word"):
        getattr(lm, call)("")


def test_greedy_text_is_what_transformers_writes(lm, reference):
    ids = lm.encode("Once upon a time")
    theirs = reference.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8)
    expected = lm.tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
    assert lm.complete("Once upon a time", 8) == expected


def test_the_same_seed_says_the_same_and_other_seeds_something_else(lm):
    def say(seed):
        return lm.complete("Once upon a time", 12, temperature=1.0, seed=seed)

    assert say(3) == say(3)
    assert len({say(seed) for seed in range(3)}) > 1


def test_sampling_from_the_likeliest_token_alone_is_greedy(lm):
    assert lm.complete(PROMPT, 6, temperature=1.5, top_k=1, seed=7) == lm.complete(PROMPT, 6)


def test_say_gives_back_only_what_is_new_and_ends_at_the_end_token(lm):
    assert not lm.complete(PROMPT, 4).startswith(PROMPT)
    whole = lm.chat_prompt("Say hello.")
    answer = lm.complete(whole, 100)
    assert len(lm.encode(answer)[0]) < 100 and "<|im_end|>" not in answer
    assert lm.chat("Say hello.", 100) == answer.strip()


def test_a_prompt_and_new_tokens_that_do_not_fit_the_context_are_refused(lm):
    with pytest.raises(ValueError, match="do not fit into a context"):
        lm.complete(PROMPT, lm.model.block_size)


def test_the_chat_template_puts_the_message_between_its_markers(lm):
    text = lm.chat_prompt("Why is the sky blue?")
    assert "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n" in text
    assert text.endswith("<|im_start|>assistant\n")
    ids = lm.encode(text)[0]
    marker = lm.tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert int((ids == marker).sum()) == text.count("<|im_start|>")  # each marker is one token


def test_shuffling_keeps_the_words_and_moves_them(lm):
    for text in SENTENCES:
        assert sorted(shuffled(text, 1).split()) == sorted(text.split())
        assert shuffled(text, 1) == shuffled(text, 1)
        assert len({shuffled(text, seed) for seed in range(5)}) > 1
    assert shuffled("") == "" and shuffled("one") == "one"


def test_words_out_of_order_are_more_surprising(lm):
    for text in SENTENCES[:3]:
        assert lm.surprise(shuffled(text)).mean() > lm.surprise(text).mean()


def test_the_share_of_right_answers_counts_likeliest_tokens(lm):
    likeliest = lm.tokenizer.decode([int(lm.next_probabilities(PROMPT).argmax())])
    assert share_correct(lm, [(PROMPT, likeliest)]) == 1.0
    assert share_correct(lm, [(PROMPT, likeliest), (PROMPT, " Rome")]) == 0.5


def test_no_capital_is_named_in_its_own_question():
    assert len(CAPITALS) == 20
    for question, answer in CAPITALS:
        assert answer.startswith(" ") and answer.strip() not in question


def test_a_model_that_does_not_continue_text_is_refused(monkeypatch):
    tiny = pretrained.tiny_reference("t5")
    monkeypatch.setattr(
        pretrained, "load_state", lambda name: (tiny.state_dict(), tiny.config.to_dict(), object())
    )
    with pytest.raises(ValueError, match="encoder-decoder"):
        overview.LanguageModel.load("t5-tiny")


# ------------------------------------------------------------------------------------------ bad input, seeds


@pytest.mark.parametrize("questions", [[], "ab", [("", " a")], [("a", "")]])
def test_questions_that_are_none_are_refused(questions):
    with pytest.raises(ValueError, match="questions must be a list of pairs"):
        share_correct(lm_with_a_start_mark(), questions)


def test_another_seed_is_another_order():
    text = "one two three four five six seven eight"
    assert len({shuffled(text, seed) for seed in range(10)}) > 5
    assert text not in {shuffled(text, seed) for seed in range(3)}


def test_a_drawn_text_keeps_to_the_k_likeliest_tokens_and_their_probabilities_are_the_models():
    lm = lm_with_a_start_mark()
    for p in lm.model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    p = lm.next_probabilities("ab")
    top = lm.top("ab", 3)
    assert list(top.values()) == p.sort(descending=True).values[:3].tolist() and sum(top.values()) < 1
    drawn = {lm.complete("ab", 1, temperature=5.0, seed=seed, top_k=3) for seed in range(40)}
    wide = {lm.complete("ab", 1, temperature=5.0, seed=seed) for seed in range(40)}
    likeliest = {lm.tokenizer.decode([i], skip_special_tokens=True) for i in p.topk(3).indices.tolist()}
    assert drawn <= likeliest and len(wide) > 3


def test_a_continuation_ends_where_the_model_says_that_it_ends():
    lm = lm_with_a_start_mark()
    for p in lm.model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ids = lm.encode("ab")[0].tolist()
    for _ in range(20):  # greedy, a token at a time
        with torch.no_grad():
            ids.append(int(lm.model(torch.tensor([ids]))[0, -1].argmax()))
    said = ids[3:]
    assert lm.complete("ab", 20) == lm.tokenizer.decode(said, skip_special_tokens=True)
    end = max(said.index(i) for i in set(said))  # the last token that comes as something new
    assert 0 < end < 19
    lm.tokenizer.eos_token = lm.tokenizer.convert_ids_to_tokens(said[end])
    with_and_without = (lm.tokenizer.decode(said[:n], skip_special_tokens=True) for n in (end, end + 1))
    assert lm.complete("ab", 20) in with_and_without  # whether the end is spelled is the tokenizer's affair
