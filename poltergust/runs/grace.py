"""What a file names may land after it: `gsutil -m cp` uploads in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from poltergust.base.errors import Missing, Permanent, Temporary
from poltergust.base.reasons import Reason
from poltergust.runs.run import Run

MISSING_GRACE_SECONDS = 60.0
"""How long an object that a file names may be missing."""

RETRY_SECONDS = 1.0
"""The least time until an object that is missing is asked for again."""


@contextmanager
def grace(run: Run, clock: Callable[[], float]) -> Iterator[None]:
    """A `Missing` that is raised in the context is something to wait for, until that took too long. `clock` in
    monotonic seconds."""
    try:
        yield
    except Missing as error:
        now = clock()
        if now - run.absent_since.setdefault(error.what, now) >= MISSING_GRACE_SECONDS:
            text = f"{error}, {MISSING_GRACE_SECONDS:g} s after the config was seen"
            raise Permanent(error.reason, text) from error
        run.awaited = error.what
        raise awaited(error.what) from error


def awaited(what: str) -> Temporary:
    """That object is not there yet."""
    return Temporary(Reason.ENVIRONMENT_AWAITED, f"waiting for {what}", delay=RETRY_SECONDS)
