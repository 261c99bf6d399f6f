"""What a user's schedulers keep on this machine: their state, and the password of the embedded ones.

The password is one for all embedded schedulers of a user, in a file whose place depends on nothing but the user, so
that `status` and `doctor` in another shell find it. It is given only to a scheduler that runs as this very user:
records beside a path may name any address.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.luigi_run import LOOPBACK
from poltergust.luigi_run.passwords import DEFAULT_USER, Credentials, read_passwords

PASSWORD_BYTES = 32
"""Of randomness, in a password that is made here."""

_LISTENING = "0A"  # TCP_LISTEN of the kernel's tcp_states.h, as /proc/net/tcp shows it


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where a user's lasting state is kept: ``$XDG_STATE_HOME/poltergust``, else ``~/.local/state/poltergust``.
    Raises `UsageError` where there is no home."""
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or "~", ".local", "state")
    return absolute("XDG_STATE_HOME", base) / "poltergust"


def own_password_file(environ: Mapping[str, str]) -> Path:
    """Of the user whose environment that is: for all embedded schedulers of theirs on this machine."""
    return state_folder(environ) / "scheduler-password"


def own_password(path: Path) -> Credentials:
    """From `own_password_file`, which is made if it is not there. Raises `UsageError`."""
    if not os.path.exists(path):  # nor where it may not be looked for, which `_make` says
        _make(path)
    return read_passwords(path)[0]


def with_own_password(url: str, environ: Mapping[str, str]) -> str:
    """`url` with the password of this user's embedded schedulers, if it has none and leads to a scheduler of this user
    on this machine; else as it is."""
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.username or parts.hostname not in LOOPBACK or not _is_ours(parts.port or 80):
            return url
        return read_passwords(own_password_file(environ))[0].in_url(url)
    except (UsageError, ValueError):  # no such file: nothing of this user's asks for a password; or no such URL
        return url


def _is_ours(port: int) -> bool:
    """Whether a process of this user listens on that port of this machine, and nobody else does. False without /proc.

    proc_pid_net(5): the fourth field is the state, the eighth the user."""
    users = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:
            for row in (line.split() for line in file.readlines()[1:]):
                if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port:
                    users.add(int(row[7]))
    return users == {os.geteuid()}


def _make(path: Path) -> None:
    """Whole or not at all, and only one of two agents that start at once makes it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(f"{DEFAULT_USER}:{secrets.token_urlsafe(PASSWORD_BYTES)}\n")
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    except OSError as error:
        text = f"the scheduler's password cannot be kept in {path}: {error.strerror}; set XDG_STATE_HOME to a folder"
        raise UsageError(f"{text} that is yours") from None


def check_state(folder: Path) -> None:
    """Make the folder if it is not there. What it keeps is unpickled, and whoever can write it could have any code run
    at the next start: raises `UsageError` unless folder and state are this user's and nobody else's to write."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(folder)
        if (folder / "state.pickle").exists():
            _check_own(folder / "state.pickle")
    except OSError as error:
        raise UsageError(f"--state-dir {folder}: {error.strerror}; name a folder of this user") from None


def _check_own(path: Path) -> None:
    state = path.stat()
    if state.st_uid != os.geteuid():
        raise UsageError(f"{path} belongs to another user (number {state.st_uid}): what it holds would be run as code")
    if stat.S_IMODE(state.st_mode) & 0o022:
        raise UsageError(f"others can write {path}, and what it holds would be run as code; run: chmod go-w {path}")
