"""Kernels over sockets: they answer, let nobody else in, and leave no folder."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

pytest.importorskip("jupyter_client")
from llmbook.build.kernels import SocketKernelManager, use_sockets_in_nbval

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ZeroMQ has no Unix sockets on Windows")


@pytest.fixture
def started():
    manager = SocketKernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernel_answers_over_five_sockets(started):
    manager, client = started
    reply = client.execute_interactive("6 * 7", timeout=60, output_hook=lambda _: None)
    assert reply["content"]["status"] == "ok"
    process = psutil.Process(manager.provisioner.pid)
    sockets = [c.laddr for c in process.net_connections("unix") if str(manager.ip) in str(c.laddr)]
    assert len({str(address) for address in sockets}) == 5  # shell, iopub, stdin, control, heartbeat


def test_only_its_owner_may_enter_the_folder(started):
    assert Path(started[0].ip).parent.stat().st_mode & 0o077 == 0


def test_the_folder_goes_with_the_kernel():
    manager = SocketKernelManager(kernel_name="python3")
    folder = Path(manager.ip).parent
    manager.start_kernel()
    assert folder.is_dir()
    manager.shutdown_kernel(now=True)
    assert not folder.exists()


def test_nbval_starts_its_kernels_this_way(monkeypatch):
    import nbval.kernel

    monkeypatch.setattr(nbval.kernel, "KernelManager", nbval.kernel.KernelManager)
    use_sockets_in_nbval()
    manager, client = nbval.kernel.start_new_kernel(kernel_name="python3")
    try:
        assert manager.transport == "ipc"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
