"""Names that are due later: a heap by time that holds each name at most once. Not thread-safe; the queue locks."""

from __future__ import annotations

import heapq
import itertools

_MAX_OUTDATED = 64
"""Outdated heap entries that are always tolerated; above that never more of them than live ones."""


class Delays:
    """Of several times for one name the earliest counts. Adding and taking are O(log n), amortised."""

    def __init__(self) -> None:
        # The truth: when each name is due, monotonic seconds.
        self._due: dict[str, float] = {}
        # (due, number, name), by due and then by the order of adding. Holds an entry that agrees with `_due` for every
        # name in it; an entry that does not agree is outdated and skipped. At most 2 * len(_due) + _MAX_OUTDATED ones.
        self._heap: list[tuple[float, int, str]] = []
        # Ties are broken by this, so that equal times keep their order. Never repeats.
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, name: str) -> bool:
        return name in self._due

    def due(self) -> dict[str, float]:
        """A copy: name to monotonic seconds."""
        return dict(self._due)

    def put(self, name: str, due: float) -> bool:
        """Remember `name` for `due`, unless it is due earlier already. Whether that changed anything."""
        known = self._due.get(name)
        if known is not None and known <= due:
            return False
        self._due[name] = due
        heapq.heappush(self._heap, (due, next(self._numbers), name))
        self._compact()
        return True

    def discard(self, name: str) -> None:
        if self._due.pop(name, None) is not None:
            self._compact()

    def clear(self) -> None:
        self._due.clear()
        self._heap.clear()

    def next(self) -> float | None:
        """When the next name is due, None if there is none."""
        while self._heap:
            due, _, name = self._heap[0]
            if self._due.get(name) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def pop(self, now: float) -> tuple[str, float] | None:
        """Take out the name that has been due longest at `now`, with its time; None if none is due yet."""
        due = self.next()
        if due is None or due > now:
            return None
        name = heapq.heappop(self._heap)[2]
        del self._due[name]
        return name, due

    def _compact(self) -> None:
        if len(self._heap) > 2 * len(self._due) + _MAX_OUTDATED:
            # Two entries of one name may carry the same time (put, discard, put again): keep the older one only.
            live: dict[str, tuple[float, int, str]] = {}
            for entry in sorted(self._heap):
                if self._due.get(entry[2]) == entry[0]:
                    live.setdefault(entry[2], entry)
            self._heap = list(live.values())  # in order, so a heap
