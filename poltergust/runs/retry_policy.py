"""When to look at a run again: the delay after each row of the outcome table, in one place."""

from __future__ import annotations

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.runs.run import Verdict
from poltergust.workqueue import Backoff

FIRST_RETRY, LAST_RETRY = 2.0, 300.0
FIRST_WAIT, LAST_WAIT = 1.0, 15.0  # other nodes run: one cheap question to the scheduler each time
FIRST_DATA, LAST_DATA = 5.0, 300.0  # external data: only a Luigi process can tell, so less often


class RetryPolicy:
    """Growing, jittered delays by name, from the first look at a run to its end."""

    def __init__(self) -> None:
        self._failing = Backoff(FIRST_RETRY, LAST_RETRY)
        self._waiting = Backoff(FIRST_WAIT, LAST_WAIT)
        self._data = Backoff(FIRST_DATA, LAST_DATA)

    def delay(self, name: str, verdict: Verdict) -> float:
        """Seconds until the next look. Never less than the verdict's own delay."""
        return max(self._backoff(verdict).delay(name), verdict.delay or 0.0)

    def failed(self, name: str) -> float:
        """Seconds until the next look after something that is no verdict: the storage did not answer."""
        return self._failing.delay(name)

    def forget(self, name: str) -> None:
        for backoff in (self._failing, self._waiting, self._data):
            backoff.forget(name)

    def _backoff(self, verdict: Verdict) -> Backoff:
        if verdict.kind is ReasonKind.WAITING:
            return self._data if verdict.reason is Reason.DATA_MISSING else self._waiting
        return self._failing
