"""Figures as SVG: `llmbook.core.show.svg`."""

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from llmbook.core.show import plotting as plot
from llmbook.core.show.svg import plain, svg, themed, width

matplotlib.use("Agg")

DRAWING = """
import matplotlib; matplotlib.use("Agg")
from llmbook.core.show import plotting as plot
fig, (ax,) = plot.figure()
plot.lines(ax, {"a": ([1, 2, 3], [1, 20, 300]), "b & c": ([1, 2, 3], [3, 2, 1])})
ax.set_yscale("log")
plot.tag(ax, "here", (2, 20))
plot.label(ax, "steps", "loss", "It falls")
"""


@pytest.fixture
def picture():
    with matplotlib.rc_context():
        names = {}
        exec(DRAWING, names)
        yield svg(names["fig"])
        plt.close(names["fig"])


def test_the_same_figure_gives_the_same_bytes_here_and_in_other_processes(picture):
    script = DRAWING + "import sys; sys.stdout.buffer.write(plot.svg(fig).encode())"
    for seed in ("1", "2"):
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True,
                             env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)})  # fmt: skip
        assert run.stdout.decode() == picture


def test_text_is_text_with_the_powers_of_ten_in_one_piece(picture):
    texts = [node.text for node in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"steps", "loss", "It falls", "here", "a", "b & c", "10⁰", "10¹", "10²"} <= set(texts)
    assert not any("$" in text for text in texts) and "tspan" not in picture


def test_it_stands_alone_on_white_paper_and_styles_nothing_else(picture):
    root = ET.fromstring(picture)
    assert root[0].attrib == {"class": "paper", "width": "403.2", "height": "230.4", "style": "fill:#ffffff"}
    assert (root.get("width"), root.get("height")) == ("538", "307") and root.get(
        "viewBox"
    ) == "0 0 403.2 230.4"
    for word in (
        "<style",
        "metadata",
        "matplotlib",
        "2026",
        "://" + "www.w3.org/1999",
        "font-family:'DejaVu Sans', 'Bit",
    ):
        assert word not in picture
    assert picture.count("font-family") == 1


def test_every_reference_finds_its_part_and_no_id_is_left_over(picture):
    ids = re.findall(r'\bid="([^"]+)"', picture)
    references = set(re.findall(r'(?:url\(|href=")#(\w+)', picture))
    assert set(ids) == references and len(ids) == len(references) and references


def test_numbers_at_the_axes_and_halos_are_marked(picture):
    assert len(re.findall(r'class="xtick"', picture)) >= 3 and len(re.findall(r'class="ytick"', picture)) == 3
    (halo,) = re.findall(r"<text[^>]*>here", picture)
    assert "paint-order:stroke" in halo and "stroke:#ffffff" in halo


def test_black_is_said_for_a_page_may_be_dark():
    with matplotlib.rc_context():
        fig, (ax,) = plot.figure()
        ax.text(0.5, 0.5, "dark", color="black")
        ax.bar([0], [1], color="black")
        ax.plot([0, 1], [0, 1], "o", color="black")
        piece = themed(svg(fig))
        plt.close(fig)
    assert re.search(r"<text[^>]*fill:var\(--fig-t-000000,#000000\)[^>]*>dark", piece)
    assert piece.count("fill:var(--fig-000000,#000000)") == 3  # the bar and two markers


def test_what_is_drawn_beyond_the_edge_widens_the_picture():
    with matplotlib.rc_context():
        fig, _ = plot.figure(width=3, height=2)
        fig.text(0.99, 0.5, "far out to the right")
        assert width(svg(fig)) > 340
        plt.close(fig)


def test_drawing_twice_changes_nothing(picture):
    with matplotlib.rc_context():
        names = {}
        exec(DRAWING, names)
        assert svg(names["fig"]) == svg(names["fig"]) == picture
        plt.close(names["fig"])


def test_measures_are_rounded_but_not_bent(picture):
    longest = max(
        len(number) for d in re.findall(r' d="([^"]*)"', picture) for number in re.findall(r"\.\d+", d)
    )
    assert longest <= 3
    line = re.search(r'<path d="M([\d.]+) ([\d.]+)L[^"]*" [^>]*stroke:#0072b2', picture)
    with matplotlib.rc_context():
        names = {}
        exec(DRAWING, names)
        svg(names["fig"])
        x, y = names["ax"].transData.transform((1, 1)) * 0.72
        np.testing.assert_allclose([float(line[1]), float(line[2])], [x, 230.4 - y], atol=0.01)
        plt.close(names["fig"])


# ------------------------------------------------------------------------------------------------- as a part of a page


def test_every_colour_becomes_a_variable_and_text_has_its_own(picture):
    piece = themed(picture, "A line")
    assert not re.search(r"(fill|stroke):#", piece)
    assert "stroke:var(--fig-0072b2,#0072b2)" in piece and "fill:var(--fig-paper,#ffffff)" in piece
    for text in re.findall(r"<text[^>]*>", piece):
        assert "fill:var(--fig-t-222222,#222222)" in text
    assert piece.count("var(--fig-paper") == 1 and "stroke:var(--fig-ffffff,#ffffff)" in piece  # the halo's


def test_it_is_read_aloud_and_escapes_what_is_read(picture):
    assert 'role="img" aria-label="a &lt; &quot;b&quot;"' in themed(picture, 'a < "b"')
    assert 'aria-hidden="true"' in themed(picture)


def test_two_pictures_in_one_page_share_no_id(picture):
    page = themed(picture, "one") + themed(picture, "two")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids) and set(re.findall(r'(?:url\(|href=")#(\w+)', page)) == set(ids)


def test_it_fits_its_column_but_never_makes_text_illegible(picture):
    start = themed(picture).split(">")[0]
    assert "width:100%" in start and "max-width:538px" in start
    assert int(re.search(r"min-width:(\d+)px", start)[1]) <= 358  # a phone's column
    with matplotlib.rc_context():
        wide, _ = plot.figure(width=9)
        least = int(re.search(r"min-width:(\d+)px", themed(svg(wide)))[1])
        assert least / (9 * 72) * 10.5 >= 9
        wide.text(0.5, 0.5, "small", fontsize=8)
        assert int(re.search(r"min-width:(\d+)px", themed(svg(wide)))[1]) / (9 * 72) * 8 >= 9
        small, _ = plot.figure(width=2)
        assert "max-width:192px;min-width:124px" in themed(svg(small))
        plt.close(wide), plt.close(small)


@pytest.mark.parametrize("given", ["", "<p>no picture</p>", "<svg>", "<svg viewBox='0 0 1 1'>"])
def test_what_is_no_picture_is_refused(given):
    with pytest.raises(ValueError, match="not an SVG picture"):
        themed(given)


@pytest.mark.parametrize(
    ("mathematics", "text"),
    [(r"$\mathdefault{10^{-12}}$", "10⁻¹²"), (r"$\mathdefault{2^{7}}$", "2⁷"), (r"$\mathdefault{-10^{3}}$", "-10³"),
     (r"$\mathdefault{5\times10^{-1}}$", "5×10⁻¹"), ("0.5", "0.5"), ("", "")],
)  # fmt: skip
def test_powers_read_as_matplotlib_means_them(mathematics, text):
    assert plain(mathematics) == text
