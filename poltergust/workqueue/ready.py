"""Names to hand out: the highest priority first, then in order of adding. Not thread-safe: the queue locks."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

_MAX_OUTDATED = 64
"""Outdated heap entries that are always tolerated; above that never more of them than live ones."""


@dataclass(frozen=True)
class _Waiting:
    number: int  # by order of adding, never repeated
    due: float  # monotonic seconds
    priority: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """Who has the least is next."""
        return -self.priority, self.number


class Ready:
    """Each name at most once. Adding, ranking and taking are O(log n), amortised."""

    def __init__(self) -> None:
        # The truth, in order of adding.
        self._names: dict[str, _Waiting] = {}
        # Names whose priority nobody has given, in order of adding. They count as 0.
        self._unranked: dict[str, None] = {}
        # Holds an entry that agrees with `_names` for every name in it; any other is outdated and skipped.
        self._heap: list[tuple[int, int, str]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Next first."""
        return iter(sorted(self._names, key=lambda name: self._names[name].place))

    def add(self, name: str, due: float) -> None:
        """A name that is not in it."""
        self._names[name] = _Waiting(next(self._numbers), due)
        self._unranked[name] = None
        self._push(name)

    def rank(self, name: str, priority: int) -> None:
        """Nothing happens for a name that is not in it."""
        waiting = self._names.get(name)
        if waiting is None:
            return
        self._unranked.pop(name, None)
        if priority != waiting.priority:
            self._names[name] = replace(waiting, priority=priority)
            self._push(name)

    def pop(self) -> tuple[str, float]:
        """Take out the next name, with the time at which it became due. Raises IndexError if there is none."""
        while True:
            *place, name = heapq.heappop(self._heap)
            waiting = self._names.get(name)
            if waiting is not None and waiting.place == tuple(place):
                del self._names[name]
                self._unranked.pop(name, None)
                return name, waiting.due

    def longest_due(self) -> float | None:
        """When the name became due that was added first; None if there is none."""
        return next((waiting.due for waiting in self._names.values()), None)

    def unranked(self) -> tuple[str, float] | None:
        """The name that was added first of those without a priority, and when it became due; None if there is none."""
        name = next(iter(self._unranked), None)
        return None if name is None else (name, self._names[name].due)

    def clear(self) -> None:
        self._names.clear()
        self._unranked.clear()
        self._heap.clear()

    def _push(self, name: str) -> None:
        heapq.heappush(self._heap, (*self._names[name].place, name))
        if len(self._heap) > 2 * len(self._names) + _MAX_OUTDATED:
            self._heap = sorted((*waiting.place, name) for name, waiting in self._names.items())
