"""Where a folder is that a person names, and whether it can be worked in, asked before anything depends on it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.text import shown

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""No reason to refuse a start: the runs say it, and somebody may make room."""


def absolute(option: str, text: str) -> Path:
    """The file or folder that `option` names, from ``~`` and the current directory on. Raises `UsageError` where this
    user has no such home, as one without an entry in the password database and without HOME, or the current directory
    is gone."""
    named = os.path.expanduser(text)
    if named.startswith("~"):
        raise UsageError(f"{option} {text}: there is no such home on this machine; set HOME, or write the whole path")
    try:
        return Path(os.path.abspath(named))
    except FileNotFoundError:
        raise UsageError(
            f"{option} {text}: the directory in which this was started is gone; change to one that is there, or write "
            "the whole path"
        ) from None


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
    """`folder`, or the nearest one above it that is there and may be looked at."""
    while not os.path.exists(folder):  # which answers where `Path.exists` raises: above may be another user's
        folder = folder.parent
    return folder
