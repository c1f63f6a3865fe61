"""Files that are whole or not there: the cache folder, atomic writing, locks, hashes.

A kill at any moment leaves the old file or the new one, never a half. Left out on purpose: what the files hold.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs


def cache_dir() -> Path:
    """Folder for files that are made once and read often; it is created when missing.

    `$LLMBOOK_CACHE` wins, else the platform's user cache (`~/.cache/llmbook` on Linux).

    >>> cache_dir().is_dir()
    True
    """
    named = os.environ.get("LLMBOOK_CACHE")
    folder = (
        Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("llmbook", appauthor=False))
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the cache folder {folder} cannot be made ({error}); set LLMBOOK_CACHE to another one"
        ) from error
    return folder


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Write to the path this yields; it becomes `target` in one step, or vanishes if the block raises.

    A reader, or a kill at any moment, therefore sees the old file or the new one, never a half.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # same folder, so os.replace stays on one file system; same suffix, as some writers look at it
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.{random_suffix()}.tmp{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def random_suffix() -> str:
    """Eight characters for temporary names; independent of `seed_everything`.

    >>> len(random_suffix())
    8
    """
    return os.urandom(4).hex()


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in pieces (1 MiB of memory whatever its size).

    Raises ValueError when the file is missing.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a").write_bytes(b"abc"), sha256(Path(folder, "a"))[:16]
    (3, 'ba7816bf8f01cfea')
    """
    if not Path(path).is_file():
        raise ValueError(f"cannot hash {path}: no such file")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: str | Path, timeout: float = -1) -> Iterator[None]:
    """Hold an exclusive lock beside `path` (file `path`.lock); other processes wait their turn.

    The operating system drops the lock when its holder dies. `timeout` in seconds, -1 waits for ever.
    Raises TimeoutError when the lock is not free in time.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, locked(Path(folder, "cache")):
    ...     "alone"
    'alone'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout as error:
        raise TimeoutError(
            f"another process has held {path}.lock for {timeout} s; wait for it or end it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def find_book(holding: str) -> Path | None:
    """The folder ``book`` that holds the file ``holding``: near the working folder, else this checkout's.

    None where only the package is installed, as on Colab.

    >>> find_book("no such file") is None
    True
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[4]):
        for book in (folder, folder / "book"):
            if book.name == "book" and (book / holding).is_file():
                return book
    return None
