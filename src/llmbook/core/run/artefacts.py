"""What was trained, converted or measured once, kept by the code that made it.

An artefact's key is the hash of its maker's code (with all that this code uses, see `closure`), of its configuration,
of what it was made from, and of the versions that matter. Change one of them and the old files are no longer asked for:
nothing stored can outlive what produced it. Files lie in a folder of the cache that is whole or not there: made once,
checked each time, made again when damaged.

The check is a CRC-32, which finds every single damaged byte and reads 540 MB in about 0.2 s; a cryptographic hash kept
beside the file would not stop an attacker either. Left out: eviction (``llmbook artefacts clear``). Measurements that
are stored with the book are artefacts too, see `llmbook.core.measure.records`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from llmbook.core.run.closure import fingerprint
from llmbook.core.run.files import cache_dir, locked, random_suffix

CHECKSUMS = "checksums.json"
ALLOWED = (".safetensors", ".json")  # formats that cannot run code when they are opened
MADE, MISSING, STALE, DAMAGED = "made", "missing", "stale", "damaged"
log = logging.getLogger(__name__)
_known_sound: dict[Path, tuple] = {}


class ArtefactError(RuntimeError):
    """An artefact cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Artefact:
    """Something that ``make(folder, **config)`` writes into an empty folder, as ``.safetensors`` and ``.json`` files.

    Args:
        name: lower-case letters, digits and hyphens; it names the folder, with the key behind it.
        make: a function at the top of a module of this package; its code is part of the key.
        config: arguments of ``make``, as JSON can hold them.
        versions: packages whose installed versions are part of the key.
        seconds: about how long making takes on two cores.
        source: what it is made from, such as the SHA-256 of a file.

    Raises ``ValueError`` for a name or a configuration that cannot be kept.
    """

    name: str
    make: Callable[..., Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    seconds: float = 0
    source: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(
                f"artefact name is {self.name!r}; give lower-case letters, digits and hyphens: tiny-gpt2"
            )
        try:
            same = json.loads(json.dumps(dict(self.config), allow_nan=False)) == dict(self.config)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ValueError(
                f"config of {self.name!r} is {self.config!r}; give a dict of numbers, texts, lists and dicts, "
                "which JSON keeps as they are (no tuples, no arrays)"
            )

    @property
    def key(self) -> str:
        """64 hex digits: SHA-256 over the maker's code, the configuration, the source and the installed versions."""
        parts = [
            fingerprint(self.make),
            dict(self.config),
            self.source,
            {v: _version(v) for v in self.versions},
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where its files lie, or will."""
        return self._folder(self.key)

    def _folder(self, key: str) -> Path:
        return store() / f"{self.name}-{key[:16]}"

    def get(self) -> Path:
        """The folder, once it holds whole, unaltered files; they are made when needed.

        Several processes may ask at once: one makes them, the others wait. The folder appears in one step, so a kill at
        any moment leaves the old one, or none.

        Raises:
            ArtefactError: the folder cannot be written, or the maker made no files.
            ValueError: the maker made files of another kind than those allowed.
        """
        return self._ready()

    def _ready(self, anew: bool = False) -> Path:
        folder = self._folder(key := self.key)
        if not anew and is_sound(folder, key):
            return folder
        try:
            with locked(folder):
                if anew or not is_sound(folder, key):
                    self._make(folder, key)
        except OSError as error:
            raise ArtefactError(
                f"the artefact {folder} cannot be made ({error}); if the disk is full or read-only, free space or set "
                "LLMBOOK_CACHE to another place"
            ) from error
        return folder

    def _make(self, folder: Path, key: str) -> None:
        """Make it beside `folder` and swap it in; the caller holds the lock, so leftovers are nobody's."""
        announce(f"making {self.name} in {folder}: about {self.seconds:.0f} s, once")
        _sweep(folder)
        fresh = folder.with_name(f".{folder.name}.{random_suffix()}.tmp")
        fresh.mkdir(parents=True)
        try:
            self.make(fresh, **self.config)
            _seal(fresh, {"name": self.name, "key": key, "config": dict(self.config)})
            if folder.exists():
                os.replace(folder, folder.with_name(f".{folder.name}.old-{random_suffix()}.tmp"))
            os.replace(fresh, folder)
        finally:
            _sweep(folder)

    def state(self) -> str:
        """`MADE`, `DAMAGED`, `STALE` (other code or another configuration made what is there), or `MISSING`."""
        folder = self._folder(key := self.key)
        if folder.exists():
            return MADE if is_sound(folder, key) else DAMAGED
        return STALE if self.kept() else MISSING

    def kept(self) -> list[Path]:
        """All its folders, of whatever key."""
        found = store().glob(f"{self.name}-*")
        return sorted(
            p for p in found if re.fullmatch(r"[0-9a-f]{16}", p.name[len(self.name) + 1 :]) and p.is_dir()
        )

    def size(self) -> int:
        """Bytes of its files; 0 when there are none."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def remake(self) -> Path:
        """Make it again, whatever is there; the old one stays until the new one is whole."""
        return self._ready(anew=True)


def store() -> Path:
    """The folder that holds the folders of all artefacts."""
    return cache_dir() / "artefacts"


def announce(text: str) -> None:
    """Say on a terminal what takes long; elsewhere only in the log, so that a page's stored output stays clean."""
    log.info(text)
    if sys.stderr.isatty() and not log.isEnabledFor(logging.INFO):
        print(text, file=sys.stderr, flush=True)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


# ---------------------------------------------------------------- a folder that is whole


def is_sound(folder: Path, key: str) -> bool:
    """Whether a folder was made under `key` and its files have the recorded lengths and CRC-32.

    They are read again only after a change.
    """
    try:
        record = json.loads((folder / CHECKSUMS).read_text())
        if record["key"] != key or not record["files"]:
            return False
        stats = {name: (folder / name).stat() for name in record["files"]}
        if any(stats[name].st_size != size for name, (size, _) in record["files"].items()):
            return False
        seen = tuple((name, s.st_ino, s.st_mtime_ns) for name, s in stats.items())
        if _known_sound.get(folder) != seen:
            if any(crc32(folder / name) != crc for name, (_, crc) in record["files"].items()):
                return False
            _known_sound[folder] = seen
        return True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, unreadable or not our JSON
        return False


def crc32(path: Path) -> int:
    """CRC-32 of a file, read in pieces of 1 MiB."""
    value, buffer = 0, memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            value = zlib.crc32(buffer[:size], value)
    return value


def _seal(folder: Path, about: dict[str, Any]) -> None:
    """Write checksums.json over all files of a new folder, which must hold at least one, and only allowed kinds."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    if not names:
        raise ArtefactError(f"making {about['name']} made no files in {folder}")
    if others := [name for name in names if Path(name).suffix not in ALLOWED or name == CHECKSUMS]:
        raise ValueError(
            f"making {about['name']} wrote {', '.join(others)}; an artefact holds {' and '.join(ALLOWED)} files, which "
            "cannot run code when they are opened (tokenizers: save_pretrained(folder, save_jinja_files=False))"
        )
    for name in names:
        (folder / name).chmod(0o644)  # safetensors writes 0600; a shared cache is read by others
    files = {name: [(folder / name).stat().st_size, crc32(folder / name)] for name in names}
    (folder / CHECKSUMS).write_text(json.dumps({**about, "files": files}, indent=1) + "\n")


def discard(folder: Path) -> None:
    """Delete one artefact's folder, once nobody is making it; its lock, an empty file, stays."""
    with locked(folder):
        _sweep(folder)
        shutil.rmtree(folder)


def _sweep(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
