"""A cache is whole or not there: `llmbook.core.run.cache`."""

import multiprocessing
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from llmbook.core.run import cache


def make_tiny(folder: Path, seed: int = 0) -> None:
    """Files such as a model has."""
    (folder / "model.safetensors").write_bytes(random.Random(seed).randbytes(20_000))
    (folder / "config.json").write_text('{"model_type": "tiny"}')
    (folder / "tokenizer.json").write_text('{"vocabulary": ["a", "b", "c"]}')


@pytest.fixture
def tiny(tmp_path):
    return cache.ensure_cache(tmp_path / "tiny", make_tiny, source="v1")


def fail(folder):
    raise AssertionError("it was built again")


def test_a_sound_cache_is_not_built_again(tiny):
    cache._known_sound.clear()
    assert cache.ensure_cache(tiny, fail, source="v1") == tiny


def test_a_cache_made_from_another_source_is_built_again(tiny):
    before = (tiny / "model.safetensors").read_bytes()
    cache.ensure_cache(tiny, lambda folder: make_tiny(folder, seed=1), source="v2")
    assert cache.is_sound(tiny, "v2") and (tiny / "model.safetensors").read_bytes() != before


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


HARMS = {
    "one bit in the middle": lambda folder: flip_a_bit(folder / "model.safetensors"),
    "truncated": lambda folder: os.truncate(folder / "model.safetensors", 5000),
    "emptied": lambda folder: os.truncate(folder / "model.safetensors", 0),
    "longer": lambda folder: (folder / "model.safetensors").open("ab").write(b"\0"),
    "weights removed": lambda folder: (folder / "model.safetensors").unlink(),
    "tokenizer altered": lambda folder: flip_a_bit(folder / "tokenizer.json"),
    "configuration altered": lambda folder: flip_a_bit(folder / "config.json"),
    "checksums removed": lambda folder: (folder / cache.CHECKSUMS).unlink(),
    "checksums cut": lambda folder: os.truncate(folder / cache.CHECKSUMS, 20),
    "checksums of another kind": lambda folder: (folder / cache.CHECKSUMS).write_text("[1, 2]"),
    "folder removed": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("same_process", [True, False])
def test_a_damaged_cache_is_noticed_and_rebuilt(tiny, harm, same_process):
    whole = (tiny / "model.safetensors").read_bytes()
    time.sleep(0.02)  # longer than the clock tick of a file's time stamp
    HARMS[harm](tiny)
    if not same_process:
        cache._known_sound.clear()
    assert not cache.is_sound(tiny, "v1")
    cache.ensure_cache(tiny, make_tiny, source="v1")
    assert cache.is_sound(tiny, "v1") and (tiny / "model.safetensors").read_bytes() == whole
    assert {path.name for path in tiny.parent.iterdir()} == {"tiny", "tiny.lock"}


def test_a_failing_build_leaves_the_old_cache_and_no_scraps(tiny):
    record = (tiny / cache.CHECKSUMS).read_text()

    def half(folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cache.ensure_cache(tiny, half, source="v2")
    assert (tiny / cache.CHECKSUMS).read_text() == record and cache.is_sound(tiny, "v1")
    assert {path.name for path in tiny.parent.iterdir()} == {"tiny", "tiny.lock"}
    with pytest.raises(cache.CacheError, match="no files"):
        cache.ensure_cache(tiny, lambda folder: None, source="v3")


def slow_build(folder: Path) -> None:
    """Note that a build began, write half, dawdle, write the rest."""
    log = folder.parent / "builds.log"
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    (folder / "model.safetensors").write_bytes(b"first half")
    time.sleep(float(os.environ.get("SLOW", "0.5")))
    (folder / "model.safetensors").write_bytes(b"first half, second half")


def ask(folder: str) -> None:
    cache.ensure_cache(Path(folder), slow_build)
    assert (Path(folder) / "model.safetensors").read_bytes() == b"first half, second half"


def start(folder: Path) -> multiprocessing.Process:
    process = multiprocessing.get_context("spawn").Process(target=ask, args=(str(folder),))
    process.start()
    return process


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path):
    processes = [start(tmp_path / "c") for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len((tmp_path / "builds.log").read_text().split()) == 1


def test_a_kill_while_building_leaves_no_half_cache_and_no_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLOW", "100")
    process = start(tmp_path / "c")
    until = time.monotonic() + 60
    while not list(tmp_path.glob(".c.*.tmp/model.safetensors")) and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.join(30)
    assert list(tmp_path.glob(".c.*.tmp")) and not (tmp_path / "c").exists()
    monkeypatch.setenv("SLOW", "0")
    ask(str(tmp_path / "c"))
    assert not list(tmp_path.glob(".c.*.tmp"))


def test_a_cache_folder_that_cannot_be_written_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(cache.CacheError, match="LLMBOOK_CACHE"):
        cache.ensure_cache(tmp_path / "file" / "cache", make_tiny)
