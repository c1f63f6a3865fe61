"""The lock: exact versions of everything, resolved from the ranges in pyproject.toml by `make lock`.

requirements.lock pins every package of the book, its site and its tests, for Python 3.11 to 3.13 on Linux
and macOS. environment.yml pins what a page needs when it runs, at the same versions, for Binder and conda.
Both are generated, and the tests compare them with each other and with pyproject.toml (`problems`), so they
cannot drift apart unnoticed.

Left out: hashes of the pinned packages (one lock serves CPU and CUDA builds of torch); only the data packages
have them, in requirements-data.lock. The CUDA libraries, which torch's own CUDA build pins.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llmbook.build.setup import missing, read_lock

CONDA = {"numpy": "numpy", "torch": "pytorch-cpu"}  # what environment.yml takes from conda, by its name there
BUILD = ("setuptools", "wheel")  # conda's torch brings its own
CUDA = ("nvidia-", "cuda-", "triton")  # only with a CUDA build of torch, which pins them itself

SUPPORTED = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for python in ("3.11", "3.12", "3.13")
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
]

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


def lock_text(resolved: str) -> str:
    """requirements.lock from a resolution for all platforms: no CUDA libraries, no marker that is not needed.

    >>> text = "appnope==1.0 ; sys_platform == 'darwin'\\ncffi==2.1 ; implementation_name == 'pypy'"
    >>> print(lock_text(text + "\\ntriton==3.7.1").splitlines()[1:])
    ["appnope==1.0 ; sys_platform == 'darwin'"]
    """
    head = "# Made by `make lock`: every package of the book, its site and its tests. Don't edit by hand.\n"
    lines = [_line(Requirement(line)) for line in resolved.splitlines() if line and not line.startswith("#")]
    return head + "".join(f"{line}\n" for line in lines if line and not line.startswith(CUDA))


def _line(pin: Requirement) -> str:
    """A pin without a marker that holds everywhere; empty where the marker never holds."""
    holds = [pin.marker is None or pin.marker.evaluate(place) for place in SUPPORTED]
    plain = f"{pin.name}{pin.specifier}"
    return "" if not any(holds) else plain if all(holds) else f"{plain} ; {_quoted(pin.marker)}"


def _quoted(marker: Marker | None) -> str:
    return str(marker).replace('"', "'")


def environment_text(resolved: str) -> str:
    """environment.yml from a resolution of the run-time requirements: torch (CPU) and numpy from conda."""
    pins = _versions(lock_text(resolved))
    conda = [f"  - {alias}={pins[name]}\n" for name, alias in sorted(CONDA.items())]
    rest = sorted(set(pins) - {*CONDA, *BUILD})
    return ENVIRONMENT.format(conda="".join(conda), pip="".join(f"      - {n}=={pins[n]}\n" for n in rest))


def problems(pyproject: str, lock: str, data_lock: str, environment: str) -> list[str]:
    """What disagrees between the texts of the four files that say which versions the book uses.

    Returns one line for each disagreement, none when they agree.
    """
    settings = tomllib.loads(pyproject)
    needed = settings["project"]["dependencies"]
    extras = settings["project"]["optional-dependencies"].values()
    pins = _versions(lock)
    found = [
        f"requirements.lock does not satisfy pyproject.toml: {text}"
        for text in missing([*needed, *itertools.chain(*extras)], pins)
    ]
    if _versions("\n".join(settings["tool"]["llmbook"]["data"])) != _versions(data_lock):
        found.append("requirements-data.lock and [tool.llmbook] data of pyproject.toml differ")
    for name, (_, hashes) in read_lock(data_lock).items():
        if not hashes:
            found.append(f"requirements-data.lock has no hash for {name}")
    return found + _environment_problems(needed, pins, environment)


def _versions(lock: str) -> dict[str, str]:
    return {name: version for name, (version, _) in read_lock(lock).items()}


def _environment_problems(needed: Iterable[str], pins: Mapping[str, str], environment: str) -> list[str]:
    entries = yaml.safe_load(environment)["dependencies"]
    conda = dict(entry.split("=", 1) for entry in entries if isinstance(entry, str) and "=" in entry)
    there = _versions("\n".join(next(entry["pip"] for entry in entries if isinstance(entry, dict))))
    there |= {name: conda.get(alias, "nothing") for name, alias in CONDA.items()}
    found = [
        f"environment.yml has {name} {version}, requirements.lock has {pins.get(name, 'nothing')}"
        for name, version in there.items()
        if version != pins.get(name)
    ]
    names = {str(canonicalize_name(Requirement(text).name)) for text in needed}
    found += [f"environment.yml lacks {name}" for name in sorted(names - set(there))]
    if conda.get("python") != "3.11":
        found.append(f"environment.yml pins python={conda.get('python')}, not 3.11")
    return found


def resolve(*options: str, constraints: str) -> str:
    """Pins for pyproject.toml in the working folder, by uv. Raises ValueError when there is no solution."""
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "constraints.txt"
        limits.write_text(constraints)
        plain = ["--quiet", "--no-header", "--no-annotate", "--constraint", str(limits), "pyproject.toml"]
        command = [sys.executable, "-m", "uv", "pip", "compile", "--python-version", "3.11", *options, *plain]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"no versions satisfy pyproject.toml:\n{done.stderr}")
    return done.stdout


def main(argv: Sequence[str] | None = None) -> None:
    """Write requirements.lock and environment.yml in the working folder."""
    parser = argparse.ArgumentParser(prog="llmbook.build.lock", description=main.__doc__)
    parser.add_argument("--torch", help="version of torch to lock (default: the one in requirements.lock)")
    lock = Path("requirements.lock")
    torch = parser.parse_args(argv).torch or _versions(lock.read_text())["torch"]
    everywhere = ("--universal", "--fork-strategy", "fewest", "--all-extras")
    text = lock_text(resolve(*everywhere, constraints=f"torch=={torch}"))
    lock.write_text(text)
    environment = environment_text(resolve("--python-platform", "linux", constraints=text))
    Path("environment.yml").write_text(environment)


if __name__ == "__main__":
    main()
