"""Executing pages: what is stored, what a failure leaves, what a kill leaves."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tiny_book

from llmbook import cli
from llmbook.build import check, freshness, pages
from llmbook.build.execute import Request, execute, waves

SRC = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The tiny book, executed once for all the tests that only read it, and the lines that were said."""
    root, lines = tiny_book.make(tmp_path_factory.mktemp("book")), []
    results = execute(root, Request(), lines.append)
    return root, results, lines


def book_of(root, **notebooks):
    return tiny_book.make(root, notebooks)


def contents(root):
    return {path.name: path.read_bytes() for path in (root / "book").glob("*")}


def test_an_executed_book_passes_every_check(executed):
    root, results, _ = executed
    assert [result.error for result in results] == ["", "", ""]
    assert check.check_book(root) == []
    assert freshness.stale_pages(root) == []


def test_outputs_are_stored_in_order(executed):
    cells = pages.code_cells(tiny_book.load(executed[0], "alpha"))
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5]
    assert cells[2].outputs[0].text == "answer 42\n"


def test_the_record_tells_time_memory_versions_hardware_and_parameters(executed):
    record = pages.record(tiny_book.load(executed[0], "beta"))
    assert record["seconds"] > 0
    assert 20 < record["peak_mb"] < 1000  # an empty kernel holds some 60 MB
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["hardware"]["cores"] >= 1
    assert record["parameters"] == {"seed": 0, "scale": "laptop"}


def test_nothing_else_of_papermills_is_kept(executed):
    root, *_ = executed
    for path in (root / "book").glob("*.ipynb"):
        notebook = pages.read(path)
        assert set(notebook.metadata.papermill) == {"duration"}
        assert not any("papermill" in cell.metadata for cell in notebook.cells)
        assert str(root) not in path.read_text()


def test_each_page_has_a_line_when_it_starts_and_when_it_is_done(executed):
    lines = executed[2]
    assert "alpha: started" in lines
    assert sum(line.startswith("alpha: done in") and line.endswith("MB") for line in lines) == 1


def test_a_page_that_shows_the_others_runs_after_them(executed):
    root, results, _ = executed
    assert results[-1].page == "gamma"
    shown = pages.code_cells(tiny_book.load(root, "gamma"))[-1].outputs[0].text
    for name in ("alpha", "beta"):
        assert pages.record(tiny_book.load(root, name))["hash"] in shown


def test_a_fresh_book_executes_nothing(executed):
    root, lines = executed[0], []
    before = contents(root)
    assert execute(root, Request(), lines.append) == []
    assert lines == ["every page is fresh"]
    assert contents(root) == before


def test_a_changed_helper_runs_its_page_and_those_that_show_it(executed, tmp_path):
    root = shutil.copytree(executed[0], tmp_path / "book")
    (root / "src/llmbook/core/shared.py").write_text("def double(x):\n    return 3 * x\n")
    results = execute(root, Request(), lambda line: None)
    assert [result.page for result in results] == ["alpha", "gamma"]
    assert pages.code_cells(tiny_book.load(root, "alpha"))[2].outputs[0].text == "answer 63\n"


def test_pages_that_need_each_other_run_one_after_the_other_and_a_circle_is_refused(tmp_path):
    cell = "from pathlib import Path\nprint(Path('{0}.ipynb').stat().st_mtime_ns)"
    last = tiny_book.page("Last", tiny_book.code(cell.format("middle")), inputs=["book/middle.ipynb"])
    middle = tiny_book.page("Middle", tiny_book.code(cell.format("first")), inputs=["book/first.ipynb"])
    root = book_of(tmp_path, last=last, middle=middle, first=tiny_book.page("First"))
    assert [[path.stem for path in wave] for wave in waves(root, pages.book_pages(root))] == [
        ["first"],
        ["middle"],
        ["last"],
    ]
    results = execute(root, Request(), lambda line: None)
    assert [(result.page, result.error) for result in results] == [
        ("first", ""),
        ("middle", ""),
        ("last", ""),
    ]
    assert freshness.stale_pages(root) == []
    tiny_book.save(root, "first", tiny_book.page("First", inputs=["book/last.ipynb"]))
    with pytest.raises(ValueError, match=r"no page of these can run first: \w+ needs \w+ needs \w+"):
        execute(root, Request(), lambda line: None)


def test_naming_a_page_runs_it_and_those_that_show_it_and_no_other(executed, tmp_path):
    root = shutil.copytree(executed[0], tmp_path / "book")
    assert [result.page for result in execute(root, Request(names=("beta",)), lambda line: None)] == [
        "beta",
        "gamma",
    ]


def test_failed_pages_are_named_and_kept_as_they_were_while_others_run(tmp_path):
    root = book_of(
        tmp_path,
        raises=tiny_book.page("Raises", tiny_book.code("# first\n1 / 0"), tiny_book.code("2")),
        warns=tiny_book.page("Warns", tiny_book.code("import sys\nprint('careful', file=sys.stderr)")),
        dies=tiny_book.page("Dies", tiny_book.code("import os\nos._exit(1)")),
        slow=tiny_book.page("Slow", tiny_book.code("import time\ntime.sleep(60)")),
        good=tiny_book.page("Good", tiny_book.code("print('fine')")),
    )
    before = contents(root)
    results = {result.page: result for result in execute(root, Request(timeout=3), lambda line: None)}
    assert "In [3] '1 / 0': ZeroDivisionError" in results["raises"].error
    assert "wrote to stderr: careful" in results["warns"].error
    assert "DeadKernelError" in results["dies"].error
    assert "import time" in results["slow"].error and "Timeout" in results["slow"].error
    assert results["good"].error == ""
    after = contents(root)
    assert {name for name in before if before[name] != after[name]} == {"good.ipynb"}
    assert {path.stem for path in (root / "_build/failed").iterdir()} == {"raises", "warns", "dies", "slow"}


def test_copies_have_other_parameters_and_leave_the_book_alone(executed, tmp_path):
    root, output = executed[0], tmp_path / "copies"
    before = contents(root)
    arguments = ["--root", str(root), "execute", "beta", "--seed", "5", "--output", str(output)]
    assert cli.main(arguments) == 0
    copy = pages.read(output / "beta.ipynb")
    assert copy.cells[-1].outputs[0].data["text/plain"] == "(7, 5)"
    assert pages.record(copy)["parameters"]["seed"] == 5
    assert contents(root) == before
    assert not list(output.glob(".running/*"))


def test_copies_are_never_written_into_the_book(executed, capsys):
    root = executed[0]
    assert cli.main(["--root", str(root), "execute", "beta", "--output", str(root / "book")]) == 1
    assert "published pages" in capsys.readouterr().err


def test_a_failing_page_makes_the_command_fail(tmp_path, capsys):
    root = book_of(tmp_path, bad=tiny_book.page("Bad", tiny_book.code("assert False, 'no longer true'")))
    assert cli.main(["--root", str(root), "execute"]) == 1
    said = capsys.readouterr()
    assert "no longer true" in said.out and "1 of 1 pages failed: bad" in said.err


def test_an_unknown_page_is_refused_with_the_names_there_are(executed, capsys):
    assert cli.main(["--root", str(executed[0]), "execute", "delta"]) == 1
    assert "alpha, beta, gamma" in capsys.readouterr().err


def test_a_page_cannot_reach_the_network(tmp_path):
    ask = "import urllib.request\ntry:\n    urllib.request.urlopen('http://192.0.2.1', timeout=20)\n"
    ask += "except OSError as error:\n    print(type(error.reason).__name__)"
    root = book_of(tmp_path, net=tiny_book.page("Net", tiny_book.code(ask)))
    assert [result.error for result in execute(root, Request(), lambda line: None)] == [""]
    assert pages.code_cells(tiny_book.load(root, "net"))[-1].outputs[0].text == "ConnectionRefusedError\n"


def test_prose_edited_during_the_run_is_kept_and_code_edited_during_the_run_is_not_overwritten(tmp_path):
    rewrite = (
        "import json, pathlib\n"
        "path = pathlib.Path('{name}.ipynb')\n"
        "notebook = json.loads(path.read_text())\n"
        "notebook['cells'][{cell}]['source'] = ['{text}']\n"
        "_ = path.write_text(json.dumps(notebook))"
    )
    prose = tiny_book.code(rewrite.format(name="prose", cell=0, text="# New title"))
    edited = tiny_book.code(rewrite.format(name="edited", cell=2, text="seed = 99"))
    root = book_of(tmp_path, prose=tiny_book.page("Prose", prose), edited=tiny_book.page("Edited", edited))
    results = {result.page: result for result in execute(root, Request(), lambda line: None)}
    assert results["prose"].error == ""
    assert tiny_book.load(root, "prose").cells[0].source == "# New title"
    assert "edited while it ran" in results["edited"].error
    assert tiny_book.load(root, "edited").cells[2].source == "seed = 99"


def sleeping_book(root):
    cell = "import os, pathlib, time\n"
    cell += "_ = pathlib.Path('../started').write_text(str(os.getpid()))\ntime.sleep(300)"
    return book_of(root, sleepy=tiny_book.page("Sleepy", tiny_book.code(cell)))


def start(root):
    environment = {**os.environ, "PYTHONPATH": SRC}
    command = [sys.executable, "-m", "llmbook.cli", "--root", str(root), "execute"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell that starts this run in the background makes it ignore SIGINT, and children inherit that.
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    return subprocess.Popen(command, env=environment, text=True, **pipes, **listen)


def wait_until(condition, what):
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def gone(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_signal_in_the_middle_leaves_every_page_whole_and_no_kernel_behind(tmp_path):
    signals = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
    roots = [sleeping_book(tmp_path / number.name) for number in signals]
    before = [contents(root) for root in roots]
    processes = [start(root) for root in roots]
    for number, root, process, content in zip(signals, roots, processes, before, strict=True):
        started = root / "started"
        wait_until(lambda file=started: file.is_file() and file.read_text(), "the page runs")
        kernel = psutil.Process(int(started.read_text()))
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        wait_until(lambda kernel=kernel: gone(kernel), "the kernel has ended")
        assert contents(root) == content
        if number != signal.SIGKILL:
            assert process.returncode == 130 and "every page is as it was" in errors


def test_what_a_killed_run_left_is_swept_away_by_the_next(tmp_path):
    root = book_of(tmp_path, good=tiny_book.page("Good"))
    left = root / "_build" / "running" / "good.999999999.ipynb"
    left.parent.mkdir(parents=True)
    left.write_text("{")
    execute(root, Request(), lambda line: None)
    assert not left.exists()
