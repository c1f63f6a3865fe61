"""Kernels that speak over Unix sockets in a private folder, not over TCP ports.

A kernel's manager looks for free ports, closes them, and names them to the kernel, which opens them a second later.
In between another kernel that starts at the same time may take one, and the first dies "before replying to
kernel_info" (known since 2015: https://github.com/jupyter/jupyter_client/issues/154). A socket in a folder of its own
can't be taken, and nobody else on the machine can connect to it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets import default

PREFIX = "llmbook-kernel-"


class SocketKernelManager(KernelManager):
    """jupyter_client's manager with its sockets in a folder of their own, which goes when the kernel has ended."""

    @default("transport")
    def _default_transport(self) -> str:
        return "tcp" if os.name == "nt" else "ipc"  # ZeroMQ has no such sockets on Windows

    @default("ip")
    def _default_ip(self) -> str:
        if self.transport == "tcp":
            return "127.0.0.1"
        folder = tempfile.mkdtemp(prefix=PREFIX)
        return str(Path(folder, "k"))  # short: a socket's path has at most about 100 bytes

    def cleanup_connection_file(self) -> None:
        """Called at a kernel's end, not at its restart: the folder goes too."""
        super().cleanup_connection_file()
        if self.transport == "ipc":
            shutil.rmtree(Path(self.ip).parent, ignore_errors=True)


class AsyncSocketKernelManager(SocketKernelManager, AsyncKernelManager):
    """The same for papermill: ``papermill.execute_notebook(..., kernel_manager_class=AsyncSocketKernelManager)``."""


def use_sockets_in_nbval() -> None:
    """Let nbval, which takes its manager from its own module, start kernels with :class:`SocketKernelManager`."""
    import nbval.kernel as nbval_kernel

    module: Any = nbval_kernel
    module.KernelManager = SocketKernelManager
