"""One root for every error Poltergust raises on purpose.

`str(error)` is one line for a person: what, where, what to do. Nothing in it is secret. The class says who reacts:
a `Permanent` error ends the run on every node, a `NodeError` is counted here and tried again, a `Temporary` one is
never an error by itself, a `UsageError` is the caller's command line.
"""

from __future__ import annotations

from poltergust.base.reasons import Reason


class PoltergustError(Exception):
    """Root of all. `reason` is None only for usage errors."""

    def __init__(self, message: str, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def lines(self) -> tuple[str, ...]:
        """All there is to say, a line each; `str(error)` has the first of them."""
        return (str(self),)


class UsageError(PoltergustError):
    """The command line or the node's set-up is wrong; the message says what to do."""


class RunError(PoltergustError):
    """Something that happened to a run; always has a reason."""

    reason: Reason

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, reason)


class Permanent(RunError):
    """The files are wrong, or the pipeline cannot go on: no node can change that."""


class Missing(Permanent):
    """An object that a file names is not there: wrong, unless it lands soon. `what` is missing."""

    def __init__(self, reason: Reason, message: str, what: str = "") -> None:
        super().__init__(reason, message)
        self.what = what


class NodeError(RunError):
    """This node cannot: another one may, and so may this one later. Attempts are counted."""


class Temporary(RunError):
    """Passes by itself. `delay` is the least number of seconds to wait, None for the queue's own back-off."""

    def __init__(self, reason: Reason, message: str, delay: float | None = None) -> None:
        super().__init__(reason, message)
        self.delay = delay
