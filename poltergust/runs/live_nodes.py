"""The other live nodes of the path, asked for once for many runs."""

from __future__ import annotations

import threading

from poltergust.base.clock import Clock
from poltergust.path.records import NodeRecord, Records

FRESH_SECONDS = 10.0
"""For so long an answer serves all who ask. Heartbeats are a minute apart."""


class LiveNodes:
    """Safe to use from several threads."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[NodeRecord, ...] = ()
        self._asked: float | None = None  # monotonic seconds

    def ask(self, max_age: float = FRESH_SECONDS) -> tuple[NodeRecord, ...]:
        """At most so many seconds old; 0.0: as they are now. Raises `Unavailable`."""
        with self._lock:
            now = self._clock.monotonic()
            if self._asked is None or now - self._asked >= max_age:
                self._known = tuple(seen.record for seen in self._records.live_nodes())
                self._asked = now
            return self._known

    def fresh(self) -> bool:
        """Whether `ask` would give the latest answer once more, and ask nobody."""
        return self._asked is not None and self._clock.monotonic() - self._asked < FRESH_SECONDS

    def known(self) -> tuple[NodeRecord, ...]:
        """The latest answer, however old it is."""
        return self._known
