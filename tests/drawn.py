"""A piece of HTML opened in a browser that may ask nobody for anything: for tests of what pages show."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmbook.build.screenshot import CHROMIUM_FLAGS, HOW_TO_GET, find_chromium


def draw(
    tmp_path: Path, data: str, act: Callable[[Any], Any], *, width: int = 760, **context: Any
) -> tuple[Any, list[str]]:
    """What `act(page)` returns, and every error and request to another host; `context` as in Playwright.

    Without Chromium the test is skipped, or fails where REQUIRE_CHROMIUM is set.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if (chromium := find_chromium()) is None:
        (pytest.fail if os.environ.get("REQUIRE_CHROMIUM") else pytest.skip)(HOW_TO_GET)
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8><body>{data}", encoding="utf-8")
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": width, "height": 900}, **context)
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith("file:") else None)
        page.goto(page_file.as_uri())
        result = act(page)
        browser.close()
    return result, complaints
