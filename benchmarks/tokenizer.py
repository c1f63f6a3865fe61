"""Learning and applying pieces: this book's Python, 🤗 tokenizers' Rust, and the plain recount, on all the plays.

    python benchmarks/tokenizer.py [--vocab-size 4000] [--repeats 3] [--naive-merges 30] [--only bpe|wordpiece|unigram]

prints one JSON line per measurement: what was measured, by whom, the best of the repeats in seconds by the clock and in
seconds of the processor (all threads together), and for encoding MB/s. The turns alternate. Rust gets the text in
two forms, and the faster one counts: whole, or play by play, which it can spread over the cores. The plain recount is
timed for its first merges and multiplied, which is a little too much, as later words are shorter: with
--vocab-size 1000 --naive-merges 744 it is timed as a whole.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer as Reference
from tokenizers import models, pre_tokenizers, trainers

from llmbook.core.run.machine import hardware, versions
from llmbook.core.text import corpora
from llmbook.tokenization import BPE, Unigram, WordPiece, count_and_merge, count_words, learn_merges
from llmbook.tokenization.byte_level import ALPHABET, to_signs

OURS: dict[str, Any] = {"bpe": BPE, "wordpiece": WordPiece, "unigram": Unigram}


def reference(kind: str, texts: list[str], vocab_size: int) -> Reference:
    """🤗 tokenizers' trainer with the same options."""
    model, trainer, split = {
        "bpe": (models.BPE(), trainers.BpeTrainer, pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "wordpiece": (
            models.WordPiece(unk_token="[UNK]"),
            trainers.WordPieceTrainer,
            pre_tokenizers.BertPreTokenizer(),
        ),
        "unigram": (
            models.Unigram(),
            trainers.UnigramTrainer,
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ),
    }[kind]
    alphabet = {} if kind == "wordpiece" else {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    special = ["[UNK]"] if kind == "wordpiece" else []
    tokenizer = Reference(model)
    tokenizer.pre_tokenizer = split
    tokenizer.train_from_iterator(
        texts, trainer(vocab_size=vocab_size, special_tokens=special, show_progress=False, **alphabet)
    )
    return tokenizer


def best(turns: dict[str, Callable[[], Any]], repeats: int) -> dict[str, tuple[float, float]]:
    """Least seconds by the clock and by the processor of each, taking turns."""
    least = dict.fromkeys(turns, (float("inf"), float("inf")))
    for _ in range(repeats):
        for name, run in turns.items():
            gc.collect()
            clock, processor = time.perf_counter(), time.process_time()
            run()
            now = time.perf_counter() - clock, time.process_time() - processor
            least[name] = tuple(map(min, least[name], now))  # type: ignore[assignment]
    return least


def report(what: str, by: str, seconds: tuple[float, float], **more: Any) -> None:
    times = {"seconds": round(seconds[0], 3), "processor_seconds": round(seconds[1], 3)}
    print(json.dumps({"measured": what, "by": by, **times, **more}), flush=True)


def training(kind: str, texts: list[str], vocab_size: int, repeats: int) -> None:
    """Text in, tokenizer out."""
    ours, whole = OURS[kind], ["\n".join(texts)]
    least = best(
        {
            "book": lambda: ours.train(whole, vocab_size),
            "rust, whole text": lambda: reference(kind, whole, vocab_size),
            "rust, play by play": lambda: reference(kind, texts, vocab_size),
        },
        repeats,
    )
    for by, seconds in least.items():
        report(f"train {kind}", by, seconds, vocab_size=vocab_size)
    rust = [seconds for by, seconds in least.items() if by != "book"]
    ratios = {
        "book_over_rust": round(least["book"][0] / min(s[0] for s in rust), 2),
        "by_processor": round(least["book"][1] / min(s[1] for s in rust), 2),
    }
    print(json.dumps({"ratio": f"train {kind}", **ratios}), flush=True)


def recount(texts: list[str], n_merges: int, vocab_size: int, repeats: int) -> None:
    """The merges alone, from counted words: the loop that remembers and the one that counts anew."""
    number = {sign: chr(i) for i, sign in enumerate(ALPHABET)}
    words = {
        "".join(map(number.__getitem__, to_signs(word.encode()))): n for word, n in count_words(texts).items()
    }
    fast = best({"book": lambda: learn_merges(words, ALPHABET, vocab_size)}, repeats)["book"]
    slow = best({"naive": lambda: count_and_merge(words, ALPHABET, 256 + n_merges)}, 1)["naive"]
    merges = vocab_size - 256
    report("merges of bpe", "book", fast, merges=merges)
    report("merges of bpe", "naive", slow, merges=n_merges)
    times = [one / n_merges * merges / other for one, other in zip(slow, fast, strict=True)]
    ratios = {"naive_over_book": round(times[0], 1), "by_processor": round(times[1], 1)}
    print(json.dumps({"ratio": "merges of bpe", **ratios, "extrapolated": n_merges < merges}), flush=True)


def encoding(kind: str, texts: list[str], vocab_size: int, repeats: int) -> None:
    """Plays in, numbers out, by a tokenizer that has seen no word before (cold) and one that has (warm)."""
    text = "\n".join(texts)
    ours, theirs = OURS[kind].train(text, vocab_size), reference(kind, texts, vocab_size)

    def cold() -> None:
        ours._cache.clear()
        ours.encode(text)

    turns = {
        "book, cold": cold,
        "book, warm": lambda: ours.encode(text),
        "rust, whole text": lambda: theirs.encode(text),
        "rust, play by play": lambda: theirs.encode_batch(texts),
    }
    for by, seconds in best(turns, repeats).items():
        megabytes = round(len(text.encode()) / 1e6 / seconds[0], 2)
        report(f"encode {kind}", by, seconds, megabytes_per_second=megabytes)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--vocab-size", type=int, default=4000)
    options.add_argument("--repeats", type=int, default=3, help="of which the best counts")
    options.add_argument("--naive-merges", type=int, default=30, help="merges that the plain recount makes")
    options.add_argument("--only", choices=OURS, help="one kind of tokenizer")
    args = options.parse_args()
    if args.vocab_size < 300 or args.repeats < 1 or not 1 <= args.naive_merges <= args.vocab_size - 256:
        options.error("give --vocab-size of at least 300, --repeats of at least 1, --naive-merges below it")
    print(json.dumps({"about": {"hardware": hardware(), "versions": versions()}}), flush=True)
    texts = [play.text for split in corpora.SPLITS for play in corpora.plays(split)]
    for kind in [args.only] if args.only else OURS:
        training(kind, texts, args.vocab_size, args.repeats)
        encoding(kind, texts, args.vocab_size, args.repeats)
    if args.only in (None, "bpe"):
        recount(texts, args.naive_merges, args.vocab_size, args.repeats)


if __name__ == "__main__":
    main()
