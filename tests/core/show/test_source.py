"""Code as a page shows it: `llmbook.core.show.source`."""

import ast
import re

import pytest

from llmbook.core.models import attention
from llmbook.core.show import source as module
from llmbook.core.show.source import Source, shorten, source

WHOLE = '''
    @decorated  # with a reason
    def attend(q, k, *, mask=None):
        """Weighted mean of the values, (B, T, D). Raises ``ValueError`` for 0.5 of a mask. Rows sum to 1.

        ``mask`` is bool.

        >>> attend(1, 2)
        3

        Raises:
            ValueError: ``q`` is empty.
        """
        # sizes first
        if q is None:
            raise ValueError("give q")
        if k is None: raise ValueError("give k")
        check_ids(q, k)
        self._check_mask(mask)
        checked = check_ids(q, k)


        if mask:  # a choice, no guard
            q = q + mask
        else:
            raise ValueError
        return q @ k
'''
SHORT = '''\
@decorated  # with a reason
def attend(q, k, *, mask=None):
    """Weighted mean of the values, (B, T, D). Rows sum to 1.

    ``mask`` is bool.
    """
    # sizes first
    checked = check_ids(q, k)

    if mask:  # a choice, no guard
        q = q + mask
    else:
        raise ValueError
    return q @ k'''


def test_examples_sections_on_errors_and_guards_go_and_the_rest_stays_as_it_is():
    assert shorten(WHOLE) == SHORT


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    if x:\n        raise ValueError\n    else:\n        x = 2\n    return x",
        "def f(x):\n    if x:\n        x = 2\n        raise ValueError(x)\n    return x",
        "def f(x):\n    y = check_ids(x)\n    recheck_ids(x)\n    return y",
    ],
)
def test_a_choice_of_which_one_side_raises_stays(text):
    assert shorten(text) == text


def test_shortening_twice_changes_nothing():
    assert shorten(SHORT) == SHORT


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    if x:\n        raise ValueError(x)",
        "def f(x):\n    '''Only check.\n\n    >>> f(0)\n    '''\n    check_ids(x)",
        "class A:\n    def f(self):\n        if self:\n            raise ValueError\n\n    def g(self):\n        pass",
        "def f():\n    if 1:\n        if 2:\n            raise ValueError\n    return 3",
        "def f():\n    for x in y:\n        check_ids(x)\n    return x",
    ],
)
def test_what_is_left_is_still_python(text):
    ast.parse(shorten(text))


def test_a_docstring_that_is_only_a_line_stays_a_line():
    assert (
        shorten('def f():\n    """One.\n\n    >>> f()\n    """\n    return 1')
        == 'def f():\n    """One."""\n    return 1'
    )


def test_a_real_function_of_the_book_keeps_its_steps_and_comments():
    shown = source(attention.attention_weights)
    assert "scores = q @ k.mT * scale  # (B, H, T, D) @ (B, H, D, S) -> (B, H, T, S)" in shown
    assert ">>>" not in shown and "Raises" not in shown


def test_several_are_shown_in_the_order_given_and_methods_stand_at_the_margin():
    shown = source(Source._repr_html_, shorten)
    assert (
        shown.startswith("def _repr_html_")
        and "\n\n\ndef shorten" not in shown
        and "\n\ndef shorten" in shown
    )


def test_the_text_is_what_a_notebook_shows_without_html_and_the_html_holds_the_same_text():
    from html import unescape

    shown = source(module.shorten)
    assert repr(shown) == str(shown)
    page = shown._repr_html_()
    assert unescape(re.sub(r"<[^>]+>", "", page)).strip() == str(shown).strip()
    assert '<span class="k">def</span>' in page and page.startswith('<div class="highlight ')
    assert page == source(module.shorten)._repr_html_()


def test_what_a_notebook_defines_can_be_shown_as_well(tmp_path):
    import linecache

    code = 'def softmax(x):\n    """Shares."""\n    return x\n'
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(keepends=True), "<cell>")
    names: dict = {}
    exec(compile(code, "<cell>", "exec"), names)
    assert source(names["softmax"]) == code.rstrip("\n")


@pytest.mark.parametrize("thing", [len, 3, "text", module, lambda x: x, int], ids=lambda x: type(x).__name__)
def test_what_has_no_definition_to_show_is_refused(thing):
    with pytest.raises(ValueError, match="source"):
        source(thing)


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="given"):
        source()
