"""The site as readers get it: closed to the outside, error-free, readable by everyone, whole.

Every checker is also shown a planted fault, and has to find it.
"""

import base64
import random
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from site_checks import (
    FIRST_VISIT,
    FURTHER_PAGE,
    alt_problems,
    attention_frames,
    axe_problems,
    hidden_text,
    link_problems,
    math_problems,
    overflow,
    settle,
    tags,
    too_heavy,
    wire_bytes,
)

from llmbook.build.pages import toc_files

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_files(ROOT)
VARIANTS = [("light", 1280), ("dark", 1280), ("dark", 390), ("light", 390)]
ALL = [*PAGES, "search"]
SMALL = "book/colophon"  # the page that faults are planted in


def text(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def has_math(name: str) -> bool:
    path = ROOT / f"{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return bool(re.search(r"\$[^$\n]*\\\w+[^$\n]*\$", prose))


# --- every page, in the browser


@pytest.mark.browser
@pytest.mark.parametrize("name", ALL)
def test_a_page_asks_no_other_host_makes_no_error_and_passes_axe_in_four_settings(served, visit, name):
    seen = visit(f"{served}{name}.html")
    seen.reveal()
    problems = []
    for scheme, width in VARIANTS:
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.evaluate("scrollTo(0, 900)")
        seen.page.wait_for_timeout(250)
        seen.page.evaluate("scrollTo(0, 700)")  # going up shows a button that leads back to the top
        seen.page.wait_for_timeout(450)  # the theme answers a change of size after 300 ms
        assert seen.page.evaluate("document.documentElement.dataset.theme") == scheme
        frames = scheme == "light"  # they are white paper in the dark as well
        found = lasting(seen.page, lambda frames=frames: axe_problems(seen.page, frames))
        problems += [f"{scheme} {width}: {problem}" for problem in found]
        problems += [f"{scheme} {width}: {problem}" for problem in hidden_text(seen.page)]
        if extra := overflow(seen.page):
            problems.append(f"{scheme} {width}: the page is {extra} px too wide")
    assert problems == []
    assert seen.external == []
    assert seen.complaints == []


@pytest.mark.browser
@pytest.mark.parametrize("name", ALL)
def test_a_page_opened_from_a_folder_works_too(site, visit, name):
    seen = visit((site / f"{name}.html").as_uri())
    seen.reveal()
    assert seen.external == []
    assert seen.complaints == []
    assert math_problems(seen.page) == []
    if has_math(name):
        assert seen.page.locator(".katex").count() > 0
    for frame in attention_frames(seen.page):
        assert frame.locator("svg line").count() > 0
        assert frame.title()


@pytest.mark.browser
def test_attention_on_the_architecture_page_answers_the_reader(served, visit):
    seen = visit(f"{served}book/architecture.html")
    frames = attention_frames(seen.page)
    assert frames, "the architecture page has no interactive attention"
    squares = [frame for frame in frames if frame.locator("#layer").count()]
    assert squares, "no head view on the architecture page"
    lines = squares[0].locator("svg #attention line")
    before = lines.evaluate_all("all => all.map(l => l.getAttribute('stroke-opacity')).join()")
    squares[0].locator("svg > g rect[width='20']").first.dblclick()
    after = lines.evaluate_all("all => all.map(l => l.getAttribute('stroke-opacity')).join()")
    assert before != after
    assert seen.complaints == []


@pytest.mark.browser
@pytest.mark.parametrize("from_folder", [False, True])
def test_searching_for_attention_finds_pages(site, served, visit, from_folder):
    home = site.as_uri() + "/" if from_folder else served
    seen = visit(f"{home}search.html?q=attention")
    seen.page.wait_for_selector("#search-results li a", timeout=10_000)
    assert seen.page.locator("#search-results li a").count() >= 1
    seen.page.wait_for_timeout(500)  # excerpts arrive after the titles
    assert seen.external == []
    assert seen.complaints == []


@pytest.mark.browser
def test_the_first_stop_of_the_keyboard_skips_to_the_text(served, visit):
    page = visit(f"{served}{PAGES[1]}.html").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    page.wait_for_function(
        "document.activeElement.getBoundingClientRect().top >= 0", timeout=5_000
    )  # it slides in
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#main-content'", timeout=5_000)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_keyboard_reaches_the_menu_of_pages_and_follows_a_link(served, visit, width):
    page = visit(f"{served}{PAGES[1]}.html", width=width).page
    opener = "document.activeElement.classList.contains('primary-toggle')"
    if width < 600:
        assert tab_until(page, opener), "Tab never reaches the button that opens the menu"
        page.keyboard.press("Enter")
        page.wait_for_selector("#pst-primary-sidebar-modal[open]", timeout=5_000)
    # the menu is inside a modal dialog on a phone, in the page otherwise
    in_menu = f"document.activeElement.getAttribute('href')?.endsWith('{Path(PAGES[2]).name}.html') && " + (
        "document.activeElement.closest('.bd-sidebar-primary, #pst-primary-sidebar-modal') !== null"
    )
    assert tab_until(page, in_menu), "Tab never reaches the menu of pages"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
    assert outline != "none" or shadow != "none", "the focus cannot be seen"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert Path(PAGES[2]).name in page.url


def lasting(page, check, tries: int = 3) -> list[str]:
    """What ``check`` still finds after a wait: a busy machine is late with its transitions."""
    for _ in range(tries):
        if not (found := check()):
            return []
        page.wait_for_timeout(700)
    return found


def tab_until(page, condition: str, most: int = 80) -> bool:
    """Press Tab until the condition on the focused element holds."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return True
    return False


# --- every page, as text


@pytest.mark.parametrize("name", ALL)
def test_every_image_is_described(site, name):
    assert alt_problems(text(site, name)) == []


@pytest.mark.parametrize("name", ALL)
def test_every_link_within_the_site_leads_somewhere(site, name):
    assert link_problems(site, name) == []


def code_pages(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site).with_suffix("")) for path in site.glob("code/**/*.html"))


def test_links_to_source_files_open_pages_and_those_lead_on(site):
    linked = {
        target for name in PAGES for target in re.findall(r'href="\.\./(code/[^"#]*)\.html', text(site, name))
    }
    assert linked and linked == set(code_pages(site))
    assert [problem for name in linked for problem in link_problems(site, name)] == []
    assert not [name for name in PAGES if re.search(r'href="[^"]*_downloads/[^"]*\.py"', text(site, name))]


@pytest.mark.browser
def test_a_page_of_code_is_as_good_as_any_other(site, served, visit):
    seen = visit(f"{served}{code_pages(site)[0]}.html#L12")
    problems = []
    for scheme, width in VARIANTS:
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.set_viewport_size({"width": width, "height": 900})
        seen.page.wait_for_timeout(700)
        problems += lasting(seen.page, lambda: [*axe_problems(seen.page), *hidden_text(seen.page)])
        assert overflow(seen.page) == 0
    assert problems == [] and seen.external == [] and seen.complaints == []
    assert 0 < seen.page.evaluate("document.querySelector(':target').getBoundingClientRect().top") < 900


def test_the_front_door_loads_nothing_and_leads_to_the_first_page(site):
    found = tags(text(site, "index"))
    assert {tag for tag, _ in found} == {"html", "meta", "title", "p", "a"}
    assert [attributes["href"] for tag, attributes in found if tag == "a"] == [f"{PAGES[0]}.html"]
    assert link_problems(site, "index") == []


@pytest.mark.parametrize("name", PAGES)
def test_colab_and_binder_open_this_page_of_the_configured_repository(site, name):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    owner, branch = repository["url"].removeprefix("https://github.com/").strip("/"), repository["branch"]
    links = {attributes.get("href") for tag, attributes in tags(text(site, name)) if tag == "a"}
    assert f"https://colab.research.google.com/github/{owner}/blob/{branch}/{name}.ipynb" in links
    assert f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{name}.ipynb" in links


@pytest.fixture(scope="session")
def everywhere(site, served, browser):
    """What a reader has after the lightest of visits: the files that every page loads."""
    asked = []
    for name in PAGES:
        page = browser.new_page()
        addresses = set()
        page.on("request", lambda request, addresses=addresses: addresses.add(request.url))
        page.goto(f"{served}{name}.html")
        settle(page)
        asked.append(addresses)
        page.close()
    return wire_bytes(site, set.intersection(*asked), served)


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_first_visit_and_a_further_page_are_light(site, served, visit, everywhere, name):
    seen = visit(f"{served}{name}.html")
    seen.reveal()
    costs = wire_bytes(site, seen.own, served)
    assert f"{name}.html" in costs and len(costs) > 5
    assert too_heavy(costs, FIRST_VISIT) == []
    assert (
        too_heavy({path: size for path, size in costs.items() if path not in everywhere}, FURTHER_PAGE) == []
    )
    assert not [path for path in costs if "searchindex" in path]


@pytest.mark.browser
def test_a_page_that_is_too_heavy_is_seen(site, served, visit):
    noise = base64.b64encode(random.Random(0).randbytes(300_000)).decode()
    page = site / "heavy.html"
    page.write_text(f"<!doctype html><title>x</title><p>{noise}</p><img src='_static/heavy.bin' alt='x'>")
    (site / "_static" / "heavy.bin").write_bytes(random.Random(1).randbytes(300_000))
    try:
        seen = visit(f"{served}heavy.html")
        costs = wire_bytes(site, seen.own, served)
    finally:
        page.unlink()
        (site / "_static" / "heavy.bin").unlink()
    assert 300_000 < costs["heavy.html"] < 310_000 and costs["_static/heavy.bin"] >= 300_000
    assert "heavy.html 30" in too_heavy(costs, FIRST_VISIT)[0]
    assert too_heavy({"heavy.html": FURTHER_PAGE}, FURTHER_PAGE) == []


def test_what_is_text_counts_as_it_is_sent(site, served):
    (name,) = wire_bytes(site, [f"{served}{SMALL}.html?x=1#y"], served)
    size = wire_bytes(site, [f"{served}{SMALL}.html"], served)[name]
    assert size < (site / name).stat().st_size / 2
    assert wire_bytes(site, ["data:text/plain,x", f"{served}none.html"], served) == {}


def test_the_site_carries_no_script_that_loads_scripts(site):
    names = " ".join(str(path.relative_to(site)) for path in site.rglob("*.js"))
    assert "thebe" not in names and "require" not in names


# --- the checkers find planted faults


OTHER = "https://example.org/x"


@pytest.mark.browser
@pytest.mark.parametrize(
    "html",
    [
        f'<script src="{OTHER}"></script>',
        '<SCRIPT SRC="//example.org/x"></SCRIPT>',
        f"<script>fetch('{OTHER}')</script>",
        f"<script>import('{OTHER}')</script>",
        f"<script>addEventListener('load', () => setTimeout(() => {{ new Image().src = '{OTHER}' }}, 100))</script>",
        "<script>new WebSocket('wss://example.org/x')</script>",
        f'<img src="{OTHER}" alt="x">',
        f'<p style="margin-top: 20000px"></p><img src="{OTHER}" alt="x" loading="lazy">',
        f'<img srcset="data:image/png;base64,AAAA 1x, {OTHER} 3x" alt="x">',
        f'<picture><source srcset="{OTHER}" media="(width: 1px)"><img src="data:," alt="x"></picture>',
        f'<video poster="{OTHER}"></video>',
        f'<video preload="none" src="{OTHER}"></video>',
        f'<svg><image href="{OTHER}"/></svg>',
        f'<object data="{OTHER}"></object>',
        f'<link rel="stylesheet" href="{OTHER}">',
        '<link rel="preconnect" href="https://example.org">',
        f"<style>@import '{OTHER}';</style>",
        f"<style>p:hover {{ background: url({OTHER}) }}</style>",
        '<p style="background: url(//example.org/x)">x</p>',
        f'<details><p style="background: url({OTHER})">x</p></details>',
        f'<iframe src="{OTHER}"></iframe>',
        f"<iframe srcdoc='<img src={OTHER}>'></iframe>",
        f"<iframe srcdoc='&lt;script&gt;fetch(&quot;{OTHER}&quot;)&lt;/script&gt;' sandbox='allow-scripts'></iframe>",
        f"<iframe srcdoc='<img src={OTHER}>' sandbox='allow-scripts'></iframe>",
        f"<iframe srcdoc='<style>p:hover {{ background: url({OTHER}) }}</style>' sandbox></iframe>",
        f"<p style='margin-top: 20000px'></p><iframe loading='lazy' srcdoc='<img src={OTHER}>'></iframe>",
    ],
)
def test_what_a_page_asks_of_another_host_is_seen(served, visit, html):
    seen = visit(f"{served}planted.html", html=f"<!doctype html><title>x</title>{html}")
    seen.reveal()
    assert not lasting(seen.page, lambda: [] if seen.external else ["nothing seen"])
    assert "example.org" in seen.external[0]


@pytest.mark.browser
def test_a_page_that_asks_nobody_is_let_pass(served, visit):
    parts = [
        '<a href="https://example.org">a link</a>',
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" alt="x">',
        '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0" fill="url(#here)"/></svg>',
        "<script>// https://d3js.org\nvar ns = 'http://www.w3.org/1999/xhtml'</script>",
        "<style>@namespace url('http://www.w3.org/1999/xhtml'); p { background: url('book/x.png') }</style>",
        "<iframe srcdoc='&lt;p&gt;1 &lt; 2&lt;/p&gt;' title='x'></iframe>",
    ]
    seen = visit(f"{served}planted.html", html=f"<!doctype html><title>x</title>{' '.join(parts)}")
    seen.reveal()
    assert seen.external == []
    assert seen.complaints == []


@pytest.mark.browser
@pytest.mark.parametrize(
    "html", ["{}", "<iframe srcdoc='{}'></iframe>", "<iframe sandbox='allow-scripts' srcdoc='{}'></iframe>"]
)
@pytest.mark.parametrize("script", ["oops()", "console.error(1)", "Promise.reject(Error())"])
def test_an_error_in_a_page_or_its_frame_is_seen(served, visit, html, script):
    planted = html.format(f"<script>{script}</script>")
    seen = visit(f"{served}planted.html", html=f"<!doctype html><title>x</title>{planted}")
    assert not lasting(seen.page, lambda: [] if seen.complaints else ["nothing seen"])


@pytest.mark.browser
def test_a_planted_error_a_wide_block_and_a_broken_formula_are_seen(site, served, visit):
    planted = text(site, SMALL).replace(
        "</article>",
        '<div style="width: 3000px">wide</div><span class="math">\\(x^2\\)</span><p>$\\frac12$</p>'
        "<script>oops()</script></article>",
    )
    seen = visit(f"{served}{SMALL}.html", html=planted, width=390)
    assert any("oops" in complaint for complaint in seen.complaints)
    assert overflow(seen.page) > 0
    assert math_problems(seen.page) == ["\\(x^2\\)", "\\(", "$\\frac12$"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("style", "what"),
    [
        ("white-space: pre; overflow-x: auto", "cut"),
        ("white-space: pre", "beyond"),
        ("font-size: 6px", "too small"),
    ],
)
def test_printed_text_that_cannot_be_read_is_seen(site, served, visit, width, style, what):
    planted = text(site, SMALL).replace("</article>", f'<pre style="{style}">{"long " * 60}</pre></article>')
    assert what in " ".join(hidden_text(visit(f"{served}{SMALL}.html", html=planted, width=width).page))


@pytest.mark.browser
def test_an_image_without_description_and_pale_text_are_seen_by_axe(site, served, visit):
    planted = text(site, SMALL).replace(
        "</article>",
        '<img src="../_static/logo.svg"><p style="color:#ccc;background:#fff">pale</p></article>',
    )
    found = " ".join(axe_problems(visit(f"{served}{SMALL}.html", html=planted).page))
    assert "image-alt" in found and "color-contrast" in found


@pytest.mark.parametrize("alt", [None, "", " ", "_images/3f2a9c0b7d5e4f1a2b3c4d5e6f708192", "plot.png"])
def test_a_removed_or_hashed_description_is_seen(site, alt):
    page = text(site, SMALL)
    new = r"\1" if alt is None else rf'\1 alt="{alt}"'
    planted = re.sub(r'(<img\b[^>]*?)\salt="[^"]*"', new, page, count=1)
    assert planted != page and len(alt_problems(planted)) == 1


@pytest.mark.parametrize("href", ["nowhere.html", "history.html#no-such-heading", "#no-such-heading"])
def test_a_planted_dead_link_is_seen(site, href):
    planted = text(site, SMALL).replace("</article>", f'<a href="{href}">dead</a></article>')
    assert [problem.split(":")[0] for problem in link_problems(site, SMALL, planted)] == [href]
