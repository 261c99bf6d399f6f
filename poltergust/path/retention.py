"""`--keep 30d`: records, logs and heartbeats older than that are removed, by the storage server's clock.

Only below the path's sibling prefix, never a config or an outcome, and nothing of a name whose config still stands. All
nodes of a path keep it clean together: who renews a small mark first does the next pass for everybody. A pass is
bounded; what is left is for the next one.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator

from poltergust.base.errors import RunError
from poltergust.path import layout
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Conflict, Entry, NotFound

log = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between two passes on one path, whoever makes them."""

FIRST = 300.0
"""Seconds after the start until the first look: a start has better things to do."""

SOON = 60.0
"""Seconds until the next pass when one was full."""

MOST = 1000
"""Objects removed in one pass."""


class Retention:
    """Removes what is older than `keep` seconds, in one thread between `start` and `stop`."""

    def __init__(
        self,
        at: StoredPath,
        keep: float,
        *,
        most: int = MOST,
        interval: float = INTERVAL,
        first: float = FIRST,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = at.store
        self._path = at.path
        self._keep = keep
        self._most = most
        self._interval = interval
        self._first = first
        self._draw = draw
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poltergust-keep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns at once or after one removal; a listing that hangs is left behind."""
        self._stopping.set()
        self._thread.join(2.0)

    def tidy(self, *, go_on: bool = False) -> int | None:
        """One pass; how many objects went, None if another node made one less than an interval ago. `go_on`: this node
        made it, and there was more to do.

        Raises `RunError` if the storage does not answer.
        """
        now = self._turn(go_on)
        if now is None:
            return None
        # Configs first: what a config that lands later leaves behind is too young anyway.
        standing = self._standing()
        old = []
        for entry in self._old(now, standing):
            old.append(entry.url)
            if len(old) == self._most or self._stopping.is_set():
                break
        for removed, url in enumerate(old):
            if self._stopping.is_set():
                return removed
            self._store.delete(url)
        if old:
            log.info("removed %d records and logs older than %.0f h (--keep)", len(old), self._keep / 3600)
        return len(old)

    def _turn(self, go_on: bool) -> float | None:
        """Renew the mark if it is due: the server's time now, or None."""
        url = f"{self._path.state_prefix}kept"
        generation, updated = ABSENT, None
        try:
            mark = self._store.read(url, limit=0)
            generation, updated = mark.generation, mark.updated
            if not go_on and mark.served is not None and mark.served - mark.updated < self._interval * 0.9:
                return None
        except NotFound:
            log.debug("nobody has tidied %s yet", self._path.state_prefix)
        try:
            now = self._store.write(url, b"", if_generation=generation).updated
        except Conflict:
            return None
        log.debug("tidying %s, last done at %s", self._path.state_prefix, updated)
        return now

    def _standing(self) -> frozenset[str]:
        found = self._store.list(self._path.prefix, suffix=layout.CONFIG_SUFFIX)
        configs = (self._path.name_of(entry.url) for entry in found)
        return frozenset(name for name in configs if name is not None)

    def _old(self, now: float, standing: frozenset[str]) -> Iterator[Entry]:
        for kind in ("runs/", "logs/", "submitted/", "nodes/"):
            prefix = self._path.state_prefix + kind
            for entry in self._store.list(prefix):
                if now - entry.updated > self._keep and _name(kind, entry.url[len(prefix) :]) not in standing:
                    yield entry

    def _run(self) -> None:
        full, delay = False, self._first * (1 + self._draw())
        while not self._stopping.wait(delay):
            removed = None
            try:
                removed = self.tidy(go_on=full)
            except RunError as error:
                log.warning("old records are not removed now: %s", error)
            full = removed is not None and removed >= self._most
            delay = SOON if full else self._interval * (1 + self._draw() / 4)


def _name(kind: str, key: str) -> str | None:
    """Of the config that `key` below that prefix belongs to."""
    if kind == "nodes/":
        return None
    if kind == "submitted/":
        return key.removesuffix(".json")
    name, _, _ = key.rpartition("/")  # NAME/GENERATION/FILE
    return name.rpartition("/")[0]
