"""The scheduler's password: in a file that nobody else can read, never on a command line or in a variable.

A file has a line ``user:password``, or the password alone for the user `poltergust`. A second line is accepted by the
scheduler as well, so that the password can be changed while nodes still use the old one; clients send the first.
"""

from __future__ import annotations

import hmac
import logging
import os
import stat
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from poltergust.base.errors import UsageError

DEFAULT_USER = "poltergust"
MAX_FILE_BYTES = 16 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """Who asks the scheduler. Neither part is checked for anything but being there."""

    user: str
    password: str = field(repr=False)

    def in_url(self, url: str) -> str:
        """`url` with these in place of any that it has. Raises `UsageError` if it cannot be read."""
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:  # brackets that hold no address
            raise UsageError("the scheduler's URL cannot be read; write for example http://host:8082") from None
        user, password = (urllib.parse.quote(part, safe="") for part in (self.user, self.password))
        host = parts.netloc.rpartition("@")[2]
        return urllib.parse.urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


def read_passwords(path: Path) -> tuple[Credentials, ...]:
    """All lines of a password file, at least one. Raises `UsageError`: it cannot be read, others can read it, it is
    somebody else's, or it has no password."""
    return _read(path)[0]


def _read(path: Path) -> tuple[tuple[Credentials, ...], tuple[int, ...]]:
    """The lines, and what tells this content of the file from a later one."""
    try:
        # Not blocking: a FIFO of that name would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            state = os.fstat(file.fileno())
            _check(path, state)
            text = file.read(MAX_FILE_BYTES).decode()
    except OSError as error:
        raise UsageError(f"the password file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the password file {path} is no text (UTF-8)") from None
    found = tuple(_credentials(path, line) for line in text.splitlines() if line.strip())
    if not found:
        raise UsageError(f"the password file {path} is empty; write a line into it: user:password, or the password")
    return found, _signature(state)


def _check(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise UsageError(f"the password file {path} is no file")
    if stat.S_IMODE(state.st_mode) & 0o077:
        raise UsageError(f"others can read the password file {path}; run: chmod 600 {path}")
    if state.st_uid not in (0, os.geteuid()):
        raise UsageError(f"the password file {path} belongs to another user (number {state.st_uid})")


def _credentials(path: Path, line: str) -> Credentials:
    user, colon, password = line.partition(":")
    found = Credentials(user, password) if colon else Credentials(DEFAULT_USER, line)
    if not found.user or not found.password:
        raise UsageError(f"the password file {path} has a line without user or password; write user:password")
    return found


def _signature(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size)


class AcceptedPasswords:
    """What the scheduler accepts. The file is read again when it changed; while it cannot be read the earlier lines
    count. Used from one thread."""

    def __init__(self, path: Path) -> None:
        """Raises `UsageError`, see `read_passwords`."""
        self._path = path
        self._accepted, self._signature = _read(path)
        self._complained: tuple[int, ...] | None = None

    def accepts(self, user: str, password: str) -> bool:
        self._read_changes()
        given = f"{user}:{password}".encode()
        return any(hmac.compare_digest(given, f"{one.user}:{one.password}".encode()) for one in self._accepted)

    def _read_changes(self) -> None:
        try:
            now = _signature(os.stat(self._path))
        except OSError:
            now = ()
        if now in (self._signature, self._complained):
            return
        try:
            self._accepted, self._signature = _read(self._path)
            self._complained = None
            log.info("%s changed: %d password(s) are accepted now", self._path, len(self._accepted))
        except UsageError as error:
            self._complained = now
            log.error("%s; the earlier passwords still count", error)
