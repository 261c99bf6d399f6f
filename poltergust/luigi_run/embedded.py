"""`poltergust scheduler` as a child of the agent, on loopback, for nodes that were given no scheduler.

It is for this machine and this user: it wants the password in `own_state.own_password_file`. Kept alive: when it dies
it comes back on the same port with the state of its last clean stop (luigid saves its state only then). Killed together
with the agent it saves nothing, and workers announce their tasks again.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from poltergust.base.backoff import Backoff
from poltergust.base.errors import NodeError
from poltergust.base.loops import Loop
from poltergust.base.reasons import Reason
from poltergust.luigi_run.own_state import check_state, own_password, own_password_file
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.processes import Child, Spawn

HOST = "127.0.0.1"
_MIN_RESTART_SECONDS, _MAX_RESTART_SECONDS = 0.5, 30.0  # between a death and the next start, doubled each time
_STEADY_SECONDS = 60.0  # alive, after which the delay starts again from the first
_MAX_LINES = 20  # of its output, the last ones, kept for an error message

_log = logging.getLogger(__name__)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _refuse_taken(port: int) -> None:
    """Another luigid on this port would answer in the place of ours, and two schedulers run every task twice."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as luigid binds; TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
        except OSError as error:
            text = f"the embedded luigid cannot listen on {HOST}:{port}: {error.strerror}; choose another port"
            raise NodeError(Reason.START_FAILED, text) from error


class EmbeddedScheduler:
    """`start()` once, `stop()` once, from one thread. `folder` is its own, for its state; `env` the agent's
    environment; each line luigid writes goes to `on_line`."""

    def __init__(
        self,
        spawn: Spawn,
        folder: Path,
        env: Mapping[str, str],
        *,
        port: int | None = None,
        on_line: Callable[[str], None] = _log.debug,
    ) -> None:
        self._spawn = spawn
        self._folder = folder.absolute()
        # What is meant for the agent (POLTERGUST_HTTP) or for its runs (their luigi.cfg) is not for the scheduler.
        self._env = {
            name: value for name, value in env.items() if not name.startswith(("POLTERGUST_", "LUIGI_CONFIG_"))
        }
        self._password_file = own_password_file(env)
        self._port = port
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=_MAX_LINES)
        self._backoff = Backoff(_MIN_RESTART_SECONDS, _MAX_RESTART_SECONDS, jitter=0)
        self._loop = Loop("luigid", self._keep, failed=self._failed, backoff=self._backoff)
        self._child: Child | None = None
        self._child_lock = threading.Lock()

    @property
    def url(self) -> str:
        """Without the password."""
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of luigid itself; None between a death and the next start."""
        with self._child_lock:
            return None if self._child is None else self._child.pid

    def start(self, timeout: float = 60.0) -> str:
        """Start it and return its URL, with the password, once it answers; `NodeError` with its last line after
        `timeout` seconds. Raises `UsageError` if its password or its state cannot be kept where they belong."""
        check_state(self._folder)
        credentials = own_password(self._password_file)
        self._port = self._port or free_port()
        _refuse_taken(self._port)
        url = credentials.in_url(self.url)
        client = SchedulerClient(url, timeout=2.0)
        child = self._launch()
        self._loop.start()
        end = time.monotonic() + timeout
        while not client.healthy():
            if child.wait(0) is not None or time.monotonic() > end:
                self.stop()
                words = next((line.strip() for line in reversed(self._last) if line.strip()), "it wrote nothing")
                raise NodeError(
                    Reason.START_FAILED, f"the embedded luigid on port {self._port} did not come up: {words}"
                )
            self._loop.stopping.wait(0.05)
        _log.info("the embedded scheduler is at %s, its password in %s", self.url, self._password_file)
        return url

    def stop(self, timeout: float = 10.0) -> None:
        """Stop it so that it saves its state; after `timeout` seconds it is killed."""
        self._loop.request_stop()
        with self._child_lock:
            child = self._child
        if child is not None:
            child.signal(signal.SIGTERM)
            if child.wait(timeout) is None:
                _log.warning("luigid did not stop within %g s: killed, its state is not saved", timeout)
                child.kill()
        self._loop.join(timeout)

    def _launch(self) -> Child:
        with self._child_lock:
            self._child = self._spawn(
                [
                    sys.executable,
                    *("-m", "poltergust", "scheduler", "--address", HOST, "--port", str(self._port)),
                    *("--password-file", str(self._password_file), "--state-dir", str(self._folder)),
                ],
                env=self._env,
                cwd=self._folder,
                on_line=self._take_line,
            )
            return self._child

    def _take_line(self, line: str) -> None:
        self._last.append(line)
        self._on_line(line)

    def _keep(self) -> float | None:
        with self._child_lock:
            child = self._child
        if child is None:
            child = self._launch()
            if self._loop.stopping.is_set():  # stop() may have looked before there was a child
                child.signal(signal.SIGTERM)
        since = time.monotonic()
        ended = child.wait()
        with self._child_lock:
            self._child = None
        if self._loop.stopping.is_set():
            return None
        if time.monotonic() - since > _STEADY_SECONDS:
            self._backoff.forget()
        raise NodeError(Reason.CHILD_DIED, f"luigid on port {self._port} ended ({ended})")

    def _failed(self, error: Exception) -> None:
        expected = isinstance(error, NodeError)
        _log.warning("%s; starting it again", error, exc_info=None if expected else error)
