"""Whether a folder can be worked in, asked before anything depends on it."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""No reason to refuse a start: the runs say it, and somebody may make room."""


def check_writable(folder: Path) -> None:
    """Raise `OSError` where no file can be made in `folder`; a full disk passes."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno not in _FULL:
            raise


def standing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
