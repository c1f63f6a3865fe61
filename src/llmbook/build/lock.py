"""The lock: exact versions of everything, resolved by uv from the ranges in pyproject.toml (`make lock`).

requirements.lock pins every package of the book, its site and its tests, for Python 3.11 to 3.13. environment.yml
pins what a page needs when it runs, at the same versions, for Binder and conda. `uv pip compile` resolves both;
they are written together or not at all, and only when they agree (`problems`).

Left out: hashes of the pinned packages (one lock serves CPU and CUDA builds of torch); only the data packages
have them, in requirements-data.lock. The CUDA libraries, which torch's own CUDA build pins. Where packages come
from: the settings of uv and pip say that, and no line of a lock does.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

from llmbook.build.setup import missing, read_lock
from llmbook.core.run.files import atomic_path

CONDA = {"numpy": "numpy", "torch": "pytorch-cpu"}  # what environment.yml takes from conda, by its name there
BUILD = ("setuptools", "wheel")  # conda's torch brings its own
CUDA = ("nvidia-", "cuda-", "triton")  # only with a CUDA build of torch, which pins them itself

HEAD = "# Made by `make lock`: every package of the book, its site and its tests. Don't edit by hand.\n"
ENVIRONMENT = """\
# Made by `make lock` from requirements.lock. Don't edit by hand.
# Binder builds its image from this file and then runs postBuild. On your own machine:
#     conda env create -f environment.yml && conda activate llmbook && ./postBuild
# torch comes from conda in its CPU build; pip then finds it installed and leaves the CUDA build alone.
name: llmbook
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - jupyterlab=4
{conda}  - pip:
{pip}"""


class LockError(RuntimeError):
    """The versions cannot be resolved; the message says why."""


def resolve(folder: Path, *options: str, constraints: str) -> str:
    """Pins for the pyproject.toml in `folder`, by uv. Raises LockError without uv and without a solution."""
    if importlib.util.find_spec("uv") is None:
        raise LockError("resolving needs uv, which is not installed here: `make venv` installs it")
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--constraint", "-"]
    command += ["--python-version", "3.11", "--quiet", "--no-header", "--no-annotate", *options]
    done = subprocess.run(command, cwd=folder, input=constraints, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockError(f"uv found no versions that satisfy pyproject.toml:\n{done.stderr}")
    return done.stdout


def lock_text(resolved: str) -> str:
    """requirements.lock from a resolution: its pins with their markers, without comments and CUDA libraries.

    Raises ValueError for a line that is not an exact pin, such as the address of an index.

    >>> lock_text("appnope==1.0 ; sys_platform == 'darwin'\\ntriton==3.7.1").splitlines()[1:]
    ["appnope==1.0 ; sys_platform == 'darwin'"]
    """
    _versions(resolved)
    lines = [line for line in resolved.splitlines() if not line.lstrip().startswith(("#", *CUDA))]
    return HEAD + "".join(f"{line}\n" for line in lines if line)


def environment_text(resolved: str) -> str:
    """environment.yml from a resolution of the run-time requirements: torch (CPU) and numpy from conda."""
    pins = _versions(lock_text(resolved))
    conda = [f"  - {alias}={pins[name]}\n" for name, alias in sorted(CONDA.items())]
    rest = sorted(set(pins) - {*CONDA, *BUILD})
    return ENVIRONMENT.format(conda="".join(conda), pip="".join(f"      - {n}=={pins[n]}\n" for n in rest))


def problems(pyproject: str, lock: str, environment: str) -> list[str]:
    """What disagrees between the texts of pyproject.toml, requirements.lock and environment.yml.

    Returns one line for each disagreement, none when they agree.
    """
    project = tomllib.loads(pyproject)["project"]
    needed, extras = project["dependencies"], project["optional-dependencies"].values()
    pins, there = _versions(lock), _environment_versions(environment)
    wanted = {"requirements.lock": missing([*needed, *itertools.chain(*extras)], pins)}
    wanted["environment.yml"] = missing(needed, there)
    found = [
        f"{file} does not satisfy pyproject.toml: {text}" for file, texts in wanted.items() for text in texts
    ]
    return found + [
        f"environment.yml has {name} {version}, requirements.lock has {pins.get(name, 'nothing')}"
        for name, version in there.items()
        if version != pins.get(name)
    ]


def _versions(lock: str) -> dict[str, str]:
    return {name: version for name, (version, _) in read_lock(lock).items()}


def _environment_versions(environment: str) -> dict[str, str]:
    entries = yaml.safe_load(environment)["dependencies"]
    conda = dict(entry.split("=", 1) for entry in entries if isinstance(entry, str) and "=" in entry)
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    return _versions("\n".join(pip)) | {name: conda[alias] for name, alias in CONDA.items() if alias in conda}


def write(folder: Path, torch: str | None = None) -> None:
    """Resolve the pyproject.toml in `folder`; write requirements.lock and environment.yml there, together.

    Args:
        folder: the root of the book.
        torch: the version of torch to lock; None keeps the one in requirements.lock.

    Raises:
        ValueError: `torch` is not a version, or names a build.
        LockError: uv is missing or finds no solution, or its two solutions do not agree.
    """
    pyproject = (folder / "pyproject.toml").read_text(encoding="utf-8")
    path = folder / "requirements.lock"
    torch = _versions(path.read_text(encoding="utf-8"))["torch"] if torch is None else _release(torch)
    everywhere = ("--universal", "--fork-strategy", "fewest", "--all-extras")
    lock = lock_text(resolve(folder, *everywhere, constraints=f"torch=={torch}"))
    environment = environment_text(resolve(folder, "--python-platform", "linux", constraints=lock))
    if found := problems(pyproject, lock, environment):
        raise LockError("what uv resolved does not fit together:\n" + "\n".join(found))
    with atomic_path(path) as first, atomic_path(folder / "environment.yml") as second:
        first.write_text(lock, encoding="utf-8")
        second.write_text(environment, encoding="utf-8")


def _release(text: str) -> str:
    try:
        version = Version(text)
    except InvalidVersion:
        raise ValueError(f"torch {text!r} is not a version: give one such as 2.13.0") from None
    if version.local:
        raise ValueError(f"torch {text} names a build; the lock serves every build: give {version.public}")
    return text


def main(argv: Sequence[str] | None = None) -> None:
    """Write requirements.lock and environment.yml in the working folder."""
    parser = argparse.ArgumentParser(prog="llmbook.build.lock", description=main.__doc__)
    parser.add_argument("--torch", help="version of torch to lock (default: the one in requirements.lock)")
    try:
        write(Path.cwd(), parser.parse_args(argv).torch)
    except (ValueError, LockError, OSError) as problem:
        parser.exit(1, f"{problem}\n")


if __name__ == "__main__":
    main()
