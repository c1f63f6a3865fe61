"""How nbval runs the book's pages: the environment of `llmbook execute`, stderr left to `llmbook check`.

Figures are not compared, for their digits depend on the processor; that there is one is: `<Figure size ...>` stays.
nbval compares stderr too, where a warning or a progress bar differs from run to run. A page may store none
(`llmbook execute` refuses it, `llmbook check` finds it), so nothing is lost by not comparing it.
It also leaves no history in the kernel, and without one IPython forgets that a `;` at a cell's end means silence.
Loaded by the `conftest.py` beside `pyproject.toml`, for `pytest --nbval book` and for copies elsewhere.
"""

from __future__ import annotations

import os
from typing import Any

from llmbook.build.execute import kernel_environment

NBVAL_DEFAULT_TIMEOUT = 2000
CELL_TIMEOUT = 600  # seconds, as in `llmbook execute`


def pytest_configure(config: Any) -> None:
    """Give the kernels, which inherit this process's environment, the one that pages are executed in."""
    if not getattr(config.option, "nbval", False):
        return
    from llmbook.build.kernels import use_sockets_in_nbval  # needs Jupyter, which plain tests do without

    use_sockets_in_nbval()
    keep_history()
    offline = os.environ.get("HF_HUB_OFFLINE") != "0"
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    os.environ.update(kernel_environment(max(2, workers), offline=offline))
    os.environ.pop("MPLBACKEND", None)
    if config.option.nbval_cell_timeout == NBVAL_DEFAULT_TIMEOUT:
        config.option.nbval_cell_timeout = CELL_TIMEOUT


def keep_history() -> None:
    """Run cells as Jupyter does, so that a trailing `;` suppresses a cell's last value here as well."""
    from nbval.kernel import RunningKernel

    def execute_cell_input(self: Any, cell_input: str, allow_stdin: bool | None = None) -> str:
        return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)

    RunningKernel.execute_cell_input = execute_cell_input


def pytest_collectstart(collector: Any) -> None:
    """Leave stderr and figures out of the comparison."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, "stderr", "image/svg+xml")
