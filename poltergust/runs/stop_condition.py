"""Why a run under way must end. The bucket is asked only when something says that it may have changed.

The rows of the outcome table this file answers for: config gone (with its ten seconds for a copy-and-delete rename), an
outcome in its place, a newer generation, the task file's timeout, and a drain.
"""

from __future__ import annotations

import logging

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from poltergust.path.liveness import GONE_GRACE_SECONDS
from poltergust.runs.context import RunContext
from poltergust.runs.run import Run
from poltergust.stores import Denied, NotFound, Unavailable
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Until the config is read again when the storage did not answer."""


class StopCondition:
    """One run's reason to stop, asked for again and again. By one thread at a time."""

    def __init__(self, context: RunContext, run: Run, item: Item) -> None:
        self._context = context
        self._run = run
        self._item = item
        self._url = context.state.path.of(run.name, Kind.CONFIG)
        self._read_at: float | None = None  # read the config then, whether or not anything changed
        self._gone_since: float | None = None

    def reason(self) -> Reason | None:
        """Why the run must end, None while it may go on. Cheap unless the name changed."""
        if self._context.stopping.draining:
            return Reason.DRAINED
        now = self._context.clock.monotonic()
        if self._run.deadline is not None and now >= self._run.deadline:
            return Reason.TIMEOUT
        if self._item.changed() or (self._read_at is not None and now >= self._read_at):
            return self._read_config(now)
        return None

    def _read_config(self, now: float) -> Reason | None:
        config = self._run.config
        self._read_at = None
        try:
            blob = self._context.state.store.read(self._url, limit=len(config.data))
        except NotFound:
            return self._gone(now)
        except (Unavailable, Denied) as error:
            log.warning("cannot see whether %s is still there, the run goes on: %s", self._url, error)
            self._read_at = now + RETRY_SECONDS
            return None
        self._gone_since = None
        return None if blob.generation == config.generation else Reason.NEWER_GENERATION

    def _gone(self, now: float) -> Reason | None:
        try:
            outcome = self._context.state.outcomes.outcome_of(self._run.config)
        except (Unavailable, Denied) as error:
            log.warning("cannot see what became of %s, the run goes on: %s", self._url, error)
            self._read_at = now + RETRY_SECONDS
            return None
        if outcome in (Kind.DONE, Kind.CANCELLED):
            return Reason.OUTCOME_STANDS
        if outcome is Kind.ERROR:
            return None  # another node's view; this one may still succeed
        if self._gone_since is None:
            self._gone_since = now
        if now - self._gone_since >= GONE_GRACE_SECONDS:
            return Reason.CONFIG_GONE
        self._read_at = self._gone_since + GONE_GRACE_SECONDS
        return None
