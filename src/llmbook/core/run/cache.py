"""A folder of derived files that is whole or not there: built once, checked each time, rebuilt when damaged.

The check is a CRC-32, which finds every single damaged byte and reads 540 MB in about 0.2 s; a cryptographic
hash kept beside the file would not stop an attacker either. Left out: eviction; nothing here grows.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

from llmbook.core.run.files import locked, random_suffix

CHECKSUMS = "checksums.json"
FORMAT = 1  # raise it when the cache's content changes: older caches are then rebuilt
log = logging.getLogger(__name__)
_known_sound: dict[Path, tuple] = {}


class CacheError(RuntimeError):
    """A cache cannot be made; the message says why and what to do."""


def ensure_cache(folder: Path, build: Callable[[Path], None], *, source: str = "") -> Path:
    """Return `folder` once it holds whole, unaltered files; `build(temporary_folder)` makes them when needed.

    Several processes may ask at once: one builds, the others wait. The folder appears in one step, so a kill
    at any moment leaves the old cache, or none. `source` names what it was made from; another value rebuilds.
    Raises CacheError when the folder cannot be written, or `build` makes no files.
    """
    if is_sound(folder, source):
        return folder
    try:
        with locked(folder):
            if not is_sound(folder, source):
                _rebuild(folder, build, source)
    except OSError as error:
        raise CacheError(
            f"the cache {folder} cannot be made ({error}); free space or set LLMBOOK_CACHE to another place"
        ) from error
    return folder


def is_sound(folder: Path, source: str = "") -> bool:
    """Whether every file of a cache has its recorded length and CRC-32 (read again only after a change)."""
    try:
        record = json.loads((folder / CHECKSUMS).read_text())
        if record["format"] != FORMAT or record["source"] != source or not record["files"]:
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


def _rebuild(folder: Path, build: Callable[[Path], None], source: str) -> None:
    """Build beside `folder` and swap it in; the caller holds the lock, so leftovers are nobody's."""
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    log.info("making the cache %s (once)", folder)
    fresh = folder.with_name(f".{folder.name}.{random_suffix()}.tmp")
    fresh.mkdir(parents=True)
    try:
        build(fresh)
        _record(fresh, source)
        if folder.exists():
            os.replace(folder, folder.with_name(f".{folder.name}.old-{random_suffix()}.tmp"))
        os.replace(fresh, folder)
    finally:
        for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)


def _record(folder: Path, source: str) -> None:
    """Write checksums.json over all files of a new cache, which must hold at least one."""
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        raise CacheError(f"building the cache {folder} made no files")
    for name in names:
        (folder / name).chmod(0o644)  # safetensors writes 0600; a shared cache is read by others
    files = {name: [(folder / name).stat().st_size, crc32(folder / name)] for name in names}
    record = {"format": FORMAT, "source": source, "files": files}
    (folder / CHECKSUMS).write_text(json.dumps(record, indent=1) + "\n")
