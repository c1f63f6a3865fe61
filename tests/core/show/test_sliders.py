"""Sliders over stored results: `llmbook.core.show.sliders`."""

import re

import matplotlib
import matplotlib.pyplot as plt
import pytest
from drawn import draw

from llmbook.core.show import plotting as plot
from llmbook.core.show.sliders import MOST_BYTES, slider

matplotlib.use("Agg")

WORDS = {"0.2": "<p>Paris</p>", "1.0": "<p>Paris, Rome</p>", "2.0": "<p>Rome</p>"}
TEMPERATURE = slider("temperature", WORDS, start="1.0")


def picture(height):
    fig, (ax,) = plot.figure(width=3, height=2)
    plot.bars(ax, {"a": height, "b": 1.0})
    return fig


def test_as_text_it_names_what_there_is_to_see():
    assert repr(TEMPERATURE).startswith("Slider temperature: 0.2, [1.0], 2.0.")
    assert TEMPERATURE._repr_html_() == TEMPERATURE.html


def test_without_a_script_the_start_frame_stands_alone_with_a_note():
    frames = re.findall(r"<div style=\"grid-area[^>]*?( hidden)?>(<p>[^<]*</p>)", TEMPERATURE.html)
    assert [(text, not hidden) for hidden, text in frames] == [
        (text, text == WORDS["1.0"]) for text in WORDS.values()
    ]
    assert "<div hidden><label for=" in TEMPERATURE.html and "<small>temperature: 1.0." in TEMPERATURE.html


def test_figures_become_svg_are_closed_and_described_and_the_same_ones_give_the_same_html():
    def made():
        return slider("rate", {"0.1": picture(1), "1": picture(2)}, describe="Two bars")

    before = plt.get_fignums()
    one = made()
    assert plt.get_fignums() == before and one == made()
    assert one.html.count("<svg") == 2 and 'aria-label="Two bars: 0.1"' in one.html
    assert one.html != slider("rate", {"0.1": picture(1), "1": picture(3)}, describe="Two bars").html


def test_frames_share_no_id_so_hiding_one_takes_nothing_from_another():
    svg = plot.svg(picture(1))
    html = slider("rate", {"0.1": svg, "1": svg}).html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) > 3 and len(set(ids)) == len(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_names_with_quotes_and_tags_stay_text():
    html = slider("<b>", {'"</script>': "<p>1</p>", "\\": "<p>2</p>"}).html
    assert html.count("</script>") == 1 and "<b>" not in html


@pytest.mark.parametrize(
    ("label", "frames", "start", "message"),
    [
        (" ", WORDS, "1.0", "label is empty"),
        ("t", {"1": "<p>"}, "1", "at least two"),
        ("t", {}, None, "at least two"),
        ("t", WORDS, "1", r"none of the values: '0\.2', '1\.0', '2\.0'"),
        ("t", {"1": "a", "2": 3}, "1", "a frame is a int"),
        ("t", {"1": "a" * MOST_BYTES, "2": "b"}, "1", "bytes are too many"),
    ],
)
def test_what_cannot_slide_is_refused(label, frames, start, message):
    with pytest.raises(ValueError, match=message):
        slider(label, frames, start=start)


@pytest.mark.browser
def test_keys_move_it_and_one_frame_at_a_time_is_seen(tmp_path):
    def act(page):
        handle = page.get_by_role("slider", name="temperature")
        handle.focus()
        seen = []
        for key in ("", "ArrowRight", "Home"):
            if key:
                page.keyboard.press(key)
            shown = [p.inner_text() for p in page.locator("p").all() if p.is_visible()]
            seen.append((shown, page.locator("output").inner_text(), handle.get_attribute("aria-valuetext")))
        return seen, page.locator("small").is_visible(), page.evaluate("document.body.scrollHeight")

    (seen, note, _), complaints = draw(tmp_path, TEMPERATURE.html, act)
    assert complaints == [] and note is False
    assert seen == [(["Paris, Rome"], "1.0", "1.0"), (["Rome"], "2.0", "2.0"), (["Paris"], "0.2", "0.2")]


@pytest.mark.browser
def test_where_no_script_runs_the_start_frame_and_the_note_are_seen(tmp_path):
    def act(page):
        shown = [p.inner_text() for p in page.locator("p").all() if p.is_visible()]
        return shown, page.get_by_role("slider").count(), page.locator("small").is_visible()

    assert draw(tmp_path, TEMPERATURE.html, act, java_script_enabled=False) == (
        (["Paris, Rome"], 0, True),
        [],
    )


@pytest.mark.browser
def test_pictures_in_a_slider_fit_a_phone(tmp_path):
    html = slider("rate", {"0.1": picture(1), "1": picture(2)}).html

    def act(page):
        return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert draw(tmp_path, html, act, width=390) == (0, [])


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 760])
def test_a_long_value_is_read_whole_and_the_picture_below_it_never_moves(tmp_path, width):
    long = "4 of 4. a sentence of two or three lines on a phone, with a number at its end: x1 gets −3 · 0.5 = −1.5."
    html = slider("step", {"1": "<p>1</p>", long: "<p>2</p>"}).html

    def act(page):
        handle, seen = page.get_by_role("slider", name="step"), []
        for key in ("Home", "End"):
            handle.focus()
            page.keyboard.press(key)
            page.evaluate("getSelection().selectAllChildren(document.querySelector('output'))")
            right = page.evaluate("getSelection().getRangeAt(0).getBoundingClientRect().right")
            picture = page.locator("p").first.bounding_box()
            seen.append((page.locator("output").inner_text(), right <= width, picture["y"], picture["x"]))
        return seen, page.evaluate("document.documentElement.scrollWidth")

    (seen, across), complaints = draw(tmp_path, html, act, width=width)
    assert complaints == [] and across <= width
    assert [(text, fits) for text, fits, *_ in seen] == [("1", True), (long, True)]
    assert seen[0][2:] == seen[1][2:]
