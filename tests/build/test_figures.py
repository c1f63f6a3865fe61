"""Figures as parts of the page: colours for light and dark, panels, numbered captions, in a small book."""

import re
import shutil
from itertools import combinations
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import figures
from llmbook.build.site import build, site_dir
from llmbook.core.show import plotting as plot
from llmbook.core.show import svg

matplotlib.use("Agg")
ROOT = Path(__file__).resolve().parents[2]


def contrast(a, b):
    high, low = sorted((plot.luminance(a), plot.luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# ---------------------------------------------------------------------------------------------------------- colours


@pytest.mark.parametrize("mode", figures.GROUND)
@pytest.mark.parametrize("color", plot.PALETTE)
def test_lines_and_text_of_the_palette_can_be_seen_on_the_page(color, mode):
    name = color[1:].lower()
    assert contrast(figures.value(name, mode), figures.GROUND[mode]) >= 3
    assert contrast(figures.value(f"t-{name}", mode), figures.GROUND[mode]) >= 4.5


# Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1: what is left of a colour.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
}  # fmt: skip


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("mode", figures.GROUND)
def test_the_first_four_colours_stay_apart_for_the_colour_blind_in_both_modes(mode, kind):
    shown = [figures.value(color[1:].lower(), mode) for color in plot.PALETTE[:4]]
    seen = [np.asarray(BLINDNESS[kind]) @ to_rgb(color) for color in shown]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.15


@pytest.mark.parametrize("cmap", ["paper-blue", "RdBu", "viridis", "Greys"])
def test_numbers_in_a_heat_map_can_be_read_in_the_dark_as_well(cmap):
    plot.figure()
    plt.close("all")
    for level in np.linspace(0, 1, 64):
        color = plt.get_cmap(cmap)(level)
        ink = "000000" if plot.luminance(color) > 0.18 else "ffffff"
        ground = figures.turned(matplotlib.colors.to_hex(color))
        assert contrast(figures.value(f"t-{ink}", "dark"), ground) >= 4.2, level


def test_white_becomes_the_dark_page_and_a_darker_shade_a_brighter_one():
    assert figures.turned("#ffffff") == figures.GROUND["dark"]
    shades = [plot.luminance(figures.turned(f"#{i:02x}{i:02x}{i:02x}")) for i in range(0, 256, 5)]
    assert shades == sorted(shades, reverse=True)
    red = figures.turned("#f4a582")
    assert int(red[1:3], 16) > int(red[5:7], 16)  # a reddish tint stays reddish


def test_every_colour_of_the_palette_and_the_inks_has_a_place_in_the_tables():
    assert {color[1:].lower() for color in plot.PALETTE} == set(figures.PALETTE)
    for color in (plot.INK, plot.PAPER, plot.FAINT):
        assert color[1:].lower() in figures.INKS


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'light' or 'dark'"):
        figures.value("0072b2", "sepia")


# ---------------------------------------------------------------------------------------------------------- pages


def picture(n=1):
    with matplotlib.rc_context():
        fig, (ax,) = plot.figure(width=3, height=2)
        plot.bars(ax, {"a": n, "b": 2})
        made = plot.svg(fig)
        plt.close(fig)
    return made


def shown(data, kind="display_data"):
    number = {"execution_count": 1} if kind == "execute_result" else {}
    return new_output(kind, data, **number)


def drawn(n=1):
    return shown({"image/svg+xml": picture(n), "text/plain": "<Figure size 300x200 with 1 Axes>"})


def cell(*outputs, alt=None, caption=None):
    metadata = {"mystnb": {"image": {"alt": alt}, "figure": {"caption": caption} if caption else {}}}
    return new_code_cell("draw()", execution_count=1, outputs=list(outputs), metadata=metadata)


CHAPTERS = """\
- {number: 1, title: One, line: The first., pages: [one]}
- {number: 2, title: Two, line: The second., pages: [more, two]}
"""
PANELS = ["panel 1 of 2", "panel 2 of 2"]
VALUE = shown({"text/plain": "a value"}, "execute_result")
FRAME = shown({"text/html": "<b>a frame</b>", "text/plain": "frame"}, "execute_result")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("book")
    (root / "book").mkdir()
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/one\nchapters:\n  - file: book/two\n")
    (root / "book" / "chapters.yml").write_text(CHAPTERS)
    cells = [
        new_markdown_cell("# Two\n\nText."),
        cell(drawn(1), alt='Bars "a" & b', caption="They *differ*: see $x^2$."),
        cell(VALUE, drawn(2), drawn(3), alt="Two panels", caption="Two."),
        cell(drawn(1), alt="No number"),
        cell(FRAME, caption="Not a picture."),
        cell(drawn(1), alt='Bars "a" & b', caption="Last."),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, parts in (("one", [new_markdown_cell("# One\n\nText.")]), ("two", cells)):
        for number, part in enumerate(parts):
            part["id"] = f"cell-{number}"
        nbformat.write(new_notebook(cells=parts, metadata=kernel), root / "book" / f"{name}.ipynb")
    build(root)
    return (site_dir(root) / "book" / "two.html").read_text(encoding="utf-8")


def test_pictures_are_in_the_page_without_paper_and_described(page):
    assert page.count('class="llmbook-svg"') == 5 and not re.search(r'<img[^>]*_images[^>]*svg"', page)
    names = re.findall(r'class="llmbook-svg" role="img" aria-label="([^"]*)"', page)
    assert names == ["Bars &quot;a&quot; &amp; b", *PANELS, "No number", "Bars &quot;a&quot; &amp; b"]
    assert 'role="group" aria-label="Two panels"' in page
    assert "--fig-paper:transparent" in page


def test_captions_are_numbered_by_chapter_and_place_and_keep_their_markup(page):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    texts = [re.sub(r"<a class=\"headerlink.*?</a>|<[^>]*>", "", caption).strip() for caption in captions]
    assert [text.split(" They")[0].split(": see")[0] for text in texts] == [
        "Figure 2b.1.", "Figure 2b.2. Two.", "Figure 2b.3. Not a picture.", "Figure 2b.4. Last."
    ]  # fmt: skip
    assert "<em>differ</em>" in captions[0] and 'class="math' in captions[0]
    assert [f'id="figure-2b-{i}"' in page for i in range(1, 6)] == [True] * 4 + [False]


def test_panels_of_a_cell_are_one_figure_and_its_value_is_none(page):
    figure = re.search(r'<figure[^>]*id="figure-2b-2".*?</figure>', page, re.DOTALL)[0]
    assert figure.count("<svg") == 2 and "a value" not in figure and "a value" in page
    assert page.count("<figure") == 4


def test_ids_are_unique_and_references_find_them(page):
    ids = re.findall(r'\bid="([^"]+)"', "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL)))
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_every_colour_used_has_a_value_in_both_modes(page):
    used = set(re.findall(r"var\(--fig-([a-z0-9-]+),", page))
    for mode in figures.GROUND:
        rule = re.search(rf"html\[data-theme={mode}\]{{([^}}]*)}}", page)[1]
        assert {part.split(":")[0] for part in rule.split(";")} == {f"--fig-{name}" for name in used}


def test_a_picture_keeps_its_width_and_may_shrink_a_little_before_it_wraps():
    row = figures.group([picture(1), picture(2)], "Two")
    assert row.count(f"--natural:{svg.width(picture()):g}px") == 2
