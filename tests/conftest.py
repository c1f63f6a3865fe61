"""Parity figures in pytest's closing lines: a test says `parity_report("...")`, the summary prints it.

A line travels as a user property of its test's report, which is what xdist's workers send to the controller.
"""

import pytest


@pytest.fixture
def parity_report(record_property):
    """Call it with one line of measured agreement; it is printed at the end of the run as "parity: ..."."""
    return lambda line: record_property("parity", line)


def pytest_terminal_summary(terminalreporter):
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    lines = [value for r in reports for name, value in getattr(r, "user_properties", []) if name == "parity"]
    if lines:
        terminalreporter.section("agreement with references")
        for line in sorted(set(lines)):
            terminalreporter.write_line(f"parity: {line}")
