"""The cache holds what runs as code, and variables of runs: it is this user's, and nobody else's to read or write."""

from __future__ import annotations

import logging
import os
import shlex
import stat
from pathlib import Path

from poltergust.base.errors import UsageError

log = logging.getLogger(__name__)

_ROOT = 0


def make_private(cache: Path) -> None:
    """Make the folder, of mode 0700. One of this user's that others may enter is closed; one of another user is refused
    (`UsageError`), but for root's, as a container's volume often is: that others may write to it is in the log."""
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = cache.stat()
        if found.st_uid == os.geteuid():
            if stat.S_IMODE(found.st_mode) & 0o077:
                cache.chmod(0o700)
            return
    except OSError as error:
        raise UsageError(f"--cache-dir {cache}: {error.strerror}; name a folder of this user") from None
    if found.st_uid != _ROOT:
        text = f"--cache-dir {cache} belongs to another user (number {found.st_uid}), who could change what runs here"
        raise UsageError(f"{text}; name a folder of this user")
    if found.st_mode & stat.S_IWOTH:
        close = shlex.quote(str(cache))
        log.warning("everybody on this machine can write to the cache %s; close it: chmod o-w %s", cache, close)
