"""Which seeds a page holds for: what is run, what is kept, what is shown."""

import json

import pytest
import tiny_book
from nbformat.v4 import new_code_cell

from llmbook import cli
from llmbook.build import seeds

CHECK = "from pathlib import Path\nassert seed != 2, f'the claim fails for seed {seed}'\nprint(seed)"


@pytest.fixture
def book(tmp_path):
    """One page that holds for every seed but 2."""
    return tiny_book.make(tmp_path, {"alpha": tiny_book.page("Alpha", new_code_cell(CHECK))})


@pytest.fixture
def ran(monkeypatch):
    """The seeds that are run, without a kernel: seed 2 fails."""
    found = []

    def one(root, path, seed, timeout):
        found.append((path.stem, seed))
        return "AssertionError: the claim fails" if seed == 2 else ""

    monkeypatch.setattr(seeds, "_one", one)
    return found


def stored(root):
    return json.loads((root / seeds.FILE).read_text())


def test_a_page_is_run_with_each_seed_and_book_is_left_alone(book):
    before, said = (book / "book" / "alpha.ipynb").read_bytes(), []
    failures = seeds.run(book, ["alpha"], (1, 2), say=said.append)
    assert said[0] == "alpha, seed 1: held"
    assert len(failures) == 1 and "AssertionError: the claim fails for seed 2" in failures[0]
    assert (book / "book" / "alpha.ipynb").read_bytes() == before
    record = stored(book)["alpha"]
    assert record["held"] == [1] and "the claim fails for seed 2" in record["failed"]["2"]
    assert record["versions"]["python"] and record["hardware"]["cores"] and record["date"]


def test_seeds_that_held_are_not_run_again_and_those_that_failed_are(book, ran):
    seeds.run(book, ["alpha"], (0, 1, 2))
    ran.clear()
    assert len(seeds.run(book, ["alpha"], (0, 1, 2, 3))) == 1
    assert ran == [("alpha", 2), ("alpha", 3)]
    assert stored(book)["alpha"]["held"] == [0, 1, 3]


def test_a_kill_keeps_what_held_before(book, ran, monkeypatch):
    def killed(root, path, seed, timeout):
        if seed == 1:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(seeds, "_one", killed)
    with pytest.raises(KeyboardInterrupt):
        seeds.run(book, ["alpha"], (0, 1, 3))
    assert stored(book)["alpha"]["held"] == [0]


def test_other_code_makes_what_held_before_worthless(book, ran):
    seeds.run(book, ["alpha"], (0, 1))
    edit(book, "print(seed, seed)")
    seeds.run(book, ["alpha"], (3,))
    assert stored(book)["alpha"]["held"] == [3]


def edit(book, source):
    notebook = tiny_book.load(book, "alpha")
    notebook.cells[-1].source = source
    tiny_book.save(book, "alpha", notebook)


def test_a_page_that_is_edited_while_it_runs_is_not_recorded(book, monkeypatch):
    monkeypatch.setattr(seeds, "_one", lambda *_: edit(book, "print('new')") or "")
    with pytest.raises(ValueError, match="changed while seed 0 ran"):
        seeds.run(book, ["alpha"], (0,))
    assert not (book / seeds.FILE).exists()


def test_a_page_without_a_seed_is_left_out_and_other_pages_keep_their_record(book, ran):
    page = tiny_book.page("Beta")
    page.cells[2].source = "scale = 'laptop'"
    tiny_book.save(book, "beta", page)
    (book / seeds.FILE).parent.mkdir(parents=True)
    (book / seeds.FILE).write_text('{"gamma": {"fingerprint": "x", "held": [0], "failed": {}}}')
    said = []
    seeds.run(book, [], (0,), say=said.append)
    assert ran == [("alpha", 0)] and any("beta: no parameter" in line for line in said)
    assert set(stored(book)) == {"alpha", "gamma"}


def test_what_held_counts_for_that_code_only_and_not_beside_a_failure(book, ran):
    seeds.run(book, ["alpha"], (1, 0))
    fingerprint = stored(book)["alpha"]["fingerprint"]
    assert seeds.held(book, "alpha", fingerprint) == [0, 1]
    assert seeds.held(book, "alpha", "another") == [] == seeds.held(book, "alpha", None)
    assert seeds.held(book, "unknown", fingerprint) == []
    seeds.run(book, ["alpha"], (2,))
    assert seeds.held(book, "alpha", fingerprint) == []


def test_the_command_says_how_it_went(book, ran, capsys):
    assert cli.main(["--root", str(book), "seeds", "alpha", "--seeds", "0-1"]) == 0
    assert cli.main(["--root", str(book), "seeds", "alpha", "--seeds", "2"]) == 1
    assert "alpha, seed 1: held" in capsys.readouterr().out
    assert cli.main(["--root", str(book), "seeds", "nobody"]) == 1
    assert cli.main(["--root", str(book), "seeds", "alpha", "--seeds", "9-0"]) == 1


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "1-2-3"])
def test_what_names_no_seeds_is_refused(text):
    with pytest.raises(ValueError, match="such as 0-9"):
        seeds.numbers(text)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_record_is_refused(book, text):
    (book / seeds.FILE).parent.mkdir(parents=True)
    (book / seeds.FILE).write_text(text)
    with pytest.raises(ValueError, match="restore it from git"):
        seeds.records(book)
