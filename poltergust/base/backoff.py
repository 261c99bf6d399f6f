"""The one back-off: how long to leave something alone after it failed again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

_LARGEST_EXPONENT = 63
"""Beyond it every sane limit is reached, and a float would overflow at 1024."""


class Backoff:
    """Doubling delays per name with jitter, from `first` up to `limit` seconds. Safe to use from several threads.

    A delay is drawn from the upper part of its step, ``[(1 - jitter) * step, step]``: nodes that failed together do not
    come back together, and with `jitter` of at most a half no delay is shorter than the one before it, until the limit.
    Memory: one number per name that failed and was not forgotten. Where only one thing can fail, it needs no name.
    """

    def __init__(
        self,
        first: float = 1.0,
        limit: float = 300.0,
        jitter: float = 0.5,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`draw` returns numbers in [0, 1). Raises ValueError for limits that make no sense."""
        if not 0 < first <= limit:
            raise ValueError(f"a back-off needs 0 < first <= limit, not first={first:g}, limit={limit:g}")
        if not 0 <= jitter <= 1:
            raise ValueError(f"a back-off's jitter is a share from 0 to 1, not {jitter:g}")
        self._first = first
        self._limit = limit
        self._jitter = jitter
        self._draw = draw
        self._lock = threading.Lock()
        # How often each name failed since it was last forgotten; at least 1.
        self._failures: dict[str, int] = {}

    def delay(self, name: str = "") -> float:
        """Count one more failure of `name`; seconds to wait after it."""
        with self._lock:
            failures = self._failures[name] = self._failures.get(name, 0) + 1
        step: float = min(self._limit, self._first * 2.0 ** min(failures - 1, _LARGEST_EXPONENT))
        return step * (1 - self._jitter * self._draw())

    def failures(self, name: str = "") -> int:
        """How often it failed since it was last forgotten; 0 for a name that did not."""
        with self._lock:
            return self._failures.get(name, 0)

    def forget(self, name: str = "") -> None:
        """It went well, or nobody will ask again: the next failure is the first."""
        with self._lock:
            self._failures.pop(name, None)
