"""Seeds, devices, threads, atomic files, locks, clocks: `llmbook.core.run.runtime`."""

import hashlib
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from llmbook.core.run import files, machine, runtime


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_same_seed_same_numbers_everywhere_and_another_seed_others():
    first = runtime.seed_everything(3), draws()
    second = runtime.seed_everything(3), draws()
    third = runtime.seed_everything(4), draws()
    assert first[1] == second[1] and first[1] != third[1]
    a, b, c = (torch.rand(4, generator=generator) for generator, _ in (first, second, third))
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None, True])
def test_a_bad_seed_is_refused_and_named(seed):
    with pytest.raises(ValueError, match="seed is"):
        runtime.seed_everything(seed)


def test_auto_picks_a_device_that_computes():
    assert torch.ones(2, device=runtime.pick_device()).sum().item() == 2
    assert runtime.pick_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "auto:0", "cuda:-1", "meta"])
def test_an_unknown_device_is_refused_with_the_choices(name):
    with pytest.raises(ValueError, match="choose one of auto, cpu"):
        runtime.pick_device(name)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="not available here"):
        runtime.pick_device("cuda")


def test_threads_come_from_the_argument_then_the_environment(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        monkeypatch.setenv("LLMBOOK_THREADS", "2")
        assert runtime.set_threads() == 2 == torch.get_num_threads()
        assert runtime.set_threads(1) == 1 == torch.get_num_threads()
        monkeypatch.delenv("LLMBOOK_THREADS")
        assert runtime.set_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n", [0, -2, 1.5, "many"])
def test_bad_thread_counts_are_refused(n):
    with pytest.raises(ValueError, match="threads is"):
        runtime.set_threads(n)


def test_cache_dir_follows_the_environment_and_is_created(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path / "a" / "b"))
    assert files.cache_dir() == tmp_path / "a" / "b" and files.cache_dir().is_dir()
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path / "file" / "c"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="LLMBOOK_CACHE"):
        files.cache_dir()
    monkeypatch.delenv("LLMBOOK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_dir().name.lower() in {"llmbook", "cache"}


def test_an_atomic_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file.txt"
    with files.atomic_path(target) as temporary:
        temporary.write_text("one")
        assert not target.exists() and temporary.parent == target.parent and temporary.suffix == ".txt"
    assert target.read_text() == "one"
    with pytest.raises(RuntimeError, match="half way"), files.atomic_path(target) as temporary:
        temporary.write_text("tw")
        raise RuntimeError("half way")
    assert target.read_text() == "one" and os.listdir(target.parent) == ["file.txt"]


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 9000])
def test_sha256_agrees_with_hashlib(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_hashing_a_missing_file_says_which(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        files.sha256(tmp_path / "nowhere")


def test_a_lock_keeps_another_process_out_and_dies_with_its_holder(tmp_path):
    code = (
        "import sys, time; from llmbook.core.run.files import locked\n"
        "with locked(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    path = [*filter(None, [str(os.path.dirname(runtime.__file__) + "/../.."), os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "thing")], stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match="another process"), files.locked(tmp_path / "thing", 0.1):
            pytest.fail("two processes hold one lock")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with files.locked(tmp_path / "thing", timeout=30):
        pass


def test_a_stopwatch_runs_inside_the_block_and_stands_still_after_it():
    with machine.stopwatch() as clock:
        time.sleep(0.01)
        inside = clock.seconds
    stopped = clock.seconds
    time.sleep(0.01)
    assert 0.01 <= inside <= stopped == clock.seconds


def test_hardware_and_versions_describe_this_machine():
    this, packages = machine.hardware(), machine.versions()
    assert this["cores"] >= 1 and this["cpu"]
    assert (
        packages["torch"].split("+")[0] == torch.__version__.split("+")[0]
    )  # a wheel may leave out its "+cpu"
    assert packages["python"].startswith("3.")


@pytest.mark.parametrize(("slow", "faster"), [(torch.float32, True), (torch.bfloat16, False)])
def test_bfloat16_is_used_where_it_is_measured_to_be_faster(monkeypatch, slow, faster):
    """A processor that takes 5 ms longer for one of the two types, whatever this one does."""

    class Slow:
        def __init__(self, dtype):
            self.dtype = dtype

        def __matmul__(self, other):
            if self.dtype == slow:
                time.sleep(0.005)

    monkeypatch.setattr(torch, "ones", lambda *size, dtype, device: Slow(dtype))
    machine.bfloat16_is_faster.cache_clear()
    try:
        assert machine.bfloat16_is_faster("cpu") is faster
    finally:
        machine.bfloat16_is_faster.cache_clear()
