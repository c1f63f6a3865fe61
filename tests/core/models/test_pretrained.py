"""Loading, and what happens when files are missing or damaged: `llmbook.core.models.pretrained`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from llmbook.core.models import pretrained
from llmbook.core.run import artefacts
from llmbook.core.run.artefacts import Artefact
from llmbook.core.text import cards, packaged

TEXT = "The capital of France is Paris. In 1984, George Orwell wrote:\n\n  'naïve'  12345 + 6\t= 12351 🙂"


@pytest.fixture(scope="module")
def smollm2():
    return pretrained.load("smollm2")


@pytest.fixture(scope="module")
def minilm():
    return pretrained.load("minilm")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network was asked for")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)


def make_tiny(folder: Path, seed: int = 0) -> None:
    """A random two-layer LLaMA with a byte-sized vocabulary, saved as a real model is."""
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    vocabulary = {chr(97 + i): i for i in range(26)} | {"[UNK]": 26}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")), unk_token="[UNK]"
    )
    tokenizer.save_pretrained(folder)


# ---- the real models --------------------


def test_loading_the_packaged_models_asks_no_network(no_network):
    assert pretrained.load("smollm2").name == "smollm2"
    assert pretrained.load("minilm").name == "minilm"


def test_smollm2_is_complete_in_evaluation_mode_and_tied(smollm2):
    model = smollm2.model
    assert not model.training and smollm2.card is cards.SMOLLM2
    assert sum(p.numel() for p in model.parameters()) == 134_515_008  # as published for SmolLM2-135M
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert smollm2.config.tie_word_embeddings and len(smollm2.tokenizer) == smollm2.config.vocab_size == 49152


def test_smollm2_knows_the_capital_of_france(smollm2):
    chat = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    inputs = smollm2.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    answer = smollm2.model.generate(**inputs, max_new_tokens=8, do_sample=False)
    assert "Paris" in smollm2.tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :])


def test_the_chat_template_is_the_published_one(smollm2):
    text = smollm2.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert text == (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_tokens_spell_the_text_again_and_each_digit_stands_alone(smollm2):
    ids = smollm2.tokenizer(TEXT).input_ids
    assert smollm2.tokenizer.decode(ids) == TEXT
    pieces = [smollm2.tokenizer.decode(i) for i in smollm2.tokenizer("x  12345").input_ids]
    assert pieces == [
        "x",
        "  ",
        "1",
        "2",
        "3",
        "4",
        "5",
    ]  # not "x", " ", " ", ...: digits are split off first
    assert smollm2.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]) == [1, 2]


def test_the_cache_equals_the_gguf_file_weight_by_weight(smollm2):
    """The direct path takes 15 s, so weights are compared bit by bit: equal weights make equal logits."""
    import gguf

    reader = gguf.GGUFReader(packaged.verify(cards.SMOLLM2) / cards.SMOLLM2.files)
    state, config, _ = pretrained.load_state("smollm2")
    seen = 0
    for tensor in reader.tensors:
        value = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        name, heads = _our_name(tensor.name), {"q": 9, "k": 3}.get(tensor.name.split("attn_")[-1][:1], 0)
        if heads and "attn_norm" not in tensor.name:  # GGUF interleaves rotary pairs; transformers has halves
            value = value.view(heads, 32, 2, 576).transpose(1, 2).reshape(heads * 64, 576)
        assert torch.equal(value.float(), state[name]), name
        seen += 1
    assert seen == len(state) == 272 and config["rope_parameters"]["rope_theta"] == 100_000


def _our_name(name: str) -> str:
    for old, new in {
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
        "blk.": "model.layers.",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }.items():
        name = name.replace(old, new)
    return name


def test_weights_are_those_of_the_model_and_the_tied_matrix_is_stored_once(smollm2):
    state, config, tokenizer = pretrained.load_state("smollm2")
    model = smollm2.model.state_dict()
    assert "lm_head.weight" not in state and set(model) - set(state) == {"lm_head.weight"}
    for name in ("model.embed_tokens.weight", "model.layers.29.mlp.down_proj.weight"):
        assert torch.equal(state[name], model[name])
    assert config["num_key_value_heads"] == 3 and tokenizer(TEXT) == smollm2.tokenizer(TEXT)


def test_training_a_loaded_model_never_touches_the_cache(smollm2):
    folder = pretrained.prepare("smollm2")
    state, _, _ = pretrained.load_state("smollm2")
    model = pretrained.load("smollm2").model
    with torch.no_grad():
        state["model.norm.weight"].add_(1)
        model.model.norm.weight.add_(1)
    artefacts._known_sound.clear()
    assert artefacts.is_sound(folder, pretrained.SMOLLM2.key)
    assert not torch.equal(model.model.norm.weight, smollm2.model.model.norm.weight)


def test_eager_attention_returns_weights_that_sum_to_one_and_agrees_with_sdpa(smollm2):
    eager = pretrained.load("smollm2", attn="eager").model
    ids = smollm2.tokenizer("Real weights", return_tensors="pt").input_ids
    with torch.inference_mode():
        out, fast = eager(ids, output_attentions=True), smollm2.model(ids)
    assert len(out.attentions) == 30 and out.attentions[0].shape == (1, 9, ids.shape[1], ids.shape[1])
    assert torch.allclose(out.attentions[3].sum(-1), torch.ones(()), atol=1e-5)
    assert torch.allclose(out.logits, fast.logits, atol=1e-3)


def test_sentence_embeddings_are_unit_vectors_and_order_meanings(minilm):
    sentences = [
        "A cat sits on the mat.",
        "A kitten is sitting on a rug.",
        "Interest rates rose again.",
        "猫",
    ]
    vectors = pretrained.sentence_embeddings(minilm, sentences)
    assert vectors.shape == (4, 384) and torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-6)
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2] + 0.3


def test_an_embedding_does_not_depend_on_its_neighbours_in_the_batch(minilm):
    sentences = ["Short.", "A rather longer sentence, so that the first one is padded.", ""]
    together = pretrained.sentence_embeddings(minilm, sentences)
    singly = pretrained.sentence_embeddings(minilm, sentences, batch_size=1)
    assert torch.allclose(together, singly, atol=1e-6)
    assert pretrained.sentence_embeddings(minilm, ["word " * 2000]).shape == (1, 384)


@pytest.mark.parametrize("sentences", ["one string", []])
def test_embedding_a_bare_string_or_nothing_is_refused(minilm, sentences):
    with pytest.raises(ValueError, match="non-empty list"):
        pretrained.sentence_embeddings(minilm, sentences)


def test_loading_writes_nothing_to_the_screen():
    code = "from llmbook.core.models.pretrained import load, load_state; load('minilm'); load(); load_state('minilm')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env())
    assert done.stdout == done.stderr == ""


def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(pretrained.__file__).parents[3])}


# ---- the converted weights of SmolLM2 --------------------


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path))
    return Artefact("tiny", make_tiny).get()


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def test_damaged_weights_of_smollm2_are_converted_again_on_load(monkeypatch, tmp_path):
    """The whole way through `load`, with a small model in the real one's place."""
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(pretrained, "SMOLLM2", Artefact("smollm2", make_tiny))
    first = {name: value.clone() for name, value in pretrained.load_state("smollm2")[0].items()}
    time.sleep(0.02)  # longer than the clock tick of a file's time stamp
    flip_a_bit(pretrained.SMOLLM2.folder / "model.safetensors")
    again = pretrained.load("smollm2").model.state_dict()
    assert len(first) > 10 and all(torch.equal(first[name], again[name]) for name in first)


def test_a_bit_flipped_in_a_copy_of_the_real_weights_is_noticed(tmp_path):
    key = pretrained.SMOLLM2.key
    copy = Path(shutil.copytree(pretrained.prepare("smollm2"), tmp_path / "copy"))
    try:
        assert artefacts.is_sound(copy, key)
        with open(copy / "model.safetensors", "r+b") as file:
            file.seek(269_000_000)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
        assert not artefacts.is_sound(copy, key)
    finally:
        shutil.rmtree(copy)  # 540 MB


def test_weights_of_older_conversion_code_are_not_asked_for(tmp_path):
    """Without the step that sets digits apart, as without anything else of the conversion, the key is another one."""
    source = Path(pretrained.__file__).parents[2]
    package = shutil.copytree(source, tmp_path / "llmbook", ignore=shutil.ignore_patterns("__pycache__"))
    module = package / "core" / "models" / "pretrained.py"
    code = module.read_text()
    keys = []
    for old, new in (
        ("# the template stands in the configuration", "# anything"),
        ("Digits(individual_digits=True), ", ""),
        ("dtype=torch.float32, **where", "dtype=torch.float16, **where"),
        ("HF_HUB_OFFLINE", "HF_HUB_ONLINE"),
    ):
        assert old in code
        module.write_text(code.replace(old, new))
        ask = "from llmbook.core.models.pretrained import SMOLLM2; print(SMOLLM2.key)"
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True,
                              env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
        keys.append(done.stdout.strip())
    assert keys[0] == pretrained.SMOLLM2.key  # comments do not count, nor where the package lies
    assert len(set(keys)) == 4


def test_weights_from_another_file_or_by_other_libraries_are_not_asked_for():
    from dataclasses import replace

    ours = pretrained.SMOLLM2
    assert replace(ours, source="another").key != ours.key
    assert set(ours.versions) == {"gguf", "safetensors", "tokenizers", "transformers"}
    assert ours.source == cards.SMOLLM2.sha256


def test_the_converted_weights_hold_no_code(smollm2):
    kinds = {path.suffix for path in pretrained.prepare("smollm2").iterdir()}
    assert kinds == {".json", ".safetensors"}


# ---- what goes wrong --------------------


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_a_missing_package_names_the_one_command(monkeypatch, tmp_path, name):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda package: None)
    packaged.verify.cache_clear()
    with pytest.raises(pretrained.PretrainedError, match=r"not installed; run `llmbook fetch`"):
        pretrained.load(name)
    packaged.verify.cache_clear()


def test_altered_package_weights_are_refused(monkeypatch, tmp_path):
    folder = shutil.copytree(packaged.locate(cards.MINILM), tmp_path / "model")
    flip_a_bit(folder / "model.safetensors")
    monkeypatch.setattr(packaged, "locate", lambda name: folder)
    packaged.verify.cache_clear()
    with pytest.raises(pretrained.PretrainedError, match=r"not as expected.*llmbook fetch"):
        pretrained.load("minilm")
    packaged.verify.cache_clear()


def test_a_hub_name_without_a_network_says_what_to_use_instead(monkeypatch, no_network):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for call in (pretrained.load, pretrained.load_state):
        with pytest.raises(pretrained.PretrainedError, match=r"'smollm2' or 'minilm'.*unset HF_HUB_OFFLINE"):
            call("someone/no-such-model")


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="model name is"):
        pretrained.load(name)


@pytest.mark.parametrize(
    "options", [{"attn": "flash"}, {"dtype": torch.int8}, {"dtype": "float32"}, {"device": "abacus"}]
)
def test_wrong_options_are_refused_before_anything_is_read(options):
    with pytest.raises(ValueError, match=r"choose|give"):
        pretrained.load("smollm2", **options)


def test_a_local_folder_loads_in_the_type_that_is_asked_for(tiny):
    loaded = pretrained.load(str(tiny), dtype=torch.bfloat16)
    assert loaded.model.dtype == torch.bfloat16 and loaded.card is None
    state, config, tokenizer = pretrained.load_state(tiny)
    assert config["hidden_size"] == 16 and tokenizer.convert_tokens_to_ids("c") == 2
    assert torch.equal(state["model.norm.weight"], torch.ones(16))


def test_pickled_weights_and_remote_code_are_never_opened(tiny, tmp_path):
    pickled = shutil.copytree(tiny, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    torch.save({"x": Bomb()}, pickled / "pytorch_model.bin")
    remote = shutil.copytree(tiny, tmp_path / "remote")
    config = json.loads((remote / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.Mine", "AutoModel": "code.Mine"}}
    (remote / "config.json").write_text(json.dumps(config))
    (remote / "code.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')")
    for folder in (pickled, remote):
        with pytest.raises(pretrained.PretrainedError):
            pretrained.load(str(folder))
    assert not (tmp_path / "exploded").exists()


def test_a_damaged_local_model_is_an_error_that_names_it(tiny, tmp_path):
    damaged = shutil.copytree(tiny, tmp_path / "damaged")
    os.truncate(damaged / "model.safetensors", 3000)
    with pytest.raises(pretrained.PretrainedError, match="damaged"):
        pretrained.load(str(damaged))


def test_importing_the_module_does_not_import_transformers():
    code = "import sys, llmbook.core.models.pretrained; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=env())


# ---- sentence embeddings --------------------


def test_a_sentence_longer_than_the_limit_is_cut_there(minilm):
    """The model reads no more than `max_length` tokens, 256 by default, as its authors do."""
    lengths = []
    hook = minilm.model.register_forward_pre_hook(
        lambda module, args, options: lengths.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        cut, whole = (pretrained.sentence_embeddings(minilm, ["cat dog " * 9], max_length=n) for n in (8, 64))
        pretrained.sentence_embeddings(minilm, ["word " * 2000])
    finally:
        hook.remove()
    assert lengths == [8, 20, 256]
    assert (cut - whole).abs().max() > 1e-3
    # <cls>, six words, <sep>: the same as the sentence of those six
    torch.testing.assert_close(
        cut, pretrained.sentence_embeddings(minilm, ["cat dog " * 3]), atol=1e-5, rtol=0
    )


def test_the_size_of_a_batch_changes_no_embedding_and_is_obeyed(minilm):
    sizes = []
    hook = minilm.model.register_forward_pre_hook(
        lambda module, args, options: sizes.append(len(options["input_ids"])), with_kwargs=True
    )
    sentences = ["a cat", "a much longer sentence about a dog", "naïve café", "one", "日本"]
    try:
        one, two = (pretrained.sentence_embeddings(minilm, sentences, batch_size=n) for n in (5, 2))
    finally:
        hook.remove()
    assert sizes == [5, 2, 2, 1]
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)
