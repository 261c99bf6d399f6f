"""Watching over a run under way: does it still count? The bucket is asked only when something says it may have changed.

The rows of the outcome table this room answers for: config gone (with its ten seconds for a copy-and-delete rename), an
outcome in its place, a newer generation, the task file's timeout, and a drain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.path.layout import Kind, WatchedPath
from poltergust.path.liveness import GONE_GRACE_SECONDS
from poltergust.path.outcome import Config, Outcomes
from poltergust.stores import Denied, NotFound, Store
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

LOOK_AGAIN = 5.0
"""Seconds until the next look when the storage did not answer."""


class StopCondition:
    """One run's reason to stop, asked again and again. Used by the one thread that holds the item."""

    def __init__(
        self,
        store: Store,
        path: WatchedPath,
        outcomes: Outcomes,
        config: Config,
        item: Item,
        stopping: Stopping,
        clock: Callable[[], float],
        deadline: float | None = None,
    ) -> None:
        self._store = store
        self._url = path.of(config.name, Kind.CONFIG)
        self._outcomes = outcomes
        self._config = config
        self._item = item
        self._stopping = stopping
        self._clock = clock
        self._deadline = deadline
        self._look_at: float | None = None  # look again then, whether or not anything changed
        self._gone_since: float | None = None

    def reason(self) -> Reason | None:
        """Why the run should not go on, None while it should. Cheap unless the name changed."""
        if self._stopping.draining:
            return Reason.DRAINED
        now = self._clock()
        if self._deadline is not None and now >= self._deadline:
            return Reason.TIMEOUT
        if self._item.changed() or (self._look_at is not None and now >= self._look_at):
            return self._look(now)
        return None

    def _look(self, now: float) -> Reason | None:
        self._look_at = None
        try:
            blob = self._store.read(self._url, limit=len(self._config.data))
        except NotFound:
            return self._gone(now)
        except (Temporary, Denied) as error:
            log.warning("cannot see whether %s still stands, going on: %s", self._url, error)
            self._look_at = now + LOOK_AGAIN
            return None
        self._gone_since = None
        return None if blob.generation == self._config.generation else Reason.NEWER_GENERATION

    def _gone(self, now: float) -> Reason | None:
        try:
            standing = self._outcomes.standing(self._config)
        except (Temporary, Denied) as error:
            log.warning("cannot see what became of %s, going on: %s", self._url, error)
            self._look_at = now + LOOK_AGAIN
            return None
        if standing in (Kind.DONE, Kind.CANCELLED):
            return Reason.OUTCOME_STANDS
        if standing is Kind.ERROR:
            return None  # another node's view; this one may still succeed
        if self._gone_since is None:
            self._gone_since = now
        if now - self._gone_since >= GONE_GRACE_SECONDS:
            return Reason.CONFIG_GONE
        self._look_at = self._gone_since + GONE_GRACE_SECONDS
        return None
