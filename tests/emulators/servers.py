"""Start a server for a test on loopback, wait until it answers, stop it by its process id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """In a thread of its own; closed when it has answered what it was asked."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(condition: Callable[[], object], what: str, timeout: float = 60.0, every: float = 0.05) -> None:
    """Poll `condition` until it is true; AssertionError naming `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:g} s for: {what}")
        time.sleep(every)


def stop(process: subprocess.Popen[bytes], timeout: float = 10.0) -> None:
    """SIGTERM, then SIGKILL, to the process group; returns when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            return


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    ready: Callable[[], object],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the context is open; its output goes to `log`, whose end is shown if it does not come up."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or ready(), f"{argv[0]} to be ready", timeout)
        if process.poll() is not None:
            raise AssertionError(
                f"{argv[0]} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}"
            )
        yield process
    finally:
        stop(process)
