"""The directory in which all runs of a path work: it lasts, and what stands there means what it means to a person."""

from __future__ import annotations

from pathlib import Path

from poltergust.base.errors import UsageError
from poltergust.base.folders import check_writable, standing
from poltergust.node.settings import Settings


def prepare(settings: Settings) -> Path:
    """The working directory, made where it is the cache's own. Raises `UsageError` for one that runs cannot use."""
    return _checked(settings, make=True)


def examine(settings: Settings) -> Path:
    """The same without making any: what does not stand yet has to be makeable."""
    return _checked(settings, make=False)


def _checked(settings: Settings, *, make: bool) -> Path:
    try:
        folder = settings.working_directory
    except FileNotFoundError:
        raise UsageError(
            "the directory in which this was started is gone, and runs would work there; add --workdir FOLDER"
        ) from None
    try:
        if make and settings.workdir is None:
            folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() == Path("/"):
            raise UsageError("runs would work in /; add --workdir FOLDER, or start this in another directory")
        check_writable(folder if make else standing(folder))
    except OSError as error:
        raise UsageError(
            f"runs would work in {folder}, which cannot be written to: {error.strerror}; name another --workdir, "
            "or let the node's user write there"
        ) from None
    return folder
