"""Folders that a person names: where they are, whether they can be worked in; and files that stand there whole."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.text import shown

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Of a file system, or of what its user may have of it."""


def is_disk_full(error: OSError) -> bool:
    return error.errno in DISK_FULL


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


def is_folder(option: str, text: str, folder: Path) -> bool:
    """Whether `folder`, which `option` names, is one. Raises `UsageError` where this user may not look."""
    try:
        return folder.is_dir()
    except PermissionError as error:
        raise UsageError(f"{option} {text}: {error.strerror}; let this user enter the folders above it") from None


def check_writable(folder: Path) -> None:
    """Raise `OSError` where no file can be made in `folder`. A full disk passes: it is no reason to refuse a start, the
    runs say it, and somebody may make room."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if not is_disk_full(error):
            raise


def standing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that is there and may be looked at."""
    while not os.path.exists(folder):  # which answers where `Path.exists` raises: above may be another user's
        folder = folder.parent
    return folder


def replace_file(path: Path, data: bytes, *, aside: Path | None = None, durable: bool = False) -> None:
    """Have `data` stand at `path`, whole or not at all. It is written to another name first, in the folder `aside` of
    the same file system, None: that of `path`. `durable`: it is on disk before it is visible. What cannot be written
    leaves nothing: on a full disk a part of it would take all the room that was left."""
    descriptor, temporary = tempfile.mkstemp(dir=aside or path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
