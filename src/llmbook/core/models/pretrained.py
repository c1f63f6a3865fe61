"""Real weights, read safely: the only module that touches transformers' loading.

`load("smollm2")` and `load("minilm")` read weights that travel inside Python packages, and never use a
network. SmolLM2 is packaged as a 4-bit GGUF file, slow to open; it is dequantised once into an artefact of
safetensors, whose key holds the code that does it. Any other name is looked up on the Hugging Face hub. Never
pickle, never remote code.

Float32 is what is stored: dequantised Q4_1 values (scale x integer + offset) fit neither float16 nor bfloat16
exactly. Left out: quantised inference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from llmbook.core.run.artefacts import Artefact, ArtefactError
from llmbook.core.run.runtime import pick_device
from llmbook.core.text import cards
from llmbook.core.text.cards import DataCard
from llmbook.core.text.packaged import HELP, DataError, verify

ATTENTIONS = ("sdpa", "eager")
Options = dict[str, Any]


class PretrainedError(RuntimeError):
    """A model cannot be had; the message names the one command that helps."""


@dataclass(frozen=True)
class Pretrained:
    """A model in evaluation mode with its tokenizer; `card` is None for models from the hub."""

    model: Any
    tokenizer: Any
    name: str
    config: Any
    card: DataCard | None


def load(
    name: str = "smollm2",
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    attn: str = "sdpa",
) -> Pretrained:
    """A pretrained model and its tokenizer, in evaluation mode.

    `name` is `smollm2`, `minilm`, a folder with safetensors weights, or a name on the Hugging Face hub.
    `attn` is `sdpa` (fast) or `eager`, which can return attention weights (`output_attentions=True`).
    Raises PretrainedError when the weights cannot be found or are damaged, ValueError for a wrong option.
    The first call for `smollm2` on a machine takes about 20 s; later ones under a second.
    """
    if attn not in ATTENTIONS:
        raise ValueError(f"attn is {attn!r}; choose one of {', '.join(ATTENTIONS)}")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype is {dtype!r}; give a floating-point type such as torch.float32")
    device, source = pick_device(device), prepare(name)
    with _quiet():
        try:
            model = _read_model(source, dtype, attn)
            tokenizer = _read_tokenizer(source)
        except _load_errors() as error:
            raise _not_found(name, error) from error
    return Pretrained(model.to(device).eval(), tokenizer, name, model.config, PACKAGED_CARDS.get(name))


def load_state(name: str = "smollm2") -> tuple[dict[str, torch.Tensor], dict[str, Any], Any]:
    """State dict, configuration and tokenizer, for loading into our own code; no transformers model is built.

    From a folder with one safetensors file tensors keep the names and type they have there (of a hub name: float32).
    A matrix that is tied is there once: SmolLM2 has `model.embed_tokens.weight` and no `lm_head.weight`
    (`config["tie_word_embeddings"]`).
    """
    source = prepare(name)
    with _quiet():
        try:
            tokenizer = _read_tokenizer(source)
        except _load_errors() as error:
            raise _not_found(name, error) from error
    if not isinstance(source, Path) or not (source / "model.safetensors").is_file():
        model = load(name).model
        return dict(model.state_dict()), model.config.to_dict(), tokenizer
    from safetensors.torch import load_file

    return (
        load_file(source / "model.safetensors"),
        json.loads((source / "config.json").read_text()),
        tokenizer,
    )


def tiny_reference(family: str, seed: int = 0) -> Any:
    """A tiny transformers model with random weights, to compare ours with: gpt2, bert, t5, t5-gated or llama.

    Weights are larger than usual, so that a wrong norm or activation shows.
    """
    import transformers as hf

    small: Options = dict(vocab_size=99, pad_token_id=0, bos_token_id=1, eos_token_id=1)
    gpt2: Options = dict(n_embd=48, n_layer=2, n_head=6, n_positions=64, initializer_range=0.3)
    bert: Options = dict(
        hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=6,
        initializer_range=0.3, max_position_embeddings=64,
    )  # fmt: skip
    t5: Options = dict(
        d_model=48, d_ff=96, d_kv=10, num_layers=2, num_heads=6, decoder_start_token_id=0,
        initializer_factor=0.7,
    )  # fmt: skip
    gated: Options = dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    make: dict[str, Callable[[], Any]] = {
        "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**gpt2, **small)),
        "bert": lambda: hf.BertModel(hf.BertConfig(**bert, **small)),
        "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**t5, **small)),
        "t5-gated": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**t5, **gated, **small)),
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**bert, num_key_value_heads=2, **small)),
    }
    if family not in make:
        raise ValueError(f"family is {family!r}; choose one of {', '.join(make)}")
    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(seed)
        return randomise_norms(make[family]().eval())


def randomise_norms(model: Any) -> Any:
    """Give a fresh transformers model weights that show what ignores them, in place; returns the model.

    Norms' gains and biases start at one and zero, where leaving them out changes nothing; T5's layers start too small
    to be heard over its embeddings.
    """
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p += 0.3 * torch.randn_like(p)
            elif model.config.model_type == "t5":
                torch.nn.init.normal_(p, std=0.15)
    return model


def prepare(name: str) -> Path | str:
    """Verify a packaged model, convert it when needed, and return the folder to load from.

    A name that is neither packaged nor a folder is returned as it is: a name on the hub.
    Raises PretrainedError when a packaged model is missing or altered.
    """
    if not isinstance(name, str | Path) or not str(name).strip():
        raise ValueError(
            f"model name is {name!r}; give {', '.join(map(repr, PACKAGED))}, a folder or a hub name"
        )
    if name in PACKAGED:
        try:
            return PACKAGED[name]()
        except (DataError, ArtefactError) as error:
            raise PretrainedError(str(error)) from error
    folder = Path(name).expanduser()
    return folder if (folder / "config.json").is_file() else str(name)


def sentence_embeddings(
    pretrained: Pretrained, sentences: Sequence[str], *, batch_size: int = 32, max_length: int = 256
) -> torch.Tensor:
    """Unit-length sentence vectors, shape (N, C): the mean over tokens of the last layer, then L2-normalised.

    Sentences above `max_length` tokens are cut, as the model's authors do. Reimers and Gurevych 2019
    (arXiv:1908.10084), mean pooling. Raises ValueError for a bare string or no sentences.
    """
    if isinstance(sentences, str) or not len(sentences):
        raise ValueError("sentences must be a non-empty list of strings, e.g. ['A cat.', 'A dog.']")
    batches = (list(sentences[i : i + batch_size]) for i in range(0, len(sentences), batch_size))
    with torch.inference_mode():
        return torch.cat([_embed(pretrained, batch, max_length) for batch in batches])


def _embed(pretrained: Pretrained, batch: list[str], max_length: int) -> torch.Tensor:
    inputs = pretrained.tokenizer(
        batch, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
    ).to(pretrained.model.device)
    hidden = pretrained.model(**inputs).last_hidden_state  # (B, T, C)
    mask = inputs["attention_mask"][..., None].to(hidden.dtype)  # (B, T, 1)
    mean = (hidden * mask).sum(1) / mask.sum(1)  # (B, C)
    return torch.nn.functional.normalize(mean, dim=-1)


def _dequantise(folder: Path) -> None:
    """Run `convert_gguf` in a process of its own, which gives its 1.2 GB back when it ends."""
    gguf = verify(cards.SMOLLM2) / cards.SMOLLM2.files
    code = "import sys; from llmbook.core.models.pretrained import convert_gguf; convert_gguf(*sys.argv[1:])"
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code, str(gguf), str(folder)],
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise PretrainedError(f"SmolLM2 could not be dequantised ({last}); {HELP}")


def convert_gguf(gguf: str | Path, folder: str | Path) -> None:
    """Write SmolLM2's GGUF file to `folder` as float32 safetensors, configuration and tokenizer.

    transformers drops the tokenizer's first step, which sets every digit apart (GGUF: `tokenizer.ggml.pre` =
    `smollm`); it is put back here.
    """
    from safetensors.torch import save_file
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf, folder = Path(gguf), Path(folder)
    where = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, model_max_length=8192, **where)
    levels = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(levels)
    tokenizer.save_pretrained(folder, save_jinja_files=False)  # the template stands in the configuration
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}  # tied
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    del model.config.quantization_config
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


SMOLLM2 = Artefact(
    "smollm2",
    _dequantise,
    versions=("gguf", "safetensors", "tokenizers", "transformers"),
    seconds=20,
    source=cards.SMOLLM2.sha256,
)
ARTEFACTS = (SMOLLM2,)
PACKAGED_CARDS = {"smollm2": cards.SMOLLM2, "minilm": cards.MINILM}
PACKAGED: dict[str, Callable[[], Path]] = {
    "smollm2": lambda: SMOLLM2.get(),
    "minilm": lambda: verify(cards.MINILM),
}


def _read_model(source: Path | str, dtype: torch.dtype, attn: str) -> Any:
    """The model class that the configuration names, with weights memory-mapped from safetensors."""
    import transformers

    options = {"local_files_only": isinstance(source, Path)}
    config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
    named = getattr(transformers, (config.architectures or ["AutoModel"])[0], transformers.AutoModel)
    return named.from_pretrained(
        source, config=config, dtype=dtype, attn_implementation=attn, use_safetensors=True, **options
    )


def _read_tokenizer(source: Path | str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        source, trust_remote_code=False, local_files_only=isinstance(source, Path)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bar and load report: a page's stored output holds neither."""
    from transformers.utils import logging as hf_logging

    level, bar = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bar:
            hf_logging.enable_progress_bar()


def _load_errors() -> tuple[type[Exception], ...]:
    """What transformers and safetensors raise for missing, foreign or damaged files."""
    from safetensors import SafetensorError

    return OSError, KeyError, ValueError, SafetensorError


def _not_found(name: str, error: Exception) -> PretrainedError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return PretrainedError(
        f"the model {name!r} could not be loaded: {first} Without a network use 'smollm2' or 'minilm' "
        "(`llmbook fetch` installs them); with one, unset HF_HUB_OFFLINE and check the name."
    )
