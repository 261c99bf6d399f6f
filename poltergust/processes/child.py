"""`spawn`: the agent's end of a supervised command. One thread per child reads output, messages and the supervisor.

    agent ── order ──> supervisor            signal, kill; EOF when the agent is dead
    agent <── status ─ supervisor            started, exit, gone; EOF when the supervisor is dead
    agent <── output ─ command               stdout and stderr, one pipe
    agent ── control ─> command ─ result ─> agent     newline-framed JSON, only with `on_message`

The command's own environment is `env` plus `POLTERGUST_CHILD` (see `orphans.py`) and, with `on_message`,
`POLTERGUST_CONTROL_FD` and `POLTERGUST_RESULT_FD`, the numbers of its ends of the message pipes. It inherits no other
descriptor, its stdin is /dev/null, its signal table is the default one. The agent is never forked (gRPC does not
survive that): the supervisor is started by `subprocess` without `preexec_fn`, and forks itself.

Back-pressure: `on_line` and `on_message` are called from the child's thread, and while they block nothing more is read,
so the command blocks when its pipe is full. On macOS there is no subreaper: a kill reaches the process group only.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from poltergust.processes import Exit, LastWord
from poltergust.processes.fork_server import ForkServer
from poltergust.processes.lines import LineSplitter, MessageSplitter
from poltergust.processes.memory import oom_kills
from poltergust.processes.orphans import MARK, collect_if_ours, end_orphans
from poltergust.processes.pipes import Outbox, Pipes
from poltergust.processes.start import RunningCommand, SupervisorProcess, begin, check, failed, spared
from poltergust.processes.supervisor import CONTROL_FD, RESULT_FD, encode

_READ_BYTES = 65536
_MAX_BYTES_AFTER_END = 1024 * 1024  # the largest pipe of an unprivileged process, /proc/sys/fs/pipe-max-size

_log = logging.getLogger(__name__)


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    on_line: Callable[[str], None],
    on_message: Callable[[Mapping[str, object]], None] | None = None,
    on_exit: Callable[[], None] | None = None,
    last_word: LastWord | None = None,
    fork_server: ForkServer | None = None,
) -> SupervisedChild:
    """Start a command under a supervisor; returns when it has been executed (about 0.03 s). See `processes.Spawn`.

    With a `fork_server`, which must be ready, both are forked from that (about 0.005 s) and `argv` only names what is
    run; `on_message` is needed then. Whatever is wrong, the command can be started without it.

    Raises `NodeError` (`Reason.START_FAILED`) if it is not found, not executable, its folder is missing, an argument or
    variable cannot be handed to a process, or the node lacks memory, processes or descriptors.
    """
    check(argv, env)
    folder = os.path.abspath(cwd)
    mark = uuid.uuid4().hex
    kills = oom_kills()
    pipes: Pipes | None = None
    supervisor: SupervisorProcess | None = None
    try:
        pipes = Pipes(messages=on_message is not None)
        full = {**env, MARK: mark}
        if on_message is not None:
            full |= {CONTROL_FD: str(pipes.control_read), RESULT_FD: str(pipes.result_write)}
        word = () if last_word is None else (last_word.text, *last_word.argv)
        request = encode(argv, full, folder, word)
        if fork_server is None:
            supervisor = SupervisorProcess(pipes)
        else:
            fork_server.supervise(pipes)
        pipes.close_far_ends()
        begun = begin(argv[0], folder, pipes, request)
        child = SupervisedChild(supervisor, begun, mark, kills, pipes, on_line, on_message, on_exit)
        child._start(begun.status)
    except BaseException as error:
        if pipes is not None:
            pipes.close()  # the supervisor reads EOF and ends what it had started
        if supervisor is not None and supervisor.collect():  # killed, perhaps with the command started already
            end_orphans(mark, -1, spared)
        if isinstance(error, OSError | RuntimeError | UnicodeError):  # RuntimeError: "can't start new thread"
            raise failed(argv[0], getattr(error, "strerror", None) or str(error)) from error
        raise
    return child


class SupervisedChild:
    """A running supervised command. See `processes.Child` for the promises."""

    def __init__(
        self,
        supervisor: SupervisorProcess | None,
        begun: RunningCommand,
        mark: str,
        kills: int,
        pipes: Pipes,
        on_line: Callable[[str], None],
        on_message: Callable[[Mapping[str, object]], None] | None,
        on_exit: Callable[[], None] | None,
    ) -> None:
        self._supervisor = supervisor  # None: forked from a fork server
        self._pid = begun.pid
        self._supervisor_pid = begun.supervisor
        self._mark = mark
        self._kills = kills  # the kernel's counter before the start
        self._pipes = pipes
        self._order_lock = threading.Lock()
        self._outbox = Outbox(pipes) if on_message is not None else None
        self._on_line, self._on_message, self._on_exit = on_line, on_message, on_exit
        self._lines = LineSplitter()
        self._messages = MessageSplitter()
        self._status = b""
        self._exit: Exit | None = None
        self._gone = False
        self._killed = False  # a SIGKILL was asked for: its signal is no sign of an out-of-memory kill
        self._complained = False
        self._done = threading.Event()

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def supervisor_pid(self) -> int:
        return self._supervisor_pid

    @property
    def supervisor_died(self) -> bool:
        """Whether the supervisor itself was killed, so that the agent had to do its work."""
        return self._done.is_set() and not self._gone

    def send(self, message: Mapping[str, object]) -> None:
        if self._outbox is None:
            raise ValueError("the command was started without on_message: it has no control pipe")
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def signal(self, number: int) -> None:
        if number == signal.SIGKILL:
            self._killed = True
        self._order(f"signal {int(number)}")

    def kill(self) -> None:
        self._killed = True
        self._order("kill")

    def wait(self, timeout: float | None = None) -> Exit | None:
        return self._exit if self._done.wait(timeout) else None

    def _order(self, text: str) -> None:
        with self._order_lock:
            if not self._pipes.is_open(self._pipes.order_write):
                return  # it is over
            try:
                os.write(self._pipes.order_write, text.encode() + b"\n")
            except BrokenPipeError:
                return  # the supervisor is dead: the reading thread sees that too
            except BlockingIOError:
                if text == "kill":
                    self._pipes.close(self._pipes.order_write)  # EOF says the same, and needs no room
                else:
                    _log.warning("the supervisor of process %d does not read: %s is lost", self._pid, text)

    def _start(self, status: bytes) -> None:
        self._take_status(status)
        threading.Thread(target=self._run, name=f"child-{self._pid}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._follow()
            if not self._gone:
                self._clean_up_alone()
            self._drain()
        finally:
            self._close()
            self._done.set()
            if self._on_exit is not None:
                self._guard(self._on_exit)

    def _follow(self) -> None:
        """Hand over output and messages until the supervisor is gone."""
        pipes = self._pipes
        poll = select.poll()
        for fd in (pipes.status_read, pipes.output_read, pipes.result_read, pipes.wake_read):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        while True:
            if self._outbox is not None:
                if self._outbox.pending:
                    poll.register(pipes.control_write, select.POLLOUT)
                else:
                    with contextlib.suppress(KeyError):
                        poll.unregister(pipes.control_write)
            for fd, _ in poll.poll():
                if fd == pipes.control_write and self._outbox is not None:
                    self._outbox.flush()
                    continue
                data = self._read(fd)
                if data is None:
                    continue
                if fd == pipes.status_read:
                    if not data:
                        return
                    self._take_status(data)
                elif not data:
                    poll.unregister(fd)
                elif fd != pipes.wake_read:
                    self._take(fd, data)

    def _drain(self) -> None:
        """What is still in the pipes, without waiting: one that stays open is held by a process that escaped."""
        for fd in (self._pipes.output_read, self._pipes.result_read):
            left = _MAX_BYTES_AFTER_END if fd >= 0 else 0
            while left > 0 and (data := self._read(fd)):
                self._take(fd, data)
                left -= len(data)
        for line in self._lines.end():
            self._guard(self._on_line, line)

    @staticmethod
    def _read(fd: int) -> bytes | None:
        """Some bytes; empty at EOF; None if there is nothing now."""
        try:
            return os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return None

    def _take(self, fd: int, data: bytes) -> None:
        if fd == self._pipes.output_read:
            for line in self._lines.feed(data, time.monotonic()):
                self._guard(self._on_line, line)
        elif self._on_message is not None:
            for message in self._messages.feed(data):
                self._guard(self._on_message, message)

    def _take_status(self, data: bytes) -> None:
        *lines, self._status = (self._status + data).split(b"\n")
        for line in lines:
            what, *values = line.decode().split()
            if what == "exit":
                number = int(values[1])
                self._exit = self._judge(number, None) if values[0] == "code" else self._judge(None, number)
            elif what == "left":
                _log.warning("process %d left processes that cannot be ended: %s", self._pid, " ".join(values))
            elif what == "gone":
                self._gone = True

    def _judge(self, code: int | None, number: int | None) -> Exit:
        by_kill = number == signal.SIGKILL or code == 128 + signal.SIGKILL
        return Exit(code, number, by_kill and not self._killed and oom_kills() > self._kills)

    def _clean_up_alone(self) -> None:
        """The supervisor died without a last word: do its work."""
        _log.warning("the supervisor of process %d died: ending what it left", self._pid)
        left = end_orphans(self._mark, self._pid, spared)
        if left:
            _log.warning("process %d left processes that cannot be ended: %s", self._pid, " ".join(map(str, left)))
        if self._exit is None:
            self._exit = self._judge(None, signal.SIGKILL)

    def _close(self) -> None:
        if self._outbox is not None:
            self._outbox.close()
        with self._order_lock:
            self._pipes.close()
        if self._supervisor is not None:
            self._supervisor.collect()
        else:
            collect_if_ours(self._supervisor_pid)

    def _guard(self, callback: Callable[..., None], *arguments: object) -> None:
        """A callback that raises must not stop the reading: the command would block for ever on a full pipe."""
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001 - whatever the callback raises, see above
            if not self._complained:
                self._complained = True
                _log.exception("a callback of process %d failed; its further failures are not logged", self._pid)
