"""What to do when a supervisor itself is SIGKILLed: find what it left and end it.

Every command is started with a random mark in its environment, which its descendants inherit. After an unexpected death
of the supervisor the agent looks through /proc for that mark and for the command's session, takes whatever descends
from those, and ends it. `become_reaper` makes the agent the new parent of such orphans, so that it can also collect
them; only pids found in this way are waited for, never "any child", so nobody else's exit status is taken.

What escapes: a process that at that moment has opened a session of its own, been forked twice *and* cleared its
environment. Without /proc (macOS) only the command's process group is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping

from poltergust.processes.supervisor import become_subreaper, descendants, parents

MARK = "POLTERGUST_CHILD"
_MAX_SECONDS = 10.0  # for ending what a dead supervisor left


def become_reaper() -> bool:
    """Let orphans of dead supervisors become children of this process; call once, early. False off Linux."""
    return become_subreaper()


def end_orphans(mark: str, session: int, spare: Callable[[], frozenset[int]]) -> list[int]:
    """SIGKILL and collect every process that carries `mark` or belongs to `session` (-1: unknown), and all below them.

    `spare` names the pids that are never touched (other supervisors). Returns the pids still there after 10 seconds.
    """
    needle = f"{MARK}={mark}".encode()
    end = time.monotonic() + _MAX_SECONDS
    collect: set[int] = set()
    while True:
        table = parents()
        if not table:
            if session > 0:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(session, signal.SIGKILL)
            return []
        alive = _belonging(needle, session, table, spare())
        collect |= alive
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in list(collect):
            if _collected(pid, table):
                collect.discard(pid)
        if not alive and not collect:
            return []
        if time.monotonic() > end:
            return sorted(alive)
        time.sleep(0.02)


def _belonging(
    needle: bytes, session: int, table: Mapping[int, tuple[int, int, bytes]], spare: frozenset[int]
) -> set[int]:
    roots = {
        pid
        for pid, (_, sid, state) in table.items()
        if pid != os.getpid()
        and pid not in spare
        and state not in (b"Z", b"X")
        and (sid == session or _marked(pid, needle))
    }
    return (roots | descendants(roots, table)) - spare - {os.getpid()}


def _marked(pid: int, needle: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return needle in file.read().split(b"\0")
    except OSError:
        return False  # ended, or another user's


def collect_if_ours(pid: int) -> None:
    """Reap `pid`, which is about to end, if it became our child because its parent died."""
    end = time.monotonic() + _MAX_SECONDS
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < end:
            time.sleep(0.005)


def _collected(pid: int, table: Mapping[int, tuple[int, int, bytes]]) -> bool:
    """Reap `pid` if it became our child and has ended; True when nothing is left to wait for."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # never ours (another reaper has it), or not re-parented yet
        return pid not in table or table[pid][2] in (b"Z", b"X")
