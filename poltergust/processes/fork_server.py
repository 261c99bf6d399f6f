"""The agent's end of an environment's fork server: started once, asked for a supervised command again and again.

What it is and how it is spoken to stands at the other end, `luigi_run/inside/fork_server.py`. The agent itself is never
forked: the server is a program of its own, started by `subprocess`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.processes.lines import LineSplitter
from poltergust.processes.pipes import Pipes
from poltergust.processes.start import REAP_SECONDS, failed

VARIABLE = "POLTERGUST_FORK_SERVER"
_ROOM_BYTES = 4096
"""What the variables of a fork may take more than the server's own, to be shown whole in /proc/PID/environ."""


class ForkServer:
    """Starts at once and is ready later. `argv` is a Python program that is a fork server if `VARIABLE` is set, in
    which `preload` is imported. `on_line` gets what it writes, `on_end` is
    called when it has ended; both from a thread. Raises `NodeError` if it cannot be started."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        preload: Sequence[str],
        on_line: Callable[[str], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_line, self._on_end = on_line, on_end
        self._answered = threading.Event()
        self._lock = threading.Lock()  # one message at a time, and none to a descriptor that was closed
        self.problem = "its fork server ended before it was ready"
        """Why it is not to be asked; empty while it is well."""
        self.closed = False
        self._ended = threading.Event()
        orders = {
            "supervisor": str(Path(__file__).with_name("supervisor.py")),
            "preload": list(preload),
            "environ": dict(os.environ),
        }
        self._orders = json.dumps(orders).encode("ascii") + b"\n"
        with contextlib.ExitStack() as undo:
            try:
                self._socket, far = socket.socketpair()
                undo.callback(self._socket.close)
                with far:
                    self._output, output = os.pipe()
                    undo.callback(os.close, self._output)
                    try:
                        self._process = subprocess.Popen(  # noqa: S603  # an argument list of our own, no shell
                            argv,
                            stdin=subprocess.DEVNULL,
                            stdout=output,
                            stderr=output,
                            pass_fds=[far.fileno()],
                            env={**env, VARIABLE: str(far.fileno()).ljust(_ROOM_BYTES)},
                            cwd="/",
                            start_new_session=True,
                        )
                    finally:
                        os.close(output)
                undo.callback(self._process.wait)
                undo.callback(self._process.kill)
                threading.Thread(target=self._run, name=f"poltergust-fork-server-{self.pid}", daemon=True).start()
            except (OSError, RuntimeError) as error:  # RuntimeError: "can't start new thread"
                raise failed(argv[0], getattr(error, "strerror", None) or str(error)) from error
            undo.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, timeout: float) -> bool:
        """Whether it can be asked, within `timeout` seconds. Raises `NodeError` if it never can."""
        if not self._answered.wait(timeout):
            return False
        if self.problem:
            raise NodeError(Reason.START_FAILED, self.problem)
        return True

    def supervise(self, pipes: Pipes) -> None:
        """Have a supervisor forked that serves `pipes`, which must have messages. Raises `NodeError`."""
        fds = [pipes.order_read, pipes.status_write, pipes.output_write, pipes.control_read, pipes.result_write]
        with self._lock:
            try:
                socket.send_fds(self._socket, [b"f"], fds, socket.MSG_DONTWAIT)
            except OSError as error:  # it has ended, or stands still and its buffer is full
                raise NodeError(Reason.START_FAILED, f"its fork server does not listen: {error.strerror}") from error

    def close(self) -> None:
        """It ends; what was forked from it goes on. Does not wait."""
        self.closed = True
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, within `timeout` seconds."""
        return self._ended.wait(timeout)

    def _run(self) -> None:
        try:
            self._follow()
        finally:
            self._answered.set()
            with self._lock:
                self._socket.close()
            os.close(self._output)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_SECONDS)
            self._process.kill()  # nothing, if it has ended
            self._process.wait()
            self._ended.set()
            self._on_end()

    def _follow(self) -> None:
        """Until it ends: its orders, its answer, its output."""
        lines, answer = LineSplitter(), b""
        poll = select.poll()
        wait: float | None = None  # milliseconds; once it is told to end, it is not waited for for ever
        poll.register(self._socket, select.POLLIN)
        poll.register(self._output, select.POLLIN)
        with contextlib.suppress(OSError):  # it ended before it read them: its output says why
            self._socket.sendall(self._orders)
        while True:
            ready = [fd for fd, _ in poll.poll(wait)]
            if not ready:
                return
            if self._socket.fileno() in ready:  # before the output, at whose end this ends: the answer says why
                data = self._receive()
                answer += data
                if not data:  # closed by one of us
                    poll.unregister(self._socket)
                    wait = REAP_SECONDS * 1000
                    self._answered.set()
                elif answer.endswith(b"\n"):
                    said = json.loads(answer)
                    self.problem = "" if said.get("ready") else str(said.get("refused"))
                    self._answered.set()
            if self._output in ready:
                data = os.read(self._output, 65536)
                for line in lines.feed(data, time.monotonic()) if data else lines.end():
                    self._on_line(line)
                if not data:
                    return

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except OSError:
            return b""
