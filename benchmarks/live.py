"""The live model in a headless Chromium: how long it takes to load, how fast it reads and writes, what memory it holds.

    python benchmarks/live.py --repeats 3

writes benchmarks/results/live.json. The script, the program and the weights are those of the site, served from
loopback. Each turn opens a fresh browser: a first load over the (local) network, the same page again from the browser's
cache, then a prompt is read and written on from, greedily. The program for browsers without JSPI and 64-bit memory,
such as Safari, is measured by taking JSPI away from Chromium. Memory is what the browser's processes hold that no other
process shares (USS), more than before loading. Other work on the machine moves all of these but the memory.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from llmbook.build import live
from llmbook.build.screenshot import CHROMIUM_FLAGS, HOW_TO_GET, find_chromium
from llmbook.core.run.files import atomic_path
from llmbook.core.run.machine import hardware, versions
from llmbook.core.text.cards import SMOLLM2

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = Path(__file__).parent / "results" / "live.json"
PROMPT = "Once upon a time there was a little girl who lived in a village near the forest. " * 6
N_NEW = 48
PROGRAMS = {"JSPI and 64-bit memory": "", "without them (Safari)": "delete WebAssembly.Suspending;"}
LOAD = """async config => {
    const live = window.live = await import("/live/engine.js");
    await live.configure(config);
    const begun = performance.now();
    await live.load();
    if (live.engine.state !== "ready") throw new Error(live.engine.text);
    return (performance.now() - begun) / 1000;
}"""
READ = """async prompt => {
    const begun = performance.now();
    await live.write(prompt, {temperature: 0, topK: 0, topP: 1, n: 1});
    const seconds = (performance.now() - begun) / 1000;
    return live.engine.vocabulary.encode(prompt).length / seconds;
}"""
NEXT = """async prompt => {
    const begun = performance.now();
    await live.next(prompt);
    return (performance.now() - begun) / 1000;
}"""
WRITE = "async ([prompt, n]) => (await live.write(prompt, {temperature: 0, topK: 0, topP: 1, n})).rate"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(folder: Path) -> str:
    """Serve a folder on loopback until this process ends; its address."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def held() -> int:
    """Bytes that the browser's processes hold for themselves."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_full_info().uss if "--type=" in " ".join(process.cmdline()) else 0
        except psutil.Error:  # it has just ended
            continue
    return total


def turn(playwright: Any, address: str, script: str) -> dict[str, float]:
    """One fresh browser: two loads, reading, writing, memory."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_FLAGS))
    context = browser.new_context()
    context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(300_000)
    config = {"model": SMOLLM2.files, "size": SMOLLM2.size, "version": live.version(), "program": 0}
    page.goto(address)
    before = held()
    found = {"load_seconds": page.evaluate(LOAD, config)}
    page.reload()
    found["load_again_seconds"] = page.evaluate(LOAD, config)
    found["read_tokens_per_second"] = page.evaluate(READ, PROMPT)
    found["next_token_seconds"] = page.evaluate(NEXT, PROMPT + " She")
    found["write_tokens_per_second"] = page.evaluate(WRITE, [PROMPT, N_NEW])
    time.sleep(1)
    found["memory_mib"] = (held() - before) / 2**20
    browser.close()
    return found


def main() -> None:
    """Measure, print and write the medians with every turn."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    if find_chromium() is None:
        parser.exit(1, f"{HOW_TO_GET}\n")
    load, runs = os.getloadavg()[0], {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        shutil.copytree(ROOT / "book" / "_static" / "live", folder / "live")
        live.publish(folder / "live")
        (folder / "index.html").write_text(
            '<!doctype html><link rel="icon" href="data:,"><title>live</title>'
        )
        address = serve(folder)
        for _ in range(args.repeats):
            for name, script in PROGRAMS.items():
                runs[name].append(turn(playwright, address, script))
                print(f"{name}:", ", ".join(f"{k} {v:.2f}" for k, v in runs[name][-1].items()), flush=True)
    save(args, runs, load)


def save(args: argparse.Namespace, runs: dict[str, list[dict[str, float]]], load: float) -> None:
    """Write the medians with every turn, the machine and the versions; whole or not at all."""
    about = {
        "model": SMOLLM2.files, "wllama": live.version().rpartition("-")[2], "threads": 1, "new_tokens": N_NEW,
        "repeats": args.repeats, "load_average_before": load, "hardware": hardware(), "versions": versions(),
    }  # fmt: skip
    medians = {
        name: {key: median(one[key] for one in turns) for key in turns[0]} for name, turns in runs.items()
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.output) as temporary:
        record = {"about": about, "medians": medians, "turns": runs}
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    print(json.dumps(medians, indent=1), args.output)


if __name__ == "__main__":
    main()
