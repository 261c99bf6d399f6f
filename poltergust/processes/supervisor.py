"""The process between the agent and one command; it outlives neither for longer than it takes to clean up.

Run on its own by the agent's interpreter (see `start.supervise`), or forked from an environment's fork server
(`luigi_run/inside/fork_server.py`): standard library only, any CPython from 3.7 on, few imports, because every plain
start pays for them (about 20 ms). Nothing of the command is on its command line: argv, environment and folder arrive on
the order pipe (`encode` below is the agent's end of that).

It becomes a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): whatever the command starts, in sessions of its own or
forked twice, is re-parented to this process and not to init, so "no child left" (ECHILD) means "no descendant left".
When the command has ended, or the agent says "kill", or the order pipe reads EOF because the agent is dead, every
descendant is ended, and in the last case the supervisor becomes the command of the last word, if it was given one (see
`LastWord`). Two things can escape: a chain of processes each of which forks its successor and exits faster
than /proc can be read, and processes of another user (set-uid), which are named to the agent.

Without prctl and /proc (macOS) the command's process group is all that is found and ended.

Orders, one per line: ``signal N``, ``kill``. Status, one per line: ``started PID SUPERVISOR`` or ``failed STAGE ERRNO``
(from a fork server also ``failed unlike WHY``); then ``exit code N`` or ``exit signal N``; then ``left PID …`` if
something could not be ended; at last ``gone``.
"""

# ruff: noqa: SIM105 - contextlib would cost each start 3 ms
from __future__ import annotations

import ctypes
import errno
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would cost every run 5 ms
    import signal
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn
else:
    import _signal as signal  # the same functions without the enums, whose making costs every start 7 ms

CONTROL_FD = "POLTERGUST_CONTROL_FD"
RESULT_FD = "POLTERGUST_RESULT_FD"

TERM_GRACE_SECONDS = 0.5  # between SIGTERM and SIGKILL for what a command left behind when it ended by itself
MAX_FAILURE_BYTES = 1000  # of what the forked child says before it is the command
GIVE_UP_SECONDS = 10.0  # after which descendants that SIGKILL does not end are named and left

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # for the agent; it sends orders by the pipe


def encode(argv: Sequence[str], env: Mapping[str, str], cwd: str, last_word: Sequence[str] = ()) -> bytes:
    """The first message on the order pipe: its length, then folder, argv, last word and environment separated by NUL.

    `last_word` is what to say when the agent is dead: a text, then the argv that gets it; empty: nothing."""
    fields = [cwd, str(len(argv)), str(len(last_word)), *argv, *last_word]
    fields += [f"{name}={value}" for name, value in env.items()]
    body = b"\0".join(os.fsencode(field) for field in fields)
    return b"%d\n%s" % (len(body), body)


def _decode(body: bytes) -> tuple[bytes, list[bytes], list[bytes], dict[bytes, bytes]]:
    cwd, count, count_last, *rest = body.split(b"\0")
    end = int(count) + int(count_last)
    argv, last_word, pairs = rest[: int(count)], rest[int(count) : end], rest[end:]
    return cwd, argv, last_word, {name: value for name, _, value in (pair.partition(b"=") for pair in pairs)}


def prctl(option: int, value: int) -> bool:
    """One prctl(2) call; False where there is none."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def become_subreaper(on: bool = True) -> bool:
    """Orphaned descendants become children of this process from now on, or no longer; False where the kernel cannot."""
    return prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def parents() -> dict[int, tuple[int, int, bytes]]:
    """Every process of the machine: its parent, session and state letter; empty without /proc. proc(5), stat."""
    found = {}
    try:
        entries = os.listdir("/proc")
    except OSError:
        return {}
    for entry in entries:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb", buffering=0) as file:
                    # the name in parentheses may itself hold spaces and parentheses
                    fields = file.read(4096).rpartition(b")")[2].split()
            except OSError:
                continue  # ended meanwhile
            found[int(entry)] = (int(fields[1]), int(fields[3]), fields[0])
    return found


def descendants(roots: Iterable[int], table: Mapping[int, tuple[int, int, bytes]]) -> set[int]:
    """All processes below `roots`, in any generation, zombies left out."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return {pid for pid in found if table[pid][2] not in (b"Z", b"X")}


def clean_signals() -> None:
    """Ignored signals and the mask survive exec and fork, and Python ignores SIGPIPE: a command gets a clean table."""
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _AgentGone(Exception):
    pass


class Supervisor:
    """One command from start to the end of its last descendant. Single-threaded, so that pids it holds stay its own."""

    def __init__(self, order: int, status: int, control: int, result: int) -> None:
        self._order, self._status = order, status
        self._messages = [fd for fd in (control, result) if fd >= 0]
        self._pid = 0
        self._running = False  # the command itself has not been reaped
        self._orders = b""
        self._wake = -1
        self._agent_gone = False

    def run(self) -> None:
        cwd, argv, last_word, env = _decode(self._read_request())
        become_subreaper()
        for fd in (self._order, self._status, *self._messages):
            os.set_inheritable(fd, False)
        self._wake, wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_write, False)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the wake-up descriptor is written
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        if not self._start(cwd, argv, env):
            return
        grace = self._attend()
        self._end(grace)
        self._say("gone")
        if last_word and self._agent_is_gone():
            _become_last_word(last_word[0], last_word[1:])

    def _say(self, line: str) -> None:
        try:
            os.write(self._status, line.encode() + b"\n")
        except BrokenPipeError:
            pass  # the agent is dead; the order pipe says so too

    def _read_request(self) -> bytes:
        data = b""
        while b"\n" not in data:
            data += self._read_order()
        size, _, body = data.partition(b"\n")
        parts = [body]
        missing = int(size) - len(body)
        while missing > 0:
            parts.append(self._read_order())
            missing -= len(parts[-1])
        request = b"".join(parts)
        self._orders = request[int(size) :]
        return request[: int(size)]

    def _read_order(self) -> bytes:
        data = os.read(self._order, 65536)
        if not data:
            self._agent_gone = True
            raise _AgentGone
        return data

    def _start(self, cwd: bytes, argv: list[bytes], env: dict[bytes, bytes]) -> bool:
        read, write = os.pipe()  # closed by a successful exec, else it brings the errno
        try:
            self._pid = os.fork()
        except OSError as error:
            self._say(f"failed fork {error.errno}")
            return False
        if self._pid == 0:
            os.close(read)
            self._become(cwd, argv, env, write)
        os.close(write)
        for fd in self._messages:
            os.close(fd)
        failure = os.read(read, MAX_FAILURE_BYTES)
        os.close(read)
        if failure:
            os.waitpid(self._pid, 0)
            self._say(f"failed {failure.decode()}")
            return False
        self._running = True
        self._say(f"started {self._pid} {os.getpid()}")
        return True

    def _become(self, cwd: bytes, argv: list[bytes], env: dict[bytes, bytes], report: int) -> NoReturn:
        """In the forked child: turn into the command, or report the stage and errno and exit.

        No PR_SET_PDEATHSIG: it would end the command alone when the supervisor is killed, before the agent could see by
        the tree of parents what else belongs to it."""
        stage = "setup"
        try:
            os.setsid()
            for fd in self._messages:
                os.set_inheritable(fd, True)
            clean_signals()
            stage = "cwd"
            os.chdir(cwd)
            stage = "exec"
            _exec(argv, env)
        except OSError as error:
            os.write(report, f"{stage} {error.errno}".encode())
        finally:
            os._exit(127)

    def _attend(self) -> float:
        """Relay orders until the command ended (the grace for what it left) or all has to end at once (0)."""
        poll = select.poll()
        poll.register(self._order, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            try:
                if not self._obey():
                    return 0.0
                ready = [fd for fd, _ in poll.poll()]
                if self._wake in ready:
                    self._quiet()
                    self._reap()
                    if not self._running:
                        return TERM_GRACE_SECONDS
                if self._order in ready:
                    self._orders += self._read_order()
            except _AgentGone:
                return 0.0

    def _obey(self) -> bool:
        """Carry out the orders read so far; False for "kill"."""
        *lines, self._orders = self._orders.split(b"\n")
        for line in lines:
            if line == b"kill":
                return False
            _, _, number = line.partition(b" ")
            try:
                os.killpg(self._pid, int(number))
            except (ProcessLookupError, PermissionError):
                self._kill(self._pid, int(number))  # it left its group; not reaped, so the pid is still its own
        return True

    def _quiet(self) -> None:
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            pass

    def _reap(self) -> bool:
        """Collect everything that ended; False when no child is left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self._running = False
                kind, number = (
                    ("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("code", os.WEXITSTATUS(status))
                )
                self._say(f"exit {kind} {number}")

    def _end(self, grace: float) -> None:
        """End all descendants: SIGTERM, after `grace` seconds SIGKILL, again until none is left."""
        start = time.monotonic()
        terminated: set[int] = set()
        if not parents():  # no /proc: the process group is all we know, also when the command itself has been reaped
            self._kill(-self._pid, signal.SIGKILL)
        while self._reap():
            waited = time.monotonic() - start
            found = self._found()
            if waited > grace + GIVE_UP_SECONDS:
                self._say("left " + " ".join(map(str, sorted(found))))
                return
            if waited < grace:
                for pid in found - terminated:
                    self._kill(pid, signal.SIGTERM)
                terminated |= found
            else:
                for pid in found:
                    self._kill(pid, signal.SIGKILL)
            # the death of a grandchild is not always reported here: look again soon
            select.select([self._wake], [], [], 0.02)
            self._quiet()
            if waited < grace and self._order_ended():
                grace = 0.0

    def _found(self) -> set[int]:
        return descendants([os.getpid()], parents())

    def _order_ended(self) -> bool:
        """During the grace: whether the agent died or wants no grace."""
        return self._agent_is_gone() or b"kill" in self._orders

    def _agent_is_gone(self) -> bool:
        """Asked again: a command that sees the death of its agent by itself may have ended before we saw it."""
        while not self._agent_gone and select.select([self._order], [], [], 0)[0]:
            try:
                self._orders += self._read_order()
            except _AgentGone:
                break
        return self._agent_gone

    @staticmethod
    def _kill(pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # ended meanwhile; or another user's, which `left` names


def _become_last_word(text: bytes, argv: list[bytes]) -> NoReturn:
    read, write = os.pipe()
    os.write(write, text)  # a pipe holds more than the text may have
    os.close(write)
    os.dup2(read, 0)
    os.execv(argv[0], argv)  # noqa: S606  # no shell is the point


def _exec(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """execvp(3) with the PATH of `env`. Only returns by raising OSError."""
    name = argv[0]
    folders = [b""] if b"/" in name else env.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin").split(b":")
    denied = None
    for folder in folders:
        try:
            os.execve(os.path.join(folder, name), argv, env)  # noqa: S606  # no shell is the point
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = error
    raise denied or FileNotFoundError(errno.ENOENT, "not found")


def main(fds: Sequence[str]) -> None:
    """Serve one command; `fds` are the numbers of the order, status, control and result descriptors, -1 for none."""
    serve(Supervisor(*map(int, fds)))


def serve(supervisor: Supervisor) -> None:
    try:
        supervisor.run()
    except _AgentGone:
        pass  # before it had asked for anything
