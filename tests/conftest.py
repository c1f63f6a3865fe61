"""Fixtures for all tests, and parity figures in pytest's closing lines.

A test says `parity_report("...")`, and the summary prints it. A line travels as a user property of its test's report,
which is what xdist's workers send to the controller.
"""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest


@pytest.fixture
def parity_report(record_property):
    """Call it with one line of measured agreement; it is printed at the end of the run as "parity: ..."."""
    return lambda line: record_property("parity", line)


@dataclass
class Updates:
    """What optimizers did while a test ran: a row (optimizer, lr, weight decay, parameters) per group and step."""

    rows: list[tuple[str, float, float, tuple[int, ...]]] = field(default_factory=list)

    def optimizers(self):
        return {name for name, *_ in self.rows}

    def lr(self, optimizer):
        """The learning rate of each step; all groups of the optimizer have the same."""
        parameters = next(ids for name, *_, ids in self.rows if name == optimizer)
        rates = [lr for name, lr, _, ids in self.rows if (name, ids) == (optimizer, parameters)]
        same = [lr for name, lr, *_ in self.rows if name == optimizer]
        assert sorted(rates * (len(same) // len(rates))) == sorted(same)
        return rates

    def weight_decay(self):
        return {decay for _, _, decay, _ in self.rows}

    def parameters(self, optimizer):
        """The ids of the tensors that it updates."""
        return {i for name, *_, ids in self.rows if name == optimizer for i in ids}


@contextmanager
def _watch_updates():
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    seen = Updates()

    def note(optimizer, args, kwargs):
        for group in optimizer.param_groups:
            ids = tuple(id(p) for p in group["params"])
            seen.rows.append((type(optimizer).__name__, float(group["lr"]), group["weight_decay"], ids))

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _stop_clock():
    clock = SimpleNamespace(now=0.0)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("perf_counter", "monotonic"):
            patch.setattr(time, name, lambda: clock.now)
        yield clock


@pytest.fixture(scope="session")
def watch_updates():
    """`with watch_updates() as updates:` every step of every optimizer, seen from PyTorch's own hook."""
    return _watch_updates


@pytest.fixture
def updates(watch_updates):
    """Every step of every optimizer while the test runs."""
    with watch_updates() as seen:
        yield seen


@pytest.fixture(scope="session")
def stop_clock():
    """`with stop_clock() as clock:` time passes only by `clock.now += 1`, so a budget of seconds is one of steps."""
    return _stop_clock


def pytest_terminal_summary(terminalreporter):
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    lines = [value for r in reports for name, value in getattr(r, "user_properties", []) if name == "parity"]
    if lines:
        terminalreporter.section("agreement with references")
        for line in sorted(set(lines)):
            terminalreporter.write_line(f"parity: {line}")
