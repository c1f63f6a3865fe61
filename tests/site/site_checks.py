"""Checkers of a page: each returns a list of problems, so that a test can show it a planted one."""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

# Opens whatever a reader can open, and loads what waits to be scrolled to.
REVEAL = """() => {
    document.querySelectorAll("details").forEach(fold => { fold.open = true; });
    document.querySelectorAll("button.toggle-button-hidden").forEach(button => button.click());
    document.querySelectorAll("[loading=lazy]").forEach(late => { late.loading = "eager"; });
}"""
# What is asked for on another screen, under the mouse, on "play" or ahead of time, so that no request shows it here.
# The browser itself has parsed it all; styles read back from it write every address as url("...").
NAMED = r"""() => {
    const every = (selector, take) => [...document.querySelectorAll(selector)].flatMap(take);
    const rules = sheet => {
        try { return [...sheet.cssRules].filter(rule => !(rule instanceof CSSNamespaceRule)); }
        catch { return []; }  // not readable from a folder; a sheet of another host is a request of its own
    };
    const styles = [
        ...[...document.styleSheets].flatMap(rules).map(rule => rule.cssText),
        ...every("[style]", one => one.style.cssText),
    ];
    return [
        ...every("[srcset]", one => one.srcset.split(",").map(part => part.trim().split(/\s/)[0])),
        ...every("video, audio, source, track", one => [one.src, one.poster]),
        ...every("link[rel~=preconnect], link[rel~=dns-prefetch]", one => one.href),
        ...styles.flatMap(text => [...text.matchAll(/url\("([^"]*)"\)/g)].map(found => found[1])),
    ].filter(Boolean).map(text => new URL(text, document.baseURI).href);
}"""


def settle(page) -> None:
    """Wait until fonts are there and interactive frames are drawn."""
    page.evaluate("document.fonts.ready.then(() => null)")
    for frame in attention_frames(page):
        frame.wait_for_selector("svg line", state="attached", timeout=10_000)
    page.wait_for_timeout(150)


def attention_frames(page) -> list:
    """The frames of interactive attention, brought into view one by one so that they load."""
    frames = []
    for handle in page.query_selector_all("iframe.llmbook-attention"):
        handle.scroll_into_view_if_needed()
        frames.append(handle.content_frame())
    return frames


def reveal(page) -> None:
    """Open every fold and load whatever waits to be scrolled to, in the page and in the frames that appear."""
    done: list = []
    while fresh := [frame for frame in page.frames if frame not in done]:
        for frame in fresh:
            frame.evaluate(REVEAL)
        page.wait_for_timeout(300)
        done += fresh


# --- checkers of a page in the browser


def named(page) -> list[str]:
    """Addresses that the page and its frames would load from in other circumstances than these."""
    return [address for frame in page.frames for address in frame.evaluate(NAMED)]


def outside(address: str, home: str) -> bool:
    """Whether an address is on another host than ``home``; what a page carries itself is on none."""
    return (
        urlsplit(address).scheme not in ("data", "blob", "about")
        and urlsplit(address)[:2] != urlsplit(home)[:2]
    )


def axe_problems(page, frames: bool = True) -> list[str]:
    """Serious and critical findings of axe-core in the page and its frames (which it cannot enter itself)."""
    from axe_playwright_python.base import AXE_SCRIPT

    problems = []
    for frame in page.frames if frames else [page.main_frame]:
        if not frame.evaluate("!!window.axe"):
            frame.evaluate(AXE_SCRIPT)
        options = "{resultTypes: ['violations'], preload: false, iframes: false}"
        found = frame.evaluate(f"axe.run(document, {options})")
        for violation in found["violations"]:
            if violation["impact"] in ("serious", "critical"):
                where = [node["html"][:160] for node in violation["nodes"][:3]]
                problems.append(f"{violation['id']} ({violation['impact']}): {where}")
    return problems


def overflow(page) -> int:
    """By how many CSS pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


# Where the words of a block end; spaces at the end of a line that wraps may hang over its edge.
HIDDEN = r"""() => [...document.querySelectorAll(".bd-article pre")].flatMap(pre => {
    if (!pre.checkVisibility()) return [];
    const range = document.createRange(), walk = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT), found = [];
    let right = 0;
    while (walk.nextNode()) for (const word of walk.currentNode.data.matchAll(/\S+/g)) {
        range.setStart(walk.currentNode, word.index);
        range.setEnd(walk.currentNode, word.index + word[0].length);
        right = Math.max(right, range.getBoundingClientRect().right);
    }
    const start = pre.textContent.trim().slice(0, 60);
    for (let box = pre; box.matches("article *"); box = box.parentElement) {
        const clips = getComputedStyle(box).overflowX !== "visible";
        if (clips && right > box.getBoundingClientRect().right + 1) found.push(`cut: ${start}`);
    }
    if (right > document.documentElement.clientWidth + 1) found.push(`beyond the window: ${start}`);
    if (parseFloat(getComputedStyle(pre).fontSize) < 8) found.push(`too small: ${start}`);
    return found;
})"""


def hidden_text(page) -> list[str]:
    """Printed text and code that a box cuts off or hides behind a scroll bar, and text too small to read."""
    return page.evaluate(HIDDEN)


MATH = r"""() => {
    const walk = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT);
    const found = [...document.querySelectorAll(".math")]
        .filter(math => !math.querySelector(".katex math") || math.querySelector(".katex-error"))
        .map(math => math.textContent.slice(0, 80));
    const loaded = [...document.fonts].some(font => font.family.includes("KaTeX") && font.status === "loaded");
    if (document.querySelector(".katex") && !loaded) found.push("KaTeX's fonts are not loaded");
    while (walk.nextNode()) {
        const raw = walk.currentNode.data.match(/\\[([]|\\(?:frac|sqrt|sum|math|text)[a-z]*|\$[^$\n]*\\[^$\n]*\$/);
        if (raw && !walk.currentNode.parentElement.closest("pre, code, script, style, .katex")) found.push(raw[0]);
    }
    return found;
}"""


def math_problems(page) -> list[str]:
    """Formulas that were not typeset, have no MathML or lack their fonts, and TeX in the text as it was written."""
    return page.evaluate(MATH)


FIRST_VISIT, FURTHER_PAGE = (
    500_000,
    250_000,
)  # bytes on the wire, for a reader who opens and scrolls through everything


def wire_bytes(site: Path, addresses: Iterable[str], home: str) -> dict[str, int]:
    """What each address of the site costs on the wire: text is sent compressed, as GitHub Pages sends it."""
    paths = {unquote(urlsplit(address).path).removeprefix(urlsplit(home).path) for address in addresses}
    files = {path: (site / path).read_bytes() for path in paths if (site / path).is_file()}
    return {path: min(len(data), len(gzip.compress(data, 6))) for path, data in files.items()}


def too_heavy(costs: dict[str, int], limit: int) -> list[str]:
    """The heaviest parts of a visit that costs more than ``limit`` bytes; none when it does not."""
    if sum(costs.values()) <= limit:
        return []
    heaviest = sorted(costs.items(), key=lambda item: -item[1])[:8]
    return [f"{sum(costs.values()):,} bytes: " + ", ".join(f"{path} {size:,}" for path, size in heaviest)]


# --- checkers of a page's text


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


def tags(text: str) -> list[tuple[str, dict[str, str]]]:
    """Every start tag with its attributes, in order."""
    return _Tags(text).tags


def alt_problems(text: str) -> list[str]:
    """Images without a description, or with a file name for one."""
    images = [attributes for tag, attributes in tags(text) if tag == "img"]
    hashed = re.compile(r"[0-9a-f]{16,}|\.(png|svg|jpe?g|gif|webp)$", re.IGNORECASE)
    return [str(image) for image in images if not image.get("alt", "").strip() or hashed.search(image["alt"])]


def link_problems(site: Path, name: str, text: str | None = None) -> list[str]:
    """Links of page ``name`` to pages, files or anchors of the site that do not exist."""
    here = f"http://site/{name}.html"
    text = (site / f"{name}.html").read_text(encoding="utf-8") if text is None else text
    problems = []
    for tag, attributes in tags(text):
        if tag != "a" or urlsplit(attributes.get("href", "#")).scheme:
            continue
        url = urlsplit(urljoin(here, attributes.get("href", "")))
        target = site / unquote(url.path).lstrip("/")
        same = target == site / f"{name}.html"
        if not target.is_file():
            problems.append(f"{attributes['href']}: no such file")
        elif url.fragment and unquote(url.fragment) not in _anchors(target, text if same else None):
            problems.append(f"{attributes['href']}: no such place on that page")
    return problems


@functools.lru_cache(maxsize=64)
def _anchors(path: Path, text: str | None) -> frozenset[str]:
    text = path.read_text(encoding="utf-8") if text is None else text
    return frozenset(
        attributes[key] for _, attributes in tags(text) for key in ("id", "name") if key in attributes
    )
