"""An artefact is whole or not there, and asked for by what made it: `llmbook.core.run.artefacts`."""

import json
import multiprocessing
import os
import random
import shutil
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from llmbook.core.run import artefacts
from llmbook.core.run.artefacts import DAMAGED, MADE, MISSING, STALE, Artefact


def make_tiny(folder: Path, seed: int = 0) -> None:
    """Files such as a model has."""
    (folder / "model.safetensors").write_bytes(random.Random(seed).randbytes(20_000))
    (folder / "config.json").write_text('{"model_type": "tiny"}')
    (folder / "tokenizer.json").write_text('{"vocabulary": ["a", "b", "c"]}')


def make_other(folder: Path, seed: int = 0) -> None:
    (folder / "model.safetensors").write_bytes(random.Random(seed + 1).randbytes(20_000))


def fail(folder, **config):
    raise AssertionError("it was made again")


TINY = Artefact("tiny", make_tiny)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store of artefacts."""
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path))
    return tmp_path / "artefacts"


@pytest.fixture
def tiny(store):
    return TINY.get()


# ---------------------------------------------------------------- the key


def test_the_key_is_that_of_the_code_the_configuration_the_source_and_the_versions():
    keys = {
        TINY.key,
        replace(TINY, make=make_other).key,
        replace(TINY, config={"seed": 1}).key,
        replace(TINY, source="v2").key,
        replace(TINY, versions=("torch",)).key,
        replace(TINY, versions=("torch", "no-such-package")).key,
    }
    assert len(keys) == 6 and all(len(key) == 64 for key in keys)
    assert {TINY.key, replace(TINY, seconds=9).key, replace(TINY, name="other").key} == {TINY.key}


def test_another_version_of_a_package_that_matters_is_another_key(monkeypatch):
    before = replace(TINY, versions=("torch",)).key
    real = metadata.version
    monkeypatch.setattr(artefacts.metadata, "version", lambda name: "0.1" if name == "torch" else real(name))
    assert (
        replace(TINY, versions=("torch",)).key != before and replace(TINY, versions=("numpy",)).key != before
    )


def test_the_order_of_a_configuration_does_not_count():
    assert replace(TINY, config={"a": 1, "b": 2}).key == replace(TINY, config={"b": 2, "a": 1}).key


@pytest.mark.parametrize("name", ["", "Tiny", "a/b", "../a", "a b", "-a", "a--b", "ä"])
def test_a_name_that_is_no_name_of_a_folder_is_refused(name):
    with pytest.raises(ValueError, match="lower-case letters"):
        Artefact(name, make_tiny)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, float("nan"), Path("x"), {1}, b"x"])
def test_a_configuration_that_json_does_not_keep_is_refused(value):
    with pytest.raises(ValueError, match="which JSON keeps"):
        Artefact("tiny", make_tiny, {"x": value})


def test_a_maker_whose_code_cannot_be_found_is_refused():
    with pytest.raises(ValueError, match="top of a module"):
        Artefact("tiny", lambda folder: None).get()


# ---------------------------------------------------------------- making it


def test_a_sound_artefact_is_not_made_again(tiny, monkeypatch):
    artefacts._known_sound.clear()
    monkeypatch.setattr(Artefact, "_make", lambda *_: fail(None))
    assert TINY.get() == tiny and TINY.state() == MADE


def test_the_configuration_reaches_the_maker_and_both_are_kept_apart(tiny):
    other = replace(TINY, config={"seed": 1})
    assert other.state() == STALE  # something of that name is there, but not by this configuration
    assert other.get() != tiny and TINY.state() == other.state() == MADE
    assert (other.get() / "model.safetensors").read_bytes() == random.Random(1).randbytes(20_000)
    assert TINY.kept() == other.kept() == sorted([tiny, other.get()])
    assert json.loads((other.get() / artefacts.CHECKSUMS).read_text())["config"] == {"seed": 1}


def test_other_code_makes_another_artefact(tiny):
    other = replace(TINY, make=make_other)
    assert other.state() == STALE
    assert (other.get() / "model.safetensors").read_bytes() != (tiny / "model.safetensors").read_bytes()


def test_an_artefact_under_another_ones_name_is_not_taken_for_it(tiny):
    other = replace(TINY, config={"seed": 1})
    shutil.copytree(tiny, other.folder)
    assert other.state() == DAMAGED
    assert (other.get() / "model.safetensors").read_bytes() == random.Random(1).randbytes(20_000)


def test_names_that_begin_alike_are_kept_apart(tiny):
    longer = replace(TINY, name="tiny-0123")
    assert longer.state() == MISSING and longer.get() not in TINY.kept() and longer.kept() == [longer.get()]


def test_remaking_that_fails_leaves_the_old_one(tiny, monkeypatch):
    before = {path.name: path.read_bytes() for path in tiny.iterdir()}
    monkeypatch.setattr(Artefact, "_make", lambda *_: fail(None))
    with pytest.raises(AssertionError):
        TINY.remake()
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before
    assert TINY.state() == MADE


def test_remaking_makes_it_again_and_size_counts_its_bytes(tiny):
    (tiny / "model.safetensors").touch()
    first = (tiny / "model.safetensors").stat().st_mtime_ns
    time.sleep(0.02)  # longer than the clock tick of a file's time stamp
    assert TINY.remake() == tiny and (tiny / "model.safetensors").stat().st_mtime_ns != first
    assert TINY.size() == sum(path.stat().st_size for path in tiny.iterdir())
    assert replace(TINY, source="never made").size() == 0


# ---------------------------------------------------------------- damage


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
    "checksums removed": lambda folder: (folder / artefacts.CHECKSUMS).unlink(),
    "checksums cut": lambda folder: os.truncate(folder / artefacts.CHECKSUMS, 20),
    "checksums of another kind": lambda folder: (folder / artefacts.CHECKSUMS).write_text("[1, 2]"),
    "folder removed": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("same_process", [True, False])
def test_a_damaged_artefact_is_noticed_and_made_again(tiny, harm, same_process):
    whole = (tiny / "model.safetensors").read_bytes()
    time.sleep(0.02)  # longer than the clock tick of a file's time stamp
    HARMS[harm](tiny)
    if not same_process:
        artefacts._known_sound.clear()
    assert not artefacts.is_sound(tiny, TINY.key)
    assert TINY.state() == (MISSING if harm == "folder removed" else DAMAGED)
    TINY.get()
    assert artefacts.is_sound(tiny, TINY.key) and (tiny / "model.safetensors").read_bytes() == whole
    assert {path.name for path in tiny.parent.iterdir()} == {tiny.name, f"{tiny.name}.lock"}


def make_half(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"half")
    raise RuntimeError("power cut")


def test_a_maker_that_fails_leaves_what_was_there_and_no_scraps(tiny, monkeypatch):
    record = (tiny / artefacts.CHECKSUMS).read_text()
    half = Artefact("half", make_half)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="power cut"):
            half.get()
    monkeypatch.setattr(artefacts, "is_sound", lambda *_: False)
    with pytest.raises(RuntimeError, match="power cut"):
        half._make(tiny, TINY.key)
    assert (tiny / artefacts.CHECKSUMS).read_text() == record
    left = {path.name for path in tiny.parent.iterdir()}
    assert left == {tiny.name, f"{tiny.name}.lock", f"{half.folder.name}.lock"}


def make_nothing(folder: Path) -> None:
    pass


def make_link(folder: Path) -> None:
    make_tiny(folder)
    (folder / "sub").mkdir()
    (folder / "sub" / "chat_template.jinja").write_text("{{ x }}")


def make_pickle(folder: Path) -> None:
    make_tiny(folder)
    (folder / "optimizer.pt").write_bytes(b"")


def make_sums(folder: Path) -> None:
    (folder / artefacts.CHECKSUMS).write_text("{}")


@pytest.mark.parametrize(
    ("make", "offender"),
    [(make_link, "sub/chat_template.jinja"), (make_pickle, "optimizer.pt"), (make_sums, "checksums.json")],
)
def test_files_that_could_run_code_are_refused_by_name(store, make, offender):
    with pytest.raises(ValueError, match=rf"wrote {offender}; an artefact holds .safetensors and .json"):
        Artefact("bad", make).get()
    assert not [path for path in store.iterdir() if path.is_dir()]


def test_a_maker_that_makes_nothing_is_an_error(store):
    with pytest.raises(artefacts.ArtefactError, match="no files"):
        Artefact("nothing", make_nothing).get()


def test_files_in_folders_are_checked_too(store):
    folder = Artefact("deep", make_deep).get()
    flip_a_bit(folder / "a" / "config.json")
    artefacts._known_sound.clear()
    assert Artefact("deep", make_deep).state() == DAMAGED


def make_deep(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "config.json").write_text('{"x": 1}')


def test_a_place_that_cannot_be_written_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path))
    (tmp_path / "artefacts").write_text("in the way")
    with pytest.raises(artefacts.ArtefactError, match="LLMBOOK_CACHE"):
        TINY.get()


# ---------------------------------------------------------------- several processes


def make_slowly(folder: Path) -> None:
    """Note that making began, write half, dawdle, write the rest."""
    log = folder.parent / "builds.log"
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    (folder / "model.safetensors").write_bytes(b"first half")
    time.sleep(float(os.environ.get("SLOW", "0.5")))
    (folder / "model.safetensors").write_bytes(b"first half, second half")


SLOW = Artefact("slow", make_slowly, seconds=1)


def ask() -> None:
    assert (SLOW.get() / "model.safetensors").read_bytes() == b"first half, second half"


def start() -> multiprocessing.Process:
    process = multiprocessing.get_context("spawn").Process(target=ask)
    process.start()
    return process


def test_of_two_processes_one_makes_it_and_the_other_waits(store):
    processes = [start() for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len((store / "builds.log").read_text().split()) == 1


def test_a_kill_while_making_leaves_no_half_artefact_and_no_lock(store, monkeypatch):
    monkeypatch.setenv("SLOW", "100")
    process = start()
    until = time.monotonic() + 60
    while not list(store.glob(".slow-*.tmp/model.safetensors")) and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.join(30)
    assert list(store.glob(".slow-*.tmp")) and not SLOW.folder.exists()
    monkeypatch.setenv("SLOW", "0")
    ask()
    assert not list(store.glob(".slow-*.tmp"))


# ---------------------------------------------------------------- saying so


def test_making_is_announced_on_a_terminal_and_nowhere_else(store, monkeypatch, capfd):
    replace(TINY, seconds=20).get()
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    replace(TINY, seconds=20, config={"seed": 1}).get()
    out, err = capfd.readouterr()
    assert out == "" and "making tiny" in err and "about 20 s" in err
