"""The scan: every name there is, once at the start and then at every interval. It finds what no event reported."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from poltergust.base.backoff import Backoff
from poltergust.base.clock import Clock, SystemClock
from poltergust.base.errors import PoltergustError
from poltergust.base.loops import Loop
from poltergust.sources import Changed, SourceState

log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 1.0, 60.0
"""How long to wait after a scan that failed, at first and after many failures; never longer than the interval."""

_JITTER_SHARE = 0.1
"""Share of the interval by which each wait is shorter at random: nodes started together do not scan together."""

_STOP_SECONDS = 2.0
"""How long `stop` waits for a listing."""


@dataclass(frozen=True)
class ScanState:
    """Of the last scan that went through: when it ended (monotonic seconds, None: none yet), how long it took in
    seconds, how many names it found, and when (monotonic seconds, None: there are none) scans found the oldest of them
    first. `scans` and `failures` are counted since the start, `problem` is what is wrong now."""

    ended: float | None = None
    seconds: float = 0.0
    found: int = 0
    oldest: float | None = None
    scans: int = 0
    failures: int = 0
    problem: str = ""


class Scan:
    """A source by itself, to be started after the others: what happens while it lists, they hear."""

    def __init__(
        self,
        list_configs: Callable[[], Iterable[str]],
        interval: float,
        *,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`list_configs` yields URLs and may raise; `interval` in seconds, from the end of a scan to the next; `draw`
        returns numbers in [0, 1)."""
        self._list_configs = list_configs
        self._interval = interval
        self._clock: Clock = SystemClock() if clock is None else clock
        self._draw = draw
        # Set once a whole scan went through: by then everything that was there is in the queue.
        self.first_done = threading.Event()
        self._changed: Changed = lambda _: None
        retry = Backoff(min(_FIRST_RETRY_SECONDS, interval), min(_LAST_RETRY_SECONDS, interval), draw=draw)
        self._loop = Loop("scan", self._scan, failed=self._failed, backoff=retry, clock=self._clock)
        # Guards the rest, and `changed`: none is called after `stop`.
        self._lock = threading.Lock()
        self._stopped = False
        self._last = ScanState()
        # URL to when a scan found it first; only what the last scan found.
        self._seen: dict[str, float] = {}
        # When a scan last found anything (monotonic seconds).
        self._last_event: float | None = None

    def start(self, changed: Changed) -> None:
        """Returns at once; the first scan runs in a thread."""
        self._changed = changed
        self._loop.start()

    def stop(self) -> None:
        """Returns at once if nothing is under way. A listing that hangs in the store is left behind: its thread reports
        nothing more and ends at its next name."""
        with self._lock:
            self._stopped = True
        self._loop.stop(_STOP_SECONDS)

    def request(self) -> None:
        """Scan now; if a scan is under way, once more after it."""
        self._loop.wake()

    def state(self) -> SourceState:
        with self._lock:
            return SourceState(not self._stopped and not self._last.problem, self._last_event, self._last.problem)

    def scanning(self) -> bool:
        """Whether its thread lives."""
        return self._loop.alive

    def last(self) -> ScanState:
        with self._lock:
            return self._last

    # The thread.

    def _scan(self) -> float:
        began = self._clock.monotonic()
        seen: dict[str, float] = {}
        for url in self._list_configs():
            with self._lock:
                if self._stopped:
                    return 0.0
                self._changed(url)
            seen[url] = self._seen.get(url, began)
        now = self._clock.monotonic()
        with self._lock:
            if self._last.problem:
                log.info("the path can be listed again")
            self._seen, oldest = seen, min(seen.values(), default=None)
            self._last = ScanState(now, now - began, len(seen), oldest, self._last.scans + 1, self._last.failures)
            if seen:
                self._last_event = now
        self.first_done.set()
        log.debug("scan found %d configs in %.3f s", len(seen), now - began)
        return self._interval * (1 - _JITTER_SHARE * self._draw())

    def _failed(self, error: Exception) -> None:
        """The store's errors or others: no scan ends without being reported."""
        expected = isinstance(error, PoltergustError)
        problem = " ".join(str(error).split()) if expected else f"the scan failed: {type(error).__name__}: {error}"
        with self._lock:
            news = problem != self._last.problem
            self._last = replace(self._last, failures=self._last.failures + 1, problem=problem)
        if news:
            log.warning("%s; tried again", problem, exc_info=None if expected else error)
