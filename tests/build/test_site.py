"""Building the site: what comes out, what is refused, and that a small edit stays a small build."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import small_book
from small_book import write_page

pytest.importorskip("jupyter_book", reason="pip install -e '.[book]'")

from llmbook.build import screenshot, sphinx_ext
from llmbook.build.site import SiteError, build, site_dir


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    root = small_book.make(tmp_path_factory.mktemp("book") / "root")
    return root, build(root)


def html(root: Path, name: str) -> str:
    return (site_dir(root) / f"{name}.html").read_text(encoding="utf-8")


def test_the_first_page_is_returned_and_index_leads_to_it(book):
    root, first = book
    assert first == site_dir(root) / "book" / "one.html" and first.is_file()
    assert 'url=book/one.html"' in html(root, "index")
    assert 'href="two.html#a-part"' in html(root, "book/one")


def test_building_prints_nothing_when_all_is_well(book, capfd):
    build(book[0])
    assert capfd.readouterr() == ("", "")


def build_apart(root: Path) -> None:
    """Build as the command does, in its own process (within one, Sphinx takes its defaults for changed)."""
    code = f"from pathlib import Path; from llmbook.build.site import build; build(Path({str(root)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_prose_edit_leaves_other_pages_alone(book):
    root = book[0]
    build_apart(root)
    before = {path: path.stat().st_mtime_ns for path in (site_dir(root) / "book").glob("*.html")}
    write_page(root, "two", "# Two\n\n## A part\n\nOther text.")
    build_apart(root)
    changed = {path.stem for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert "two" in changed and "three" not in changed  # "one" is the root, which Sphinx always writes
    assert "Other text." in html(root, "book/two")


def test_a_changed_style_sheet_reaches_the_site(tmp_path):
    root = small_book.make(tmp_path / "root")
    build(root)
    style = root / "book" / "_static" / "llmbook.css"
    style.write_text(style.read_text(encoding="utf-8") + "\nbody { color: red; }\n", encoding="utf-8")
    build_apart(root)
    assert "color: red" in (site_dir(root) / "_static" / "llmbook.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "prose",
    ["[gone](nowhere.ipynb)", "[gone](two.ipynb#no-such-part)", "![gone](missing.png)"],
)
def test_a_dead_reference_fails_the_build_every_time(tmp_path, prose, capfd):
    root = small_book.make(tmp_path / "root")
    write_page(root, "one", f"# One\n\n{prose}")
    for _ in range(2):
        with pytest.raises(SiteError, match="problems"):
            build(root)
        assert "WARNING" in capfd.readouterr().err


def test_a_folder_that_is_no_book_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no _config\.yml and no _toc\.yml"):
        build(tmp_path)


def test_icons_are_a_few_kilobytes_and_every_icon_used_has_its_glyph(book):
    static = site_dir(book[0]) / "_static"
    assert not (static / "vendor").exists() and not list(static.rglob("fontawesome*"))
    assert (static / sphinx_ext.ICON_CSS).stat().st_size < 20_000
    theme = (static / sphinx_ext.THEME_CSS).read_text(encoding="utf-8")
    assert "@font-face" not in theme
    used = set(re.findall(r'<i class="[^"]*\b(fa-(?!solid|brands|lg|fw)[a-z-]+)', html(book[0], "book/one")))
    assert used
    assert [name for name in used if f".{name}:before" not in theme] == []


def test_polishing_wraps_bare_tables_and_is_done_once():
    page = '<div class="pst-scrollable-table-container"><table>a</table></div><table>b</table>'
    better = sphinx_ext.polish(page)
    assert better.count("llmbook-table") == 1 and "<table>b</table></div>" in better
    assert sphinx_ext.polish(better) == better


def test_a_screenshot_of_a_page_that_is_not_built_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="make book"):
        screenshot.screenshot("book/none", tmp_path / "out.png", root=tmp_path)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(390, False), (800, True)])
def test_a_screenshot_has_the_asked_width(book, tmp_path, width, dark):
    pytest.importorskip("playwright")
    if screenshot.find_chromium() is None:
        pytest.skip(screenshot.HOW_TO_GET)
    out = screenshot.screenshot("book/one", tmp_path / "out.png", width, dark, root=book[0])
    data = out.read_bytes()
    assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20], "big") == width


def test_a_machine_without_chromium_is_told_how_to_get_it(book, tmp_path, monkeypatch):
    monkeypatch.setattr(screenshot, "find_chromium", lambda: None)
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        screenshot.screenshot("book/one", tmp_path / "out.png", root=book[0])
