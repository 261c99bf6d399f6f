"""The lock beside the path: one at a time changes configs on condition, among threads, processes and NFS clients.

flock works across machines on NFS since Linux 2.6.12 (flock(2)), where it excludes processes but not the threads of
one, hence the thread lock around it. The lock file may be deleted at any time with everything else beside the path.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from poltergust.base.flock import FileLock
from poltergust.base.text import shown
from poltergust.stores import Denied, Unavailable

_MAX_WAIT_SECONDS = 30.0
"""Holders need milliseconds: a process that holds it longer was stopped or hangs."""

_MAX_POLL_SECONDS = 0.05


class FolderLock:
    """`with lock:` raises `Unavailable` if it is not to be had within half a minute. Not reentrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._file = FileLock(path, of_folder=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        end = time.monotonic() + _MAX_WAIT_SECONDS
        if not self._threads.acquire(timeout=_MAX_WAIT_SECONDS):
            raise self._busy()
        try:
            self._take(end)
            yield
        finally:
            self._file.release()
            self._threads.release()

    def _take(self, end: float) -> None:
        pause = 0.001
        if any(part.is_symlink() for part in (self._path, self._path.parent)):
            raise Denied(
                f"{shown(str(self._path))} is reached by a symbolic link, which is not followed; remove the link"
            )
        while not self._file.try_exclusive():
            if time.monotonic() > end:
                raise self._busy()
            time.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL_SECONDS)

    def _busy(self) -> Unavailable:
        return Unavailable(f"{shown(str(self._path))} is held for too long by another process")
