"""A `luigid` of the agent's own installation, on loopback, for nodes that were given no scheduler.

Kept alive: when it dies it comes back on the same port with the state of its last clean stop (luigid saves its state
only then). Killed together with the agent it saves nothing, and workers announce their tasks again.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from poltergust.base.backoff import Backoff
from poltergust.base.errors import NodeError
from poltergust.base.loops import Loop
from poltergust.base.reasons import Reason
from poltergust.processes import Child, Spawn

HOST = "127.0.0.1"
QUICK_TAKE_OVER: Mapping[str, str] = {
    # A worker pings every second from a thread: 10 s leave room for a task that holds the interpreter lock.
    "worker_disconnect_delay": "10",
    "retry_delay": "3",
    "prune_on_get_work": "true",
}
"""The settings by which a dead node's tasks are taken over within seconds (Luigi's defaults: 17 minutes)."""

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


def write_config(folder: Path) -> Path:
    """Write luigid's configuration into `folder`, which also keeps its state."""
    settings = {
        **QUICK_TAKE_OVER,
        "state_path": str(folder / "state.pickle").replace("%", "%%"),  # configparser interpolates
        "record_task_history": "false",
        "batch_emails": "false",
    }
    path = folder / "luigid.cfg"
    text = "# Written by poltergust at each start; changes are lost.\n[scheduler]\n"
    path.write_text(text + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    return path


class EmbeddedScheduler:
    """`start()` once, `stop()` once, from one thread. `folder` is its own (configuration and state); `env` the agent's
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
        self._env = dict(env)
        self._port = port
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=_MAX_LINES)
        self._backoff = Backoff(_MIN_RESTART_SECONDS, _MAX_RESTART_SECONDS, jitter=0)
        self._loop = Loop("luigid", self._keep, failed=self._failed, backoff=self._backoff)
        self._child: Child | None = None
        self._child_lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of luigid itself; None between a death and the next start."""
        with self._child_lock:
            return None if self._child is None else self._child.pid

    def start(self, timeout: float = 60.0) -> str:
        """Start it and return its URL once it answers; `NodeError` with its last line after `timeout` seconds."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._env["LUIGI_CONFIG_PATH"] = str(write_config(self._folder))
        self._env.pop("LUIGI_CONFIG_PARSER", None)  # a user's choice of TOML is not for our file
        self._port = self._port or free_port()
        _refuse_taken(self._port)
        child = self._launch()
        self._loop.start()
        end = time.monotonic() + timeout
        while not self._answers():
            if child.wait(0) is not None or time.monotonic() > end:
                self.stop()
                words = next((line.strip() for line in reversed(self._last) if line.strip()), "it wrote nothing")
                raise NodeError(
                    Reason.START_FAILED, f"the embedded luigid on port {self._port} did not come up: {words}"
                )
            self._loop.stopping.wait(0.05)
        return self.url

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
                    *("-c", "from luigi.cmdline import luigid; luigid()"),
                    *("--address", HOST, "--port", str(self._port)),
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

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self.url + "/", method="HEAD")
        try:
            with opener.open(request, timeout=2.0) as answer:
                return bool(answer.status == 204)
        except OSError:
            return False
