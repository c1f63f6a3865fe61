"""`llmbook artefacts`: found without a registry, listed, made, verified, cleared; old records turn `check` red."""

import json
import os
import shutil
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tiny_book

from llmbook import cli
from llmbook.build import artefacts, check, freshness, pages
from llmbook.core.measure.records import Record
from llmbook.core.run.artefacts import Artefact


def make_tiny(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def make_other(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


@dataclass(frozen=True)
class Run:
    seed: int


def measure(seeds):
    yield from (Run(seed) for seed in range(seeds))


@pytest.fixture
def two(tmp_path, monkeypatch):
    """An artefact and a record, as if they were all there are, and an empty cache."""
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path / "cache"))
    module = types.ModuleType("somewhere")
    record = Record("runs", measure, {"seeds": 2}, seconds=9, path=tmp_path / "runs.json")
    module.ARTEFACTS = (Artefact("tiny", make_tiny, seconds=20), record)
    monkeypatch.setitem(sys.modules, "somewhere", module)
    monkeypatch.setattr(artefacts, "modules", lambda *_: ["somewhere"])
    return module


def replaced(two, **change):
    two.ARTEFACTS = (replace(two.ARTEFACTS[0], **change), two.ARTEFACTS[1])


def states(capsys):
    """Name -> state, as the command lists them."""
    capsys.readouterr()
    assert cli.main(["artefacts"]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    columns = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert columns[0] == ["name", "key", "MB", "state", "seconds to make"]
    return {name: state for name, _, _, state, _ in columns[1:]}


def test_modules_that_keep_artefacts_are_found_by_their_source():
    assert set(artefacts.modules()) == {
        "llmbook.core.models.pretrained",
        "llmbook.overview.domains",
        "llmbook.history.bottleneck",
        "llmbook.history.ladder",
        "llmbook.history.longer",
        "llmbook.history.recall",
        "llmbook.history.vectors",
        "llmbook.neural_networks.baselines",
        "llmbook.neural_networks.learning",
        "llmbook.neural_networks.stopping",
        "llmbook.neural_networks.stuck",
        "llmbook.architecture.ablation",
        "llmbook.architecture.context",
        "llmbook.architecture.families",
        "llmbook.architecture.length_extrapolation",
        "llmbook.architecture.norms",
        "llmbook.architecture.recall",
    }
    history = {"bottleneck", "ladder", "longer", "recall", "vectors"}
    measured = history | {
        "families",
        "positions",
        "positions-early",
        "context",
        "planted",
        "norms",
        "ablation",
    }
    networks = {"activations", "readers", "stopping", "stuck"}
    assert set(artefacts.everything()) == {"smollm2", "excerpts"} | networks | measured


def test_each_is_listed_with_key_size_state_and_time(two, capsys):
    assert states(capsys) == {"tiny": "missing", "runs": "missing"}
    assert cli.main(["artefacts", "make"]) == 0
    assert states(capsys) == {"tiny": "made", "runs": "made"}
    replaced(two, make=make_other)
    assert states(capsys) == {"tiny": "stale", "runs": "made"}
    assert cli.main(["artefacts", "make"]) == 0
    assert states(capsys) == {"tiny": "made (and 1 older)", "runs": "made"}


def test_making_without_names_makes_what_is_not_there_and_with_names_makes_it_anew(two, capsys):
    assert cli.main(["artefacts", "make"]) == 0
    said = capsys.readouterr().out
    assert "tiny: " in said and "runs: " in said
    assert cli.main(["artefacts", "make"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["artefacts", "make", "runs"]) == 0
    assert "runs: " in capsys.readouterr().out


def test_an_unknown_name_is_refused_with_those_there_are(two, capsys):
    assert cli.main(["artefacts", "make", "nothing"]) == 1
    assert "there are runs, tiny" in capsys.readouterr().err


def test_two_artefacts_of_one_name_are_refused(two):
    two.ARTEFACTS = (two.ARTEFACTS[0], replace(two.ARTEFACTS[0], config={"x": 1}))
    with pytest.raises(ValueError, match="two artefacts are called 'tiny'"):
        artefacts.everything()


def damage_unseen(path):
    """Another content of the same length, as a failing disk leaves it: with the old time stamp."""
    stat = path.stat()
    path.write_text("[]")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_verifying_finds_a_damaged_artefact_and_an_old_record(two, capsys):
    assert cli.main(["artefacts", "make"]) == 0 and cli.main(["artefacts", "verify"]) == 0
    damage_unseen(two.ARTEFACTS[0].folder / "config.json")
    assert two.ARTEFACTS[0].state() == "made"  # as its length and its time say
    capsys.readouterr()
    assert cli.main(["artefacts", "verify"]) == 1
    assert "tiny: damaged\nruns: made\n" in capsys.readouterr().out
    assert cli.main(["artefacts", "make"]) == 0 and cli.main(["artefacts", "verify"]) == 0
    two.ARTEFACTS = (two.ARTEFACTS[0], replace(two.ARTEFACTS[1], config={"seeds": 3}))
    assert cli.main(["artefacts", "verify"]) == 1


def test_clearing_deletes_what_is_named_or_stale_or_all_but_never_a_record(two, capsys):
    assert cli.main(["artefacts", "make"]) == 0
    old = two.ARTEFACTS[0].folder
    replaced(two, make=make_other)
    new = two.ARTEFACTS[0].get()
    gone = Artefact("gone", make_tiny).get()  # of a name that there is no more
    assert cli.main(["artefacts", "clear", "tiny", "--stale"]) == 0
    assert (old.exists(), new.exists(), gone.exists()) == (False, True, True)
    assert cli.main(["artefacts", "clear", "--stale"]) == 0
    assert (new.exists(), gone.exists()) == (True, False)
    assert cli.main(["artefacts", "clear", "runs"]) == 1
    assert "stored with the book" in capsys.readouterr().err
    (being_made := new.parent / ".tiny-0000.abcd.tmp").mkdir()
    assert cli.main(["artefacts", "clear"]) == 0
    assert [path for path in new.parent.iterdir() if path.is_dir()] == [being_made] and two.ARTEFACTS[
        1
    ].path.exists()


# ---------------------------------------------------------------- `llmbook check`


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A copy of the package, without pages, whose record `ladder` is that of its maker."""
    root = tmp_path_factory.mktemp("book")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(artefacts.PACKAGE_DIR, root / "src" / "llmbook", ignore=ignore)
    (root / "book").mkdir()
    path = root / "src/llmbook/history/data/ladder.json"
    stored = json.loads(path.read_text())
    stored["about"]["key"] = artefacts.everything()["ladder"].key
    path.write_text(json.dumps(stored))
    return root


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("history/ladder.py", "BATCH = 16", "BATCH = 32", True),
        ("core/train/optim.py", "class Recipe:", "class Recipe(object):", True),
        ("history/ladder.py", '"seeds": 3', '"seeds": 4', True),
        ("history/climbs.py", 'linewidth=1.2, linestyle="--"', 'linewidth=1.3, linestyle="--"', False),
        ("history/ladder.py", '"""Train one network', '"""Train a network', False),
    ],
    ids=["the maker", "what it uses", "its configuration", "a figure", "a docstring"],
)
def test_a_record_older_than_the_code_that_makes_it_turns_check_red(book, file, old, new, stale):
    path = book / "src" / "llmbook" / file
    code = path.read_text()
    assert code.count(old) == 1
    path.write_text(code.replace(old, new))
    try:
        found = [str(p) for p in check.check_book(book) if "record ladder" in str(p)]
    finally:
        path.write_text(code)
    assert bool(found) == stale
    if stale:
        assert (
            found[0].startswith("history: the record ladder")
            and "`llmbook artefacts make ladder`" in found[0]
        )


def test_weights_of_older_conversion_code_turn_check_red(book):
    """A page that reads SmolLM2 is as old as the conversion: without the step that sets digits apart it is stale."""
    page, notebook = (
        book / "book" / "words.ipynb",
        tiny_book.page(
            "Words", tiny_book.code("from llmbook.core.models import pretrained\npretrained.load()")
        ),
    )
    for place, cell in enumerate(pages.code_cells(notebook), 1):
        cell.execution_count = place
    notebook.metadata.llmbook = freshness.facts(page, book, notebook)
    tiny_book.save(book, "words", notebook)
    module = book / "src/llmbook/core/models/pretrained.py"
    code = module.read_text()
    try:
        assert check.check_page(page, book) == []
        module.write_text(code.replace("Digits(individual_digits=True), ", ""))
        found = [str(problem) for problem in check.check_page(page, book)]
        assert found == ["words: stale: llmbook.core.models.pretrained:convert_gguf changed"]
    finally:
        module.write_text(code)
        page.unlink()


def test_a_missing_record_turns_check_red(book):
    path = book / "src/llmbook/history/data/ladder.json"
    path.rename(path.with_suffix(".away"))
    try:
        assert ("history", "the record ladder.json is missing") in artefacts.old_records(book)
    finally:
        path.with_suffix(".away").rename(path)


def test_a_package_that_cannot_be_imported_is_said_so_and_hides_no_record(book):
    path = book / "src/llmbook/history/ladder.py"
    code = path.read_text()
    path.write_text(code + "\nraise RuntimeError('broken')\n")
    try:
        assert "cannot be checked: RuntimeError: broken" in artefacts.old_records(book)[0][1]
    finally:
        path.write_text(code)


def test_no_record_of_the_book_counts_among_what_makes_it():
    from llmbook.core.run.closure import closure

    package = Path(artefacts.__file__).parents[1]
    records = [artefact for artefact in artefacts.everything().values() if isinstance(artefact, Record)]
    assert len(records) >= 3
    for record in records:
        made_of = closure([f"{record.make.__module__}:{record.make.__name__}"], package)
        assert not [name for name in made_of if name.endswith(f"/data/{record.path.name}")]
