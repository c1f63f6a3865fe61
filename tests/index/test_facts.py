"""What a page costs and has checked: `llmbook.index.facts`."""

import json

import pytest

from llmbook.index.facts import WORDS_A_LINE, WORDS_A_MINUTE, Facts, facts


def prose(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text, *tags, printed="", kind="stream"):
    outputs = [{"output_type": kind, "name": "stdout", "text": printed.splitlines(keepends=True)}]
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": text, "outputs": outputs}


def page(folder, *cells, **record):
    path = folder / "page.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"llmbook": record} if record else {}}))
    return path


def test_claims_are_lines_of_printed_text_that_begin_with_a_tick(tmp_path):
    cells = [
        code("a", printed="✓ one\n✓ two\nbetween\n✓ three"),
        code("b", "hide-input", printed=" ✓ indented\n✓alone\nno ✓ here\n✓"),
        code("print('✓ in code')"),
        prose("✓ in prose"),
        code("c", printed="✓ no stream\n", kind="error"),
    ]
    assert facts(page(tmp_path, *cells)).claims == 3


def test_a_page_that_was_never_run_has_no_time_and_one_without_a_title_its_name(tmp_path):
    known = facts(page(tmp_path, prose("Text\n## Part\n")))
    assert (known.title, known.seconds, known.running, known.claims) == ("page", None, "", 0)


def test_title_and_seconds_are_those_that_stand_in_the_notebook(tmp_path):
    known = facts(page(tmp_path, prose("(label)=\n# The title\ntext"), prose("# Another"), seconds=41.2))
    assert (known.title, known.seconds, known.running) == ("The title", 41.2, "runs in about 40 s")


def test_the_time_to_read_counts_words_and_open_code_but_no_folded_code_and_no_solution(tmp_path):
    words = " ".join(["word"] * 10 * WORDS_A_MINUTE)
    lines = "\n".join(["x = 1", ""] * (4 * WORDS_A_MINUTE // WORDS_A_LINE))
    solution = prose(f"<details><summary>Solution</summary>\n{words}\n</details>")
    folded = [code(lines, tag) for tag in ("launch", "hide-input", "hide-cell", "remove-input")]
    assert facts(page(tmp_path, prose(words))).minutes == 10
    assert facts(page(tmp_path, prose(words), solution, *folded)).minutes == 10
    assert facts(page(tmp_path, prose(words), code(lines))).minutes == 14
    assert facts(page(tmp_path, prose("A"))).minutes == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds"),
        (9.0, "about 10 s"),
        (62.0, "about 60 s"),
        (118.0, "about 2 minutes"),
        (None, ""),
    ],
)
def test_times_are_told_as_one_tells_them(seconds, words):
    assert Facts("x", "X", 1, seconds, 0).running.removeprefix("runs in ") == words
    assert Facts("x", "X", 1, None, 0).reading == "1 minute to read"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"cells": 3}', '{"cells": [{}], "metadata": {}}'])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(ValueError, match="is not a notebook"):
        facts(tmp_path / "x.ipynb")
