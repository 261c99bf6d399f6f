"""The folder in which an agent makes the private folders of its runs."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from poltergust.environments.leases import Lease

log = logging.getLogger(__name__)


@contextlib.contextmanager
def private_folders(folder: Path) -> Iterator[None]:
    """What an agent that was killed left in `folder` is removed, now and on the way out. Not while another one of this
    node's name works there: it should not (the heartbeat says so), but its tasks must not lose their files."""
    held = Lease(folder.with_name(f"{folder.name}.lock"))
    try:
        if held.try_exclusive():
            shutil.rmtree(folder, ignore_errors=True)
        held.try_shared()
    except OSError as error:  # a full disk, a cache that cannot be written: the runs say what to do about it
        log.warning("what an earlier agent left in %s stays: %s", folder, error.strerror)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # as at the start, where it was said
            if held.try_exclusive():
                shutil.rmtree(folder, ignore_errors=True)
        held.release()
