"""What tests of the site share: the built site, a server on loopback, a browser that reaches nothing else.

``LLMBOOK_SITE=folder`` checks a site built elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from site_checks import named, outside, reveal, settle

from llmbook.build import screenshot
from llmbook.build.screenshot import CHROMIUM_FLAGS, HOW_TO_GET, find_chromium
from llmbook.build.site import build, site_dir

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["_config.yml", "_toc.yml", "book/*.ipynb", "book/_static/**/*", "src/llmbook/build/*.py"]


# Sandboxed frames stay in the page's process: in one of their own they can ask before the browser tells of it.
FLAGS = (*CHROMIUM_FLAGS, "--disable-site-isolation-trials")


# --- the site, its server, its browser


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; it is built here when it is absent or older than what it is made from."""
    if chosen := os.environ.get("LLMBOOK_SITE"):
        return Path(chosen).resolve()
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / "site.lock"):
        newest = max(path.stat().st_mtime for pattern in SOURCES for path in ROOT.glob(pattern))
        index = site_dir(ROOT) / "index.html"
        if not index.is_file() or index.stat().st_mtime < newest:
            build(ROOT)
    return site_dir(ROOT)


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The address of the site on this machine."""
    with screenshot.served(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; without one the test is skipped, or fails where REQUIRE_CHROMIUM is set."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if (program := find_chromium()) is None:
        (pytest.fail if os.environ.get("REQUIRE_CHROMIUM") else pytest.skip)(HOW_TO_GET)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, what it asked of other hosts, and its complaints."""

    page: object
    home: str
    external: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    own: set[str] = field(default_factory=set)  # addresses of this site that were asked for

    def look(self, address: str) -> bool:
        """Note an address of another host; whether it is one."""
        if foreign := outside(address, self.home):
            self.external.append(address)
        return foreign

    def reveal(self) -> None:
        """Show all there is to see, and note what the page would ask of other hosts in other circumstances."""
        reveal(self.page)
        for address in named(self.page):
            self.look(address)


@contextmanager
def visits(browser):
    """A function that opens pages, each in a browser of its own; they close at the end."""
    contexts = []

    def open_page(url: str, scheme: str = "light", width: int = 1280, html: str | None = None) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        seen = Visit(context.new_page(), url)

        def judge(route):
            if not outside(route.request.url, url):
                seen.own.add(route.request.url)
            if seen.look(route.request.url):
                route.abort()
            elif html is not None and route.request.url == url:
                route.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                route.continue_()

        context.route("**/*", judge)
        seen.page.on("websocket", lambda socket: seen.look(socket.url))
        seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.goto(url)
        settle(seen.page)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def visit(browser):
    """``visit(url, scheme, width, html)`` opens a page; requests to other hosts are recorded and blocked."""
    with visits(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def visit_once(browser):
    """``visit`` for what several tests of a file look at together, one after the other."""
    with visits(browser) as open_page:
        yield open_page
