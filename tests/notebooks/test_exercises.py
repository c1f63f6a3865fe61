"""Every exercise of every page: its check accepts the page's own solution and refuses wrong answers.

A page has exercises when it has headings ``### Exercise N: ...``. Under each there is a code cell with
``answer_N = ...`` and ``grade(N, answer_N)``, and a folded solution whose Python defines ``answer_N``.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from llmbook.build import pages
from llmbook.core.show.grading import Exercise, close, expect, grader, verdict

ROOT = Path(__file__).parents[2]
WITH_EXERCISES = (
    "overview",
    "history",
    "neural_networks",
    "architecture",
)  # every page but the reference part

HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)
EXERCISE = re.compile(r"Exercise (\d+)\b")
SOLUTION = re.compile(r"<details>\s*<summary>[^<]*</summary>(.*?)</details>", re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass
class Section:
    """What stands under one exercise's heading."""

    code: list[str] = field(default_factory=list)
    text: str = ""

    @property
    def solution(self) -> str:
        """The Python of the folded solution, empty when there is none."""
        return "\n".join(block for folded in SOLUTION.findall(self.text) for block in PYTHON.findall(folded))


def without_fences(text: str) -> str:
    """The text with fenced blocks blanked, so that a comment in code is no heading."""
    return re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.MULTILINE | re.DOTALL)


def exercise_sections(notebook: NotebookNode) -> dict[int, Section]:
    """Number -> what is between its heading and the next heading of any kind, in the page's order."""
    sections: dict[int, Section] = {}
    now: Section | None = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if now is not None:
                now.code.append(cell.source)
            continue
        start = 0
        for heading in HEADING.finditer(without_fences(cell.source)):
            if now is not None:
                now.text += cell.source[start : heading.start()]
            start, number = heading.end(), EXERCISE.match(heading[1])
            now = Section() if number else None
            if number and now is not None:
                if int(number[1]) in sections:
                    raise ValueError(f"two headings say Exercise {number[1]}")
                sections[int(number[1])] = now
        if now is not None:
            now.text += cell.source[start:]
    return sections


def problems(number: int, section: Section, exercise: Exercise) -> list[str]:
    """What is wrong with one exercise, in words; an empty list is good."""
    found = []
    asked = [code for code in section.code if f"grade({number}, answer_{number})" in code]
    if len(asked) != 1 or not re.search(rf"^answer_{number} = \.\.\.(\s|$)", asked[0], re.MULTILINE):
        found.append(
            f"needs one code cell with `answer_{number} = ...` and `grade({number}, answer_{number})`"
        )
    else:
        found += untouched_problems(number, asked[0], exercise)
    if f"answer_{number} =" not in section.solution:
        return [*found, f"needs <details> with a ```python block that defines answer_{number}"]
    said = verdict(exercise, solve(number, section.solution))
    return found if said == "correct" else [*found, f"its own solution is {said!r}"]


def untouched_problems(number: int, code: str, exercise: Exercise) -> list[str]:
    """The cell as the reader finds it has to run and say "not attempted"."""
    said: list[str] = []
    exec(code, {"grade": lambda n, answer: said.append(verdict(exercise, answer))})
    return [] if said == ["not attempted"] else [f"the untouched cell says {said}"]


def solve(number: int, source: str) -> object:
    """Run a solution by itself, as a reader would in a fresh kernel, and return its answer."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace[f"answer_{number}"]


def checks_of(page: str) -> dict[int, Exercise]:
    return importlib.import_module(f"llmbook.{page}.exercises").EXERCISES


def collect() -> dict[str, dict[int, Section]]:
    """Page -> its exercises, for every notebook that has any."""
    found = {path.stem: exercise_sections(pages.read(path)) for path in pages.book_pages(ROOT)}
    return {page: sections for page, sections in found.items() if sections}


PAGES = collect()
EVERY = [(page, number) for page, sections in PAGES.items() for number in sections]
MODULES = sorted(p.parent.name for p in (ROOT / "src/llmbook").glob("*/exercises.py"))


# ---------------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize("page", WITH_EXERCISES)
def test_the_page_has_at_least_four_exercises(page):
    assert f"book/{page}" in pages.toc_files(ROOT)
    assert len(PAGES.get(page, {})) >= 4


@pytest.mark.parametrize("page", sorted({*PAGES, *MODULES}))
def test_the_exercises_of_the_page_are_those_of_its_module_numbered_from_one(page):
    numbers = list(checks_of(page))
    assert list(PAGES.get(page, {})) == numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", PAGES)
def test_the_page_grades_with_its_own_module(page):
    code = "\n".join(cell.source for cell in pages.code_cells(pages.read(ROOT / "book" / f"{page}.ipynb")))
    imported = set(re.findall(r"from llmbook\.(\w+)\.exercises import", code))
    assert imported == {page}


@pytest.mark.parametrize(("page", "number"), EVERY)
def test_the_solution_on_the_page_is_accepted_and_the_untouched_cell_is_not_attempted(page, number):
    assert problems(number, PAGES[page][number], checks_of(page)[number]) == []


@pytest.mark.parametrize(("page", "number"), [(page, n) for page in MODULES for n in checks_of(page)])
def test_every_declared_wrong_answer_gets_a_hint(page, number):
    exercise = checks_of(page)[number]
    for wrong in exercise.wrong:
        said = verdict(exercise, wrong)
        assert re.fullmatch(r"not yet: .*\S.*", said, re.DOTALL), f"{wrong!r} gets {said!r}"
    assert verdict(exercise, ...) == "not attempted"


NONSENSE = {"None": None, "text": "", "list": [], "function": lambda *arguments: None, "nan": float("nan")}


@pytest.mark.parametrize(("page", "number"), [(page, n) for page in MODULES for n in checks_of(page)])
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_and_never_raises(page, number, nonsense):
    assert verdict(checks_of(page)[number], nonsense).startswith("not yet: ")


@pytest.mark.parametrize("page", MODULES)
def test_the_pages_grade_prints_what_the_exercise_says(page, capsys):
    module = importlib.import_module(f"llmbook.{page}.exercises")
    module.grade(1, ...)
    module.grade(1, module.EXERCISES[1].wrong[0])
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Exercise 1: not attempted" and second.startswith("Exercise 1: not yet: ")
    with pytest.raises(ValueError, match="not 99"):
        module.grade(99, 1)


# ------------------------------------------------------------------------------ and these checks can fail

TWO = Exercise(lambda x: expect(x == 2, "count again"), wrong=(3,))
GOOD = "```python\nanswer_1 = 1 + 1\n```"


def tiny_page(solution: str = GOOD, code: str = "answer_1 = ...\n\ngrade(1, answer_1)") -> NotebookNode:
    folded = f"<details><summary>Solution</summary>\n\nAdd.\n\n{solution}\n\n</details>"
    return new_notebook(
        cells=[
            new_markdown_cell("## Exercises\n\nReplace `...`."),
            new_code_cell("from llmbook.tiny.exercises import grade"),
            new_markdown_cell("### Exercise 1: add\n\nOne and one?"),
            new_code_cell(code),
            new_markdown_cell(folded + "\n\n## What to remember\n\n```python\nanswer_1 = 5\n```"),
            new_code_cell("answer_1 = 7"),
        ]
    )


def found_on(page: NotebookNode) -> list[str]:
    return problems(1, exercise_sections(page)[1], TWO)


def test_a_good_exercise_has_no_problem_and_ends_at_the_next_heading():
    assert found_on(tiny_page()) == []
    section = exercise_sections(tiny_page())[1]
    assert section.solution == "answer_1 = 1 + 1\n" and len(section.code) == 1


def test_headings_within_code_are_not_headings():
    section = exercise_sections(tiny_page("```python\n# Exercise 2\nanswer_1 = 2\n```"))
    assert list(section) == [1] and "# Exercise 2" in section[1].solution


@pytest.mark.parametrize("wrong", ["1 + 2", "...", "None", "'2'"])
def test_an_altered_solution_is_caught(wrong):
    (problem,) = found_on(tiny_page(GOOD.replace("1 + 1", wrong)))
    assert problem.startswith("its own solution is 'not ")


@pytest.mark.parametrize(("page", "number"), EVERY)
def test_a_solution_on_a_page_that_were_altered_would_be_caught(page, number):
    section = PAGES[page][number]
    spoiled = f"\n```python\nanswer_{number} = None\n```\n\n</details>"
    altered = Section(section.code, section.text.replace("</details>", spoiled))
    (problem,) = problems(number, altered, checks_of(page)[number])
    assert problem.startswith("its own solution is 'not yet: ") or 'is "not yet: ' in problem


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (tiny_page(solution="Two."), "needs <details>"),
        (tiny_page(solution="```\nanswer_1 = 2\n```"), "needs <details>"),
        (tiny_page(solution="```python\nanswer_2 = 2\n```"), "needs <details>"),
        (tiny_page(code="answer_1 = ..."), "needs one code cell"),
        (tiny_page(code="answer_1 = 2\ngrade(1, answer_1)"), "needs one code cell"),
        (tiny_page(code="answer_1 = ...\nanswer_1 = 0\ngrade(1, answer_1)"), "the untouched cell says"),
    ],
)
def test_a_missing_part_is_noticed(page, problem):
    assert [p[: len(problem)] for p in found_on(page)] == [problem]


def test_a_solution_that_leans_on_another_cell_fails():
    with pytest.raises(NameError):
        found_on(tiny_page("```python\nanswer_1 = helper(1)\n```"))


def test_two_exercises_with_one_number_are_refused():
    twice = new_notebook(cells=[new_markdown_cell("### Exercise 1\n\n### Exercise 1")])
    with pytest.raises(ValueError, match="two headings say Exercise 1"):
        exercise_sections(twice)


# -------------------------------------------------------------------------------------------- the grading


def test_an_exercise_without_wrong_answers_is_refused():
    with pytest.raises(ValueError, match="at least one wrong answer"):
        Exercise(check=lambda answer: None, wrong=())


def test_a_failing_answer_becomes_a_hint_and_not_an_error():
    call = Exercise(lambda f: expect(f(1) == 1, "the identity"), wrong=(None,))
    assert verdict(call, lambda x: 1 / 0) == "not yet: ZeroDivisionError: division by zero"
    assert verdict(call, lambda x: x) == "correct"

    def asserts(x):
        assert x > 1

    assert re.fullmatch(r"not yet: .*\S.*", verdict(call, asserts), re.DOTALL)


@pytest.mark.parametrize("right", [3, 3.0, np.float32(3), np.int64(3), 3 + 1e-9])
def test_a_number_within_the_tolerance_is_close_whatever_its_type(right):
    close(right, 3.0, 1e-6, "three")


@pytest.mark.parametrize("wrong", [3.1, "3", None, [3], float("nan"), float("inf"), 3 + 1e-5])
def test_anything_else_is_not_close(wrong):
    with pytest.raises(AssertionError, match="three"):
        close(wrong, 3.0, 1e-6, "three")


def test_true_is_not_the_number_one():
    with pytest.raises(AssertionError, match="one"):
        close(True, 1, 0, "one")


def test_grade_never_raises_for_an_answer(capsys):
    grade = grader({1: TWO})
    for answer in (..., 2, 3, object(), np.zeros(3)):
        grade(1, answer)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "Exercise 1: not attempted",
        "Exercise 1: correct",
        "Exercise 1: not yet: count again",
    ]
    assert all(line.startswith("Exercise 1: not yet: ") for line in said[3:])
