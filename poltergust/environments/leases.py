"""Leases: one lock file per environment, exclusive to build or remove it, shared while it is in use.

`flock` locks belong to the open file, so they hold between threads and between processes alike, and the kernel drops
them when a process dies, by SIGKILL too. Lock files stand beside the environments, never inside what they guard.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from poltergust.environments import Cancelled

_POLL_SECONDS = 0.05  # between tries: flock cannot wait with a deadline


class Lease:
    """An open lock file. Not thread-safe: one lease belongs to one caller."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def shared(self, cancelled: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> None:
        """Wait for it; `waiting` is called once if it takes longer than a moment. Raises `Cancelled`."""
        self._wait(self.try_shared, cancelled, waiting)

    def exclusive(self, cancelled: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> None:
        self._wait(self.try_exclusive, cancelled, waiting)

    def release(self) -> None:
        """Closing the descriptor drops the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Unlink the lock file; only while held exclusively. Whoever waits on the old file sees that it is gone."""
        self._path.unlink(missing_ok=True)

    def _try(self, how: int) -> bool:
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    self.release()
                    return False
                raise
            if self._is_current(descriptor):
                return True
            self.release()  # somebody removed the file between our open and our lock: what we hold guards nothing

    def _open(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.fstat(descriptor).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def _wait(self, attempt: Callable[[], bool], cancelled: Callable[[], bool], waiting: Callable[[], None]) -> None:
        reported = False
        started = time.monotonic()
        while not attempt():
            if cancelled():
                raise Cancelled
            if not reported and time.monotonic() - started > 10 * _POLL_SECONDS:
                reported = True
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
