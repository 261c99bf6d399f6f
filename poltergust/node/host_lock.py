"""One agent of a name on one machine: a lock that the kernel drops with its holder decides at once.

Agents of one name on several machines, in containers or of several users find each other by the heartbeat, which
takes longer (`heartbeat.py`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.flock import FileLock
from poltergust.node.settings import Settings

log = logging.getLogger(__name__)

FOLDER = Path("/tmp")  # noqa: S108  # the folder made in it is checked to be this user's alone
"""Neither the cache's folder nor one that a variable names: agents with other options would not find the lock there.
What is locked is spared when old files are removed (tmpfiles.d(5), "Age")."""

MAX_INSTANCES = 8
"""Earlier holders that a lock file names: agents that were killed before they could write a heartbeat leave older ones
behind."""


@contextlib.contextmanager
def only_agent_here(settings: Settings, instance: str) -> Iterator[tuple[str, ...]]:
    """Hold the lock of this path and node, as the agent `instance`. Gives the instances that held it before, which
    have ended. Raises `UsageError` where another agent holds it. Where locks cannot be kept, none is held."""
    lock: FileLock | None = None
    ended: tuple[str, ...] = ()
    try:
        path = _own_folder() / f"{settings.digest}-{settings.node}.lock"
        lock = FileLock(path)
        held = lock.try_exclusive()
        process, *earlier = path.read_text(errors="replace").split() or ["?"]
        if held:
            ended = tuple(earlier[:MAX_INSTANCES])
            path.write_text(" ".join([str(os.getpid()), instance, *ended]) + "\n")
    except OSError as error:
        log.warning("agents of this machine with one name are found by their heartbeats only: %s", error)
        held = True
    if not held:
        raise UsageError(
            f"another agent on this machine, process {process}, listens to {settings.path.root} as {settings.node}; "
            f"stop that one, or give this one a name of its own: --node {settings.node}-2"
        )
    try:
        yield ended
    finally:
        if lock is not None:
            lock.release()


def _own_folder() -> Path:
    """Made if it is not there. Raises `OSError`, also where it is somebody else's: everybody may write to /tmp."""
    folder = FOLDER / f"poltergust-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(f"{folder} is not a folder that only this user can write to")
    return folder
