"""Figures in the page as readers get them: both modes, both widths, each fault also planted."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from figure_checks import figure_problems

from llmbook.build import figures
from llmbook.build.pages import toc_files
from llmbook.core.show import plotting as plot

PAGES = toc_files(Path(__file__).resolve().parents[2])
VARIANTS = [("light", 1280), ("dark", 1280), ("dark", 390), ("light", 390)]
SMALL = "book/colophon"


def in_each(seen):
    """Problems in each variant, with its name."""
    found = []
    for scheme, width in VARIANTS:
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.wait_for_timeout(450)  # the theme answers a change of size after 300 ms
        found += [f"{scheme} {width}: {problem}" for problem in figure_problems(seen.page)]
    return found


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_described_legible_whole_and_stands_out(served, visit, name):
    seen = visit(f"{served}{name}.html")
    seen.reveal()
    assert in_each(seen) == []


# ---------------------------------------------------------------------------- the checker finds planted faults


def drawn(draw, width=5.6, height=3.2, n=1):
    made = []
    for ax in plot.panels(n, width, height):
        draw(ax)
        made.append(plot.svg(ax.figure))
        plt.close(ax.figure)
    return made


def plant(site, served, visit, html):
    """The small page with this figure in it."""
    text = (site / f"{SMALL}.html").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--fig-([a-z0-9-]+),", html))
    planted = text.replace("</head>", f"<style>{figures.style(used)}</style></head>").replace(
        "</article>", html + "</article>"
    )
    return visit(f"{served}{SMALL}.html", html=planted)


def everything(ax):
    plot.lines(ax, {f"line {i}": ([0, 1, 2], [1 + i, 10.0**i, 3]) for i in range(1, 6)})
    ax.set_yscale("log")
    plot.tag(ax, "a point", (1, 100))
    plot.label(ax, "steps", "loss (nats)", "Lines fall, and the title is long")


def heat(ax):
    values = [[0.0, 0.25, 0.4], [0.5, 0.55, 0.6], [0.75, 0.9, 1.0]]
    plot.heatmap(ax, values, rows=["one", "two", "three"], columns=["to", "be", "or"], values="{:.2f}")


@pytest.mark.browser
@pytest.mark.parametrize("draw", [everything, heat, lambda ax: plot.bars(ax, {"a": 1, "b": 2})])
@pytest.mark.parametrize("n", [1, 2])
def test_what_the_helpers_draw_has_no_fault(site, served, visit, draw, n):
    size = {1: (5.6, 3.2), 2: (3.6, 3.0)}[n]
    seen = plant(site, served, visit, figures.group(drawn(draw, *size, n=n), "A figure"))
    assert in_each(seen) == []
    assert seen.complaints == []


@pytest.mark.browser
def test_panels_stand_side_by_side_on_a_desktop_and_stack_on_a_phone(site, served, visit):
    seen = plant(site, served, visit, figures.group(drawn(everything, 3.6, 3.0, n=2), "Two"))
    tops = []
    for width in (1280, 390):
        seen.page.set_viewport_size({"width": width, "height": 900})
        boxes = [panel.bounding_box() for panel in seen.page.query_selector_all(".llmbook-panel")]
        tops.append(abs(boxes[0]["y"] - boxes[1]["y"]) < 2)
        assert all(box["width"] > 300 for box in boxes)
    assert tops == [True, False]


CROWDED = {"xticks": [0, 0.01, 1], "xticklabels": ["a long name", "another", "end"]}
FAULTS = {
    "no description": lambda ax: None,
    "“tiny” has": lambda ax: ax.text(0.5, 0.5, "tiny", fontsize=6),
    "overlap": lambda ax: ax.set(**CROWDED),
    "“one” and “two” overlap": lambda ax: [plot.tag(ax, "one", (0.5, 0.5)), plot.tag(ax, "two", (0.52, 0.51))],
    "“pale” has a contrast of": lambda ax: ax.text(0.2, 0.5, "pale", color="#cccccc"),
    "“dark” has a contrast of": lambda ax: [ax.axvspan(0, 1, color=plot.BLUE), ax.text(0.2, 0.5, "dark")],
    "a line has a contrast of": lambda ax: ax.plot([0, 1], [0, 1], color="#c8c8c8"),
}  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("problem", FAULTS)
def test_a_planted_fault_is_seen(site, served, visit, problem):
    html = figures.group(drawn(FAULTS[problem]), "" if problem == "no description" else "A figure")
    if problem == "“tiny” has":  # without the width below which a picture is scrolled instead of shrunk
        html = re.sub(r"min-width:\d+px", "min-width:0", html)
    found = in_each(plant(site, served, visit, html))
    assert found and all(problem in one for one in found), found


@pytest.mark.browser
def test_text_beyond_the_picture_is_seen(site, served, visit):
    html = figures.group(drawn(lambda ax: ax.text(0.5, 0.5, "here")), "A figure")
    found = in_each(plant(site, served, visit, re.sub(r'x="[\d.]+" (y="[\d.]+">here)', r'x="390" \1', html)))
    assert any("beyond its picture" in one for one in found), found
