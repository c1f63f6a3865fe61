"""A short moving picture of the live model, as README shows it: typed into, then each likeliest token chosen.

``python -m llmbook.build.film docs/live.gif``

It is filmed, not drawn: the built site in Chromium, with the real weights. Needs Chromium, Playwright and Pillow.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmbook.build.pages import find_root
from llmbook.build.screenshot import CHROMIUM_FLAGS, HOW_TO_GET, find_chromium, served
from llmbook.build.site import site_dir
from llmbook.core.run.files import atomic_path

PAGE = "book/overview.html"
TYPED, WIDTH, COLOURS = "Once upon a time", 720, 24
CHOICES = 10  # tokens appended, the likeliest each
PATIENCE = 300_000  # milliseconds for the model to load
LETTER, CHOICE, LAST = 90, 700, 3000  # how long a frame stays, in milliseconds


def _frames(place: Any) -> Iterator[tuple[bytes, int]]:
    """Pictures of the widget, each with the milliseconds it stays."""
    field = place.get_by_role("textbox")
    bars = place.locator(".llmbook-live-bars")
    field.fill("")
    for letter in TYPED:
        field.press_sequentially(letter)
        yield place.screenshot(), LETTER
    for choice in range(CHOICES + 1):
        text = field.input_value()
        # The bars belong to the text that stands in the field once their list says so.
        bars.evaluate("(list, text) => new Promise(done => { const look = () => list.dataset.text === text "
                      "? done() : setTimeout(look, 50); look() })", text)  # fmt: skip
        yield place.screenshot(), LAST if choice == CHOICES else CHOICE
        if choice < CHOICES:
            bars.get_by_role("button").first.click()


def film(out: Path, root: Path | None = None) -> Path:
    """Film the built Overview and write a GIF.

    Raises:
        ValueError: the site has not been built.
        RuntimeError: there is no Chromium.
    """
    site = site_dir(root or find_root())
    if not (site / PAGE).is_file():
        raise ValueError(f"{site / PAGE} does not exist: run `make book`")
    if (program := find_chromium()) is None:
        raise RuntimeError(HOW_TO_GET)
    from playwright.sync_api import sync_playwright

    with served(site) as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1000}, reduced_motion="reduce")
        tab.goto(home + PAGE)
        place = tab.locator("[data-live=next-token]").first
        place.get_by_role("button", name="Load the model").click()
        place.get_by_role("textbox").wait_for(timeout=PATIENCE)
        shots = list(_frames(place))
        browser.close()
    return write_gif(shots, out)


def write_gif(shots: list[tuple[bytes, int]], out: Path) -> Path:
    """PNG pictures with their milliseconds as one GIF, in few colours and of the first picture's size."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data, _ in shots]
    size = (pictures[0].width, max(picture.height for picture in pictures))
    strip = Image.new(
        "RGB", (size[0], size[1] * len(pictures)), "white"
    )  # all below each other share one palette
    for number, picture in enumerate(pictures):
        strip.paste(picture, (0, size[1] * number))
    palette = strip.quantize(COLOURS, dither=Image.Dither.NONE)
    boxes = [(0, size[1] * number, size[0], size[1] * (number + 1)) for number in range(len(pictures))]
    indexed = [palette.crop(box) for box in boxes]
    with atomic_path(Path(out)) as partial:
        indexed[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=indexed[1:],
            duration=[stays for _, stays in shots],
            loop=0,
            optimize=True,
        )
    return Path(out)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="llmbook.build.film", description=__doc__)
    parser.add_argument("out", type=Path, help="GIF file to write")
    parser.add_argument("--root", type=Path, help="root of the book (default: found from the working folder)")
    given = parser.parse_args(arguments)
    try:
        print(film(given.out, given.root))
    except (ValueError, RuntimeError) as problem:
        parser.exit(1, f"{problem}\n")


if __name__ == "__main__":
    main()
