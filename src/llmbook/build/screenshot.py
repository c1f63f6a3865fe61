"""Look at a page of the built site, without the network.

``python -m llmbook.build.screenshot book/history out.png --width 390 --dark``

Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmbook.build.pages import find_root
from llmbook.build.site import site_dir

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
HOW_TO_GET = (
    "no Chromium found: `apt-get install chromium` (Debian, Ubuntu), `brew install --cask chromium` (macOS), "
    "or set CHROMIUM to the program's path"
)


def find_chromium() -> str | None:
    """The path of a Chromium: ``$CHROMIUM``, else the first known name on the PATH, else None."""
    if chosen := os.environ.get("CHROMIUM"):
        return chosen
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is served on this machine, and to nobody else, while the context lasts."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def screenshot(page: str, out: Path, width: int = 1280, dark: bool = False, root: Path | None = None) -> Path:
    """Save a picture of a whole page as PNG.

    Args:
        page: the page's name as in ``_toc.yml``, such as ``book/history``; ``search`` works too.
        out: the PNG file to write.
        width: width of the window in CSS pixels (390 is a phone).
        dark: as a reader sees it whose system is set to dark.
        root: the root of the book; by default found from the working folder.

    Raises:
        ValueError: the page has not been built.
        RuntimeError: there is no Chromium.
    """
    name = page.removesuffix(".ipynb").removesuffix(".html")
    built = site_dir(root or find_root()) / f"{name}.html"
    if not built.is_file():
        raise ValueError(
            f"{built} does not exist: run `make book`; pages are named as in _toc.yml: book/history"
        )
    program = find_chromium()
    if program is None:
        raise RuntimeError(HOW_TO_GET)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        scheme = "dark" if dark else "light"
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        tab.goto(built.as_uri())
        tab.wait_for_timeout(500)
        height = tab.evaluate("document.documentElement.scrollHeight")
        tab.set_viewport_size({"width": width, "height": height})  # frames draw once they are in view
        tab.wait_for_timeout(1500)
        tab.screenshot(path=str(out))
        browser.close()
    return Path(out)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="llmbook.build.screenshot", description=__doc__)
    parser.add_argument("page", help="as in _toc.yml: book/history")
    parser.add_argument("out", type=Path, help="PNG file to write")
    parser.add_argument("--width", type=int, default=1280, help="CSS pixels (default 1280; a phone has 390)")
    parser.add_argument("--dark", action="store_true", help="as on a system set to dark")
    parser.add_argument("--root", type=Path, help="root of the book (default: found from the working folder)")
    given = parser.parse_args(arguments)
    try:
        print(screenshot(given.page, given.out, given.width, given.dark, given.root))
    except (ValueError, RuntimeError) as problem:
        parser.exit(1, f"{problem}\n")


if __name__ == "__main__":
    main()
