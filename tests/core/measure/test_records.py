"""Stored measurements: written whole, read as they were, anything else refused."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from llmbook.core.measure import records


@dataclass(frozen=True)
class Run:
    name: str
    seed: int
    score: float = 0.0


@dataclass(frozen=True)
class Other:
    name: str


ROWS = [Run("a", 0, 1.25), Run("é", 1)]


def test_rows_survive_saving_with_what_they_were_measured_on(tmp_path):
    records.save(ROWS, tmp_path / "x.json", seconds=[3, 10])
    rows, about = records.load(tmp_path / "x.json", Run)
    assert rows == ROWS
    assert about["seconds"] == [3, 10] and about["hardware"]["cores"] >= 1 and "torch" in about["versions"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path):
    records.save(ROWS, tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"[Oo]ut of range float"):
        records.save([Run("nan", 0, float("nan"))], tmp_path / "x.json")
    assert records.load(tmp_path / "x.json", Run)[0] == ROWS
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": []}', '{"about": {}, "rows": [{"name": "a"}]}', '{"about": {}, "rows": [3]}']
)
def test_what_is_no_record_is_refused_by_name(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no record of Run.*benchmarks/"):
        records.load(tmp_path / "x.json", Run)


def test_rows_of_another_kind_are_refused(tmp_path):
    records.save(ROWS, tmp_path / "x.json")
    with pytest.raises(ValueError, match="rows of Other need exactly name"):
        records.load(tmp_path / "x.json", Other)
    assert set(json.loads((tmp_path / "x.json").read_text())) == {"about", "rows"}
