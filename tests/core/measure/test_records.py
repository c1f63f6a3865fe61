"""Stored measurements: written whole, read as they were, anything else refused, and stale when their maker changes."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from llmbook.core.measure import records
from llmbook.core.measure.records import Record, StaleRecord
from llmbook.core.run.artefacts import MADE, MISSING, STALE


@dataclass(frozen=True)
class Run:
    name: str
    seed: int
    score: float = 0.0


@dataclass(frozen=True)
class Other:
    name: str


ROWS = [Run("a", 0, 1.25), Run("é", 1)]


def measure(seconds, seeds=2):
    """Two rows, whatever is asked for."""
    yield from ROWS


def measure_otherwise(seconds, seeds=2):
    yield from ROWS[:1]


def measure_nonsense(seconds):
    yield Run("nan", 0, float("nan"))


@pytest.fixture
def record(tmp_path):
    made = Record("runs", measure, {"seconds": [3, 10]}, seconds=40, path=tmp_path / "x.json")
    made.remake()
    return made


@pytest.fixture(autouse=True)
def no_warnings():
    """A record that is up to date warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", StaleRecord)
        yield


def test_rows_survive_storing_with_what_they_were_measured_on(record):
    rows, about = records.load(record, Run)
    assert rows == ROWS and record.state() == MADE
    assert about["seconds"] == [3, 10] and about["hardware"]["cores"] >= 1 and "torch" in about["versions"]
    assert about["key"] == record.key and about == record.about() and record.size() > 100


@pytest.mark.parametrize(
    "change",
    [
        {"make": measure_otherwise},
        {"config": {"seconds": [3]}},
        {"source": "other"},
        {"versions": ("torch",)},
    ],
)
def test_a_record_that_another_maker_or_another_configuration_made_is_stale_and_says_what_to_do(
    record, change
):
    changed = replace(record, **change)
    assert changed.state() == STALE
    with pytest.warns(
        StaleRecord, match=r"runs \(x\.json\) is older .*`llmbook artefacts make runs`.* about 40 s"
    ):
        rows, _ = records.load(changed, Run)
    assert rows == ROWS  # a reader who changes code still gets them


def test_a_record_from_before_keys_is_stale(record):
    stored = json.loads(record.path.read_text())
    del stored["about"]["key"]
    record.path.write_text(json.dumps(stored))
    assert record.state() == STALE
    with pytest.warns(StaleRecord):
        records.load(record, Run)


def test_asking_for_a_stale_record_does_not_measure_and_remaking_does(record):
    changed = replace(record, make=measure_otherwise)
    before = record.path.read_text()
    assert changed.get() == record.path and record.path.read_text() == before
    changed.remake()
    assert records.load(changed, Run)[0] == ROWS[:1] and changed.state() == MADE and record.state() == STALE


def test_a_missing_record_is_measured_when_it_is_asked_for(record):
    record.path.unlink()
    assert (record.state(), record.size(), record.about()) == (MISSING, 0, {})
    with pytest.raises(ValueError, match=r"`llmbook artefacts make runs`"):
        records.load(record, Run)
    assert record.get() == record.path and records.load(record, Run)[0] == ROWS


def test_a_record_that_cannot_be_written_leaves_the_old_one(record):
    bad = replace(record, make=measure_nonsense)
    with pytest.raises(ValueError, match=r"[Oo]ut of range float"):
        bad.remake()
    assert records.load(record, Run)[0] == ROWS
    assert [p.name for p in record.path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": []}', '{"about": {}, "rows": [{"name": "a"}]}', '{"about": {}, "rows": [3]}',
             '{"about": 3, "rows": []}']
)  # fmt: skip
def test_what_is_no_record_is_refused_by_name(record, text):
    record.path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no record of Run.*llmbook artefacts make runs"):
        records.load(record, Run)
    assert record.state() == STALE


def test_rows_of_another_kind_are_refused(record):
    with pytest.raises(ValueError, match="rows of Other need exactly name"):
        records.load(record, Other)
    assert set(json.loads(record.path.read_text())) == {"about", "rows"}


def test_a_record_keeps_nothing_in_the_cache(record, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path / "cache"))
    assert record.kept() == [] and not Path(tmp_path / "cache").exists()
