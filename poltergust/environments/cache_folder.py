"""The folder of the cache: can it be used? Asked before anything is kept there, so that a person gets one line."""

from __future__ import annotations

import os
from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.folders import check_writable, standing


def prepare(folder: Path) -> None:
    """Make it if it is not there. Raises `UsageError` where nothing can be kept in it."""
    _check(folder, make=True)


def examine(folder: Path) -> None:
    """The same without making it: what does not stand yet has to be makeable."""
    _check(folder, make=False)


def _check(folder: Path, *, make: bool) -> None:
    remedy = "name another --cache-dir, or let the node's user write there"
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder if make else standing(folder))
    except OSError as error:
        why = "is no folder" if os.path.isfile(standing(folder)) else f"cannot be written to: {error.strerror}"
        raise UsageError(f"--cache-dir {folder} {why}; {remedy}") from None
