"""Folders reached without following a symbolic link: what lies on or beside the path may be anybody's work.

Each component is opened by the descriptor of the one before it, so that nothing on the way can be replaced by a link
between a check and the use (openat(2) with O_NOFOLLOW). Only the folder that the user named himself may be a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from poltergust.base.text import shown
from poltergust.stores import Denied, Unavailable

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_folder(base: str, folder: str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of `folder`, which is `base` or below it; links are followed up to `base` and not beyond.

    With `make` what is missing below `base` is made, a link on the way is `Denied`, and without `base` nothing can be
    made (`Unavailable`: it may be mounted again); without, such a folder does not exist (`OSError`), and so is one of
    which a component is no folder.
    """
    try:
        descriptor = os.open(base, _FLAGS)
    except FileNotFoundError as error:
        if make:
            raise Unavailable(f"{shown(folder)}: the folder {shown(base)} is gone") from error
        raise
    try:
        for name in os.path.relpath(folder, base).split("/"):
            if name != ".":
                deeper = _entered(descriptor, name, folder, make=make)
                os.close(descriptor)
                descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def _entered(parent: int, name: str, folder: str, *, make: bool) -> int:
    while True:
        try:
            return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
            with contextlib.suppress(FileExistsError):  # another node was quicker
                os.mkdir(name, dir_fd=parent)
        except OSError as error:
            if make and error.errno in (errno.ELOOP, errno.ENOTDIR) and is_link(parent, name):
                text = f"{shown(folder)}: {shown(name)} is a symbolic link, which is not followed; put a folder there"
                raise Denied(text) from error
            raise


def is_link(folder: int, name: str) -> bool:
    """Whether `name` in the folder of that descriptor is a symbolic link; False if nothing is there."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
