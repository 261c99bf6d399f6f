"""The lock beside the path: one at a time changes configs on condition, among threads, processes and NFS clients.

flock works across machines on NFS since Linux 2.6.12 (flock(2)), where it excludes processes but not the threads of
one, hence the thread lock around it. The lock file may be deleted at any time with everything else beside the path:
whoever got hold of a deleted one notices and takes the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.stores.text import shown

_PATIENCE = 30.0  # seconds; holders need milliseconds, so somebody who holds it longer was stopped or hangs


class FolderLock:
    """`with lock:` raises `Temporary` if it is not to be had within half a minute. Not reentrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        end = time.monotonic() + _PATIENCE
        if not self._threads.acquire(timeout=_PATIENCE):
            raise self._busy()
        try:
            descriptor = self._take(end)
            try:
                yield
            finally:
                os.close(descriptor)
        finally:
            self._threads.release()

    def _take(self, end: float) -> int:
        pause = 0.001
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._still_there(descriptor):
                    return descriptor
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    os.close(descriptor)
                    raise
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() > end:
                raise self._busy()
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _open(self) -> int:
        while True:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the folder was deleted in between: make it again
                return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _busy(self) -> Temporary:
        return Temporary(
            Reason.STORAGE_UNAVAILABLE, f"{shown(str(self._path))} is held for too long by another process"
        )
