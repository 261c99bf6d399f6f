"""From an argv list to a running supervisor, or one clear `NodeError`."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.processes.pipes import Pipes

_ROOM = Path(__file__).parent
# An import and not a script: only imports are compiled once and kept, which saves every start 6 ms. Appended, so that
# nothing in this folder can stand before the standard library.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from supervisor import main; main(sys.argv[2:])"
_START_SECONDS = 60.0  # a supervisor starts in 0.02 s on an idle machine
REAP_SECONDS = 10.0  # for the own exit of a process that has said its last

_log = logging.getLogger(__name__)
_supervisors: set[int] = set()  # pids alive or not yet waited for: never to be taken for orphans
_supervisors_lock = threading.Lock()


class NotAlike(NodeError):
    """The fork server is well, and this command must be started by itself all the same."""


def failed(name: str, why: str) -> NodeError:
    return NodeError(Reason.START_FAILED, f"cannot start {name!r}: {why}")


def check(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Refuse what execve(2) cannot carry, naming the argument or variable but never its value."""
    if not argv or not argv[0]:
        raise failed("", "the command is empty")
    for place, argument in enumerate(argv):
        if "\0" in argument:
            raise failed(argv[0].replace("\0", ""), f"argument {place} contains a NUL character")
    for name, value in env.items():
        if not name or "=" in name or "\0" in name:
            raise failed(argv[0], f"{name!r} is no name for an environment variable")
        if "\0" in value:
            raise failed(argv[0], f"the value of the environment variable {name} contains a NUL character")


class SupervisorProcess:
    """A supervisor of the agent's own interpreter, serving `pipes`. It inherits the agent's environment (an interpreter
    may need its LD_LIBRARY_PATH)."""

    def __init__(self, pipes: Pipes) -> None:
        fds = (pipes.order_read, pipes.status_write, pipes.control_read, pipes.result_write)
        with _supervisors_lock:  # no look for orphans may see a supervisor that is not in the set yet
            self._process = subprocess.Popen(  # noqa: S603  # an argument list of our own, no shell
                [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOM), *map(str, fds)],
                stdin=subprocess.DEVNULL,
                stdout=pipes.output_write,
                stderr=pipes.output_write,
                close_fds=True,
                pass_fds=[fd for fd in fds if fd >= 0],
                cwd="/",
                start_new_session=True,
            )
            _supervisors.add(self._process.pid)

    def collect(self) -> bool:
        """Wait for its end, which its last word announced; whether it was killed."""
        try:
            self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("supervisor %d did not end by itself within %g s", self._process.pid, REAP_SECONDS)
            self._process.kill()
            self._process.wait()
        with _supervisors_lock:
            _supervisors.discard(self._process.pid)
        return self._process.returncode < 0


def spared() -> frozenset[int]:
    """The supervisors that are nobody's orphans."""
    with _supervisors_lock:
        return frozenset(_supervisors)


@dataclass(frozen=True)
class RunningCommand:
    """A command that runs, its supervisor, and what that sent since."""

    pid: int
    supervisor: int
    status: bytes


def begin(name: str, cwd: str, pipes: Pipes, request: bytes) -> RunningCommand:
    """Hand over the command and wait until it runs."""
    end = time.monotonic() + _START_SECONDS
    _write(name, pipes, request, end)
    answer = b""
    while b"\n" not in answer:
        if not _ready(pipes.status_read, select.POLLIN, end):
            raise failed(name, f"its supervisor did not answer within {_START_SECONDS:g} s")
        data = os.read(pipes.status_read, 4096)
        if not data:
            raise failed(name, f"its supervisor died at start: {_last_words(pipes)}")
        answer += data
    line, _, rest = answer.partition(b"\n")
    what, *values = line.decode().split()
    if what == "started":
        return RunningCommand(int(values[0]), int(values[1]), rest)
    if values[0] == "unlike":
        raise NotAlike(Reason.START_FAILED, " ".join(values[1:]))
    stage, number = values[0], int(values[1])
    raise failed(name, _explain(stage, number, cwd))


def _explain(stage: str, number: int, cwd: str) -> str:
    if stage == "cwd":
        return f"its working directory {cwd!r}: {os.strerror(number)}"
    if number == errno.ENOENT:
        return "not found (or the interpreter its first line names is not)"
    if number == errno.EACCES:
        return "not executable: Permission denied"
    if number == errno.E2BIG:
        return "its arguments and environment variables are too long for the kernel"
    return os.strerror(number)


def _write(name: str, pipes: Pipes, request: bytes, end: float) -> None:
    view = memoryview(request)
    try:
        while view:
            if not _ready(pipes.order_write, select.POLLOUT, end):
                raise failed(name, f"its supervisor did not read within {_START_SECONDS:g} s")
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(pipes.order_write, view[:65536]) :]
    except BrokenPipeError:
        raise failed(name, f"its supervisor died at start: {_last_words(pipes)}") from None


def _ready(fd: int, event: int, end: float) -> bool:
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(max(0.0, end - time.monotonic()) * 1000))


def _last_words(pipes: Pipes) -> str:
    with contextlib.suppress(BlockingIOError):
        lines = os.read(pipes.output_read, 65536).decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
    return "it wrote nothing"
