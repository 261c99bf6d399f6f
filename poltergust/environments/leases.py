"""Leases: one lock file per environment, exclusive to build or remove it, shared while it is in use.

Lock files stand beside the environments, never inside what they guard. How they lock: `poltergust.base.flock`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from poltergust.base.flock import FileLock
from poltergust.environments import Cancelled

_POLL_SECONDS = 0.05
"""Between two tries: flock cannot wait with a deadline."""


class Lease(FileLock):
    """A lock file that can be waited for until the caller is cancelled."""

    def exclusive(self, cancelled: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> None:
        """Wait for it; `waiting` is called once if it takes longer than a moment. Raises `Cancelled`."""
        announced = False
        started = time.monotonic()
        while not self.try_exclusive():
            if cancelled():
                raise Cancelled
            if not announced and time.monotonic() - started > 10 * _POLL_SECONDS:
                announced = True
                waiting()
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def lease(path: Path) -> Iterator[Lease]:
    """A lease that is released when the context ends, whatever it held."""
    held = Lease(path)
    try:
        yield held
    finally:
        held.release()


def holders(path: Path) -> tuple[int, ...]:
    """Ids of the processes that hold a lease on `path`, from proc_locks(5); empty where the kernel does not say."""
    try:
        status = path.stat()
        table = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return ()
    found = set()
    for line in table.splitlines():
        fields = line.split()
        # "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF"; waiting ones have an "->" after the number
        if len(fields) < 6 or fields[1] != "FLOCK":
            continue
        major, minor, inode = fields[5].split(":")
        device = os.makedev(int(major, 16), int(minor, 16))
        if int(inode) == status.st_ino and device == status.st_dev and int(fields[4]) > 0:
            found.add(int(fields[4]))
    return tuple(sorted(found))
