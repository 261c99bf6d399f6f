"""When a name is reconciled again: the delay after each row of the outcome table, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from poltergust.base.backoff import Backoff
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.runs.run import Verdict

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 2.0, 300.0
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 15.0  # other nodes run: one cheap question to the scheduler each time
FIRST_DATA_SECONDS, MAX_DATA_SECONDS = 5.0, 300.0  # external data: only a Luigi process can tell, so less often

LOOK_CPU_SECONDS = 0.3
"""What a Luigi process takes that finds external data missing."""

MAX_LOOKS_SHARE = 0.05
"""Of one core, for the looks of all nodes together."""


@dataclass(frozen=True)
class Result:
    """What is left to do for a name that was reconciled.

    `requeue_after`: it is reconciled again in so many seconds at the latest. 0.0: at once, there is something new.
    None: nothing is left to do here; an event or a scan brings the name back if it is ever wanted again.
    """

    requeue_after: float | None = None


NOTHING_LEFT = Result()
AT_ONCE = Result(0.0)


def between_looks(looking: int, nodes: int) -> float:
    """Least seconds between two looks for external data at one config, on a node that looks for the data of so many,
    one of so many nodes: each has its share."""
    return looking * nodes * LOOK_CPU_SECONDS / MAX_LOOKS_SHARE


class RetryPolicy:
    """Growing, jittered delays by name, from the first attempt at a run to its end."""

    def __init__(self) -> None:
        self._failing = Backoff(FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
        self._waiting = Backoff(FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS)
        self._data = Backoff(FIRST_DATA_SECONDS, MAX_DATA_SECONDS)

    def after(self, name: str, verdict: Verdict, at_most: float | None = None) -> Result:
        """Reconcile again after a delay that is never less than the verdict's own, and at most `at_most` seconds (None:
        no limit; less than 0 counts as 0)."""
        delay = max(self._backoff(verdict).delay(name), verdict.delay or 0.0)
        return Result(delay if at_most is None else min(delay, max(0.0, at_most)))

    def forget(self, name: str) -> None:
        """The run has ended, or another generation stands there: the next delay is the first."""
        for backoff in (self._failing, self._waiting, self._data):
            backoff.forget(name)

    def _backoff(self, verdict: Verdict) -> Backoff:
        if verdict.reason is Reason.SCHEDULER_UNREACHABLE:
            return self._waiting  # asked elsewhere every few seconds: to see whether it answers again costs nothing
        if verdict.kind is ReasonKind.WAITING:
            rarely = verdict.reason in (Reason.DATA_MISSING, Reason.NO_MATCHING_NODE)
            return self._data if rarely else self._waiting
        return self._failing
