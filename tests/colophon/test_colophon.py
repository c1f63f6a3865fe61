"""The colophon tells what stands in the notebooks' metadata, no more and no less."""

import json

import pytest

from llmbook import colophon

RECORD = {
    "seconds": 12.34,
    "peak_mb": 1234,
    "executed": "2026-11-21",
    "parameters": {"scale": "laptop", "seed": 0},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "hardware": {"cpu": "A<B", "cores": 2, "memory_gib": 7.5, "accelerator": None},
}


def store(book, name, record, title="Title"):
    metadata = {} if record is None else {"llmbook": record}
    cells = [
        {"cell_type": "code", "source": "# no"},
        {"cell_type": "markdown", "source": [f"# {title}\n", "text"]},
    ]
    (book / f"{name}.ipynb").write_text(json.dumps({"cells": cells, "metadata": metadata}))


@pytest.fixture
def runs(tmp_path):
    store(tmp_path, "history", RECORD)
    store(tmp_path, "architecture", RECORD | {"seconds": 50.0, "hardware": {"cores": 96}}, "Attention & more")
    store(tmp_path, "overview", RECORD | {"seconds": 1.0, "peak_mb": 1700})
    store(tmp_path, "draft", None)
    store(tmp_path, "colophon", RECORD)
    return colophon.runs(tmp_path)


def test_executed_pages_are_listed_slowest_first_without_drafts_and_the_colophon(runs):
    assert [run.page for run in runs] == ["architecture", "history", "overview"]


def test_the_table_has_time_memory_date_and_scale_of_each_page(runs):
    html = colophon.runs_table(runs)
    row = next(line for line in html.splitlines() if "history.html" in line)
    assert row == (
        '<tr><th scope="row"><a href="history.html">Title</a></th><td>12.3</td><td>1,234</td>'
        '<td><span style="white-space: nowrap">2026-11-21</span></td><td>laptop</td><td>A</td></tr>'
    )
    assert "Attention &amp; more" in html


def test_pages_run_alike_share_an_environment(runs):
    assert len(colophon.environments(runs)) == 2
    html = colophon.environments_table(runs)
    assert "python 3.11.7, torch 2.13.0" in html
    assert "cpu A&lt;B, cores 2, memory 7.5 GiB, no accelerator" in html


def test_the_summary_names_the_slowest_and_the_largest_page(runs):
    text = colophon.summary(runs)
    assert "(3): 63 s" in text
    assert "slowest, architecture: 50 s" in text and "largest, overview: 1,700 MB" in text


def test_without_records_the_page_says_so_and_its_tables_are_empty(tmp_path):
    assert "clone" in colophon.summary(colophon.runs(tmp_path))
    assert colophon.runs_table([]).count("<tr>") == 1


def test_a_file_that_is_not_a_notebook_is_refused(tmp_path):
    (tmp_path / "x.ipynb").write_text('{"cells": [')
    with pytest.raises(ValueError, match="not a notebook"):
        colophon.runs(tmp_path)
