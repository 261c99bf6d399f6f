"""Whether a folder can be worked in, asked before anything depends on it."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.text import shown

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""No reason to refuse a start: the runs say it, and somebody may make room."""


def check_text(option: str, name: str) -> None:
    """Raise `UsageError` where the name of a folder is no text: records, addresses and files hold UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:  # such bytes arrive as lone surrogates
        raise UsageError(f"{option} {shown(name)}: the name is not UTF-8; rename the folder") from None


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
