"""What an error of the storage means for a run: the one place that gives it a reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.reasons import Reason
from poltergust.stores import Denied, DiskFull, NameTooLong, StoreError, Unavailable


@contextlib.contextmanager
def storage_reasons() -> Iterator[None]:
    """A `StoreError` that leaves the context does so as a `RunError` with the same words."""
    try:
        yield
    except StoreError as error:
        raise _run_error(error) from error


def _run_error(error: StoreError) -> RunError:
    text = str(error)
    if isinstance(error, DiskFull):
        return NodeError(Reason.DISK_FULL, text)
    if isinstance(error, NameTooLong):
        return Permanent(Reason.NAME_TOO_LONG, text)
    if isinstance(error, Denied):
        return Temporary(Reason.STORAGE_DENIED, text)
    # An object that somebody replaced or removed at this moment is worth another look as well.
    return Temporary(Reason.STORAGE_UNAVAILABLE, text, error.delay if isinstance(error, Unavailable) else None)
