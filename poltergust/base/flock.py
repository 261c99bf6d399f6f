"""A lock file: exclusive or shared, between threads and processes, dropped by the kernel when its holder dies.

`flock` locks belong to the open file, so they hold between threads and between processes alike (flock(2); on NFS only
between processes), and a SIGKILL drops them too. The lock file may be removed while others wait for it: whoever locked
a file that is no longer the one at its path notices and takes the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path


class FileLock:
    """An open lock file. Not thread-safe: one object belongs to one caller. All of it may raise `OSError`: a full disk,
    a folder that cannot be written."""

    def __init__(self, path: Path, *, of_folder: bool = False) -> None:
        """A lock file that is made, and its folders, is for this user alone; `of_folder`: for all who may write there.

        For nobody else: flock(2) asks for no more than an open file, so that who may only read it could hold the lock.
        """
        self._path = path
        self._of_folder = of_folder
        self._descriptor: int | None = None

    def try_shared(self) -> bool:
        """Take it beside other shared holders, or give up what is held; never waits (flock has no time limit, so that
        who wants to wait asks again)."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take it alone, or give up what is held; never waits."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        """Closing the descriptor drops the lock. Nothing happens if none is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Unlink the lock file; only while held exclusively."""
        self._path.unlink(missing_ok=True)

    def _try(self, how: int) -> bool:
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except OSError as error:
                self.release()
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
                raise
            if self._is_current(descriptor):
                return True
            self.release()  # somebody removed the file between our open and our lock: what we hold guards nothing

    def _open(self) -> int:
        while self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the folder was deleted in between: make it again
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                if self._of_folder:
                    self._share(self._descriptor)
        return self._descriptor

    def _share(self, descriptor: int) -> None:
        found, writers = os.fstat(descriptor), os.stat(self._path.parent).st_mode & 0o022
        mode = 0o600 | writers | writers << 1
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != mode:
            with contextlib.suppress(OSError):  # a file system without modes
                os.fchmod(descriptor, mode)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False
