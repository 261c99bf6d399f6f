"""`--keep 30d`: records, logs and heartbeats older than that are removed, by the storage server's clock.

Only below the path's sibling prefix, never a config or an outcome, and nothing of a name whose config still stands. All
nodes of a path keep it clean together: who renews a small mark first does the next pass for everybody. A pass is
bounded; what is left is for the next one.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator

from poltergust.base.loops import Loop
from poltergust.base.text import plural
from poltergust.path import layout
from poltergust.path.code import MAX_MARK_BYTES, digest_in
from poltergust.path.content import RENEW_SECONDS
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Conflict, Denied, Entry, NotFound, StoreError

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 3600.0
"""Between two passes on one path, whoever makes them."""

FIRST_DELAY_SECONDS = 300.0
"""From the start to the first pass: a start has better things to do."""

FULL_PASS_DELAY_SECONDS = 60.0
"""Until the next pass when one was full."""

MAX_REMOVALS = 1000
"""Objects removed in one pass."""

DUE_FRACTION = 0.9
"""The part of an interval after which a pass is due: nodes do not look at the very same moment."""

STOP_SECONDS = 2.0
"""How long a stop waits for a pass."""


class Retention:
    """What one pass does for one path: removes what is older than `keep_seconds`."""

    def __init__(
        self,
        at: StoredPath,
        keep_seconds: float,
        *,
        max_removals: int = MAX_REMOVALS,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._store = at.store
        self._path = at.path
        self._keep_seconds = keep_seconds
        self.max_removals = max_removals
        self.interval_seconds = interval_seconds

    def run_pass(self, *, resume: bool = False, stopped: Callable[[], bool] = lambda: False) -> int | None:
        """One pass; how many objects went, None if another node made one less than an interval ago. `resume`: this node
        made it, and it was full (`max_removals`). `stopped` is asked between two removals whether to leave the rest.

        Raises `StoreError` if the storage does not answer.
        """
        now = self._claim_pass(resume)
        if now is None:
            return None
        # Configs first: what a config that lands later leaves behind is too young anyway.
        configs = self._configs()
        old = []
        for entry in self._old(now, configs):
            old.append(entry.url)
            if len(old) == self.max_removals or stopped():
                break
        removed, refusals = 0, []
        for url in old:
            if stopped():
                return removed
            try:
                self._store.delete(url)
                removed += 1
            except Denied as error:  # a hold on one of them is no reason to keep the others
                refusals.append(error)
        if refusals:
            log.warning("--keep: %s cannot be removed; the first: %s", plural(len(refusals), "old object"), refusals[0])
        if removed:
            log.info("removed %d records and logs older than %.0f h (--keep)", removed, self._keep_seconds / 3600)
        return removed

    def _claim_pass(self, resume: bool) -> float | None:
        """Renew the mark if it is due: the server's time now, or None."""
        url = f"{self._path.state_prefix}kept"
        generation, updated = ABSENT, None
        try:
            mark = self._store.read(url, limit=0)
            generation, updated = mark.generation, mark.updated
            if (
                not resume
                and mark.served is not None
                and mark.served - mark.updated < self.interval_seconds * DUE_FRACTION
            ):
                return None
        except NotFound:
            log.debug("no pass was made below %s yet", self._path.state_prefix)
        try:
            now = self._store.write(url, b"", if_generation=generation).updated
        except Conflict:
            return None
        log.debug("a retention pass below %s, the last one at %s", self._path.state_prefix, updated)
        return now

    def _configs(self) -> frozenset[str]:
        found = self._store.list(self._path.prefix, suffix=layout.CONFIG_SUFFIX)
        names = (self._path.name_of(entry.url) for entry in found)
        return frozenset(name for name in names if name is not None)

    def _old(self, now: float, configs: frozenset[str]) -> Iterator[Entry]:
        for kind in ("runs/", "logs/", "submitted/", "cancelled/", "nodes/"):
            prefix = self._path.state_prefix + kind
            for entry in self._store.list(prefix):
                if now - entry.updated > self._keep_seconds and _name(kind, entry.url[len(prefix) :]) not in configs:
                    yield entry
        yield from self._old_code(now)
        for entry in self._store.list(self._path.contents):
            if now - entry.updated > self._keep_seconds + RENEW_SECONDS:  # no run that is kept was made of it
                yield entry

    def _old_code(self, now: float) -> Iterator[Entry]:
        """Bundles of source that no run there is any record of executes. One that a run is just about to name is read
        again and published again by the node that misses it."""
        old = [entry for entry in self._store.list(self._path.codes) if now - entry.updated > self._keep_seconds]
        if not old:
            return
        needed = set()
        for entry in self._store.list(f"{self._path.state_prefix}runs/", suffix="/.code"):
            try:
                digest = digest_in(self._store.read(entry.url, limit=MAX_MARK_BYTES).data)
            except NotFound:
                continue
            if digest is not None:
                needed.add(self._path.code(digest))
        yield from (entry for entry in old if entry.url not in needed)


class RetentionLoop:
    """Makes passes in a thread of its own, between `start` and `stop`."""

    def __init__(
        self,
        retention: Retention,
        *,
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`draw` gives the jitter, from 0.0 to 1.0: nodes that start together should not all ask together."""
        self._retention = retention
        self._first_delay_seconds = first_delay_seconds
        self._draw = draw
        self._loop = Loop("retention", self._turn)
        self._full = False  # the last pass left something

    def start(self) -> None:
        self._loop.start(self._first_delay_seconds * (1 + self._draw()))

    def stop(self) -> None:
        """Returns at once or after one removal; a listing that hangs is left behind."""
        self._loop.stop(STOP_SECONDS)

    def _turn(self) -> float:
        removed = None
        try:
            removed = self._retention.run_pass(resume=self._full, stopped=self._loop.stopping.is_set)
        except StoreError as error:
            log.warning("old records are not removed now: %s", error)
        self._full = removed is not None and removed >= self._retention.max_removals
        return FULL_PASS_DELAY_SECONDS if self._full else self._retention.interval_seconds * (1 + self._draw() / 4)


def _name(kind: str, key: str) -> str | None:
    """Of the config that `key` below that prefix belongs to."""
    if kind == "nodes/":
        return None
    if kind in ("submitted/", "cancelled/"):
        return key.removesuffix(".json")
    name, _, _ = key.rpartition("/")  # NAME/GENERATION/FILE
    return name.rpartition("/")[0]
