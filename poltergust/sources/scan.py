"""The scan: every name there is, once at the start and then at every interval. What no event told, this finds."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from poltergust.base.clock import Clock, SystemClock
from poltergust.base.errors import PoltergustError
from poltergust.sources import Changed, SourceState

log = logging.getLogger(__name__)

_FIRST_RETRY = 1.0
"""Seconds to wait after a scan that failed; doubled each time, up to the interval or this:"""

_LAST_RETRY = 60.0

_JITTER = 0.1
"""Share of the interval by which each wait is shorter at random: nodes started together do not scan together."""

_STOP = 2.0
"""Seconds `stop` waits for a listing."""


@dataclass(frozen=True)
class ScanState:
    """Of the last scan that went through: when it ended (monotonic seconds, None: none yet), how long it took in
    seconds, how many names it found. `scans` and `failures` are counted since the start, `problem` is what is wrong
    now."""

    ended: float | None = None
    seconds: float = 0.0
    found: int = 0
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
        self._thread: threading.Thread | None = None
        # Guards the rest; notified when a scan is requested and at the end.
        self._condition = threading.Condition()
        self._requested = False
        self._stopping = False
        self._last = ScanState()
        # When a scan last found anything to tell (monotonic seconds).
        self._last_event: float | None = None

    def start(self, changed: Changed) -> None:
        """Returns at once; the first scan runs in a thread."""
        self._thread = threading.Thread(target=self._run, args=[changed], name="scan", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns at once if nothing is under way. A listing that hangs in the store is left behind: its thread says
        nothing more and ends at its next name."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP)

    def request(self) -> None:
        """Scan now; if a scan is under way, once more after it."""
        with self._condition:
            self._requested = True
            self._condition.notify_all()

    def state(self) -> SourceState:
        with self._condition:
            return SourceState(not self._stopping and not self._last.problem, self._last_event, self._last.problem)

    def scanning(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def last(self) -> ScanState:
        with self._condition:
            return self._last

    # The thread.

    def _run(self, changed: Changed) -> None:
        failures = 0
        while True:
            with self._condition:
                self._requested = False
                if self._stopping:
                    return
            try:
                self._scan(changed)
                failures = 0
                delay = self._interval * (1 - _JITTER * self._draw())
            except Exception as error:  # noqa: BLE001  the store's errors or others: no scan ends without a word
                failures += 1
                self._failed(error)
                step = min(_FIRST_RETRY * 2.0 ** min(failures - 1, 30), _LAST_RETRY, self._interval)
                delay = step * (1 - self._draw() / 2)
            self._rest(delay)

    def _scan(self, changed: Changed) -> None:
        began, found = self._clock.monotonic(), 0
        for url in self._list_configs():
            with self._condition:
                if self._stopping:
                    return
                changed(url)  # under the lock, so that none comes after `stop`
            found += 1
        now = self._clock.monotonic()
        with self._condition:
            if self._last.problem:
                log.info("the path can be listed again")
            self._last = ScanState(now, now - began, found, self._last.scans + 1, self._last.failures)
            if found:
                self._last_event = now
        self.first_done.set()
        log.debug("scan found %d configs in %.3f s", found, now - began)

    def _failed(self, error: Exception) -> None:
        expected = isinstance(error, PoltergustError)
        problem = " ".join(str(error).split()) if expected else f"the scan failed: {type(error).__name__}: {error}"
        with self._condition:
            news = problem != self._last.problem
            last = self._last
            self._last = ScanState(last.ended, last.seconds, last.found, last.scans, last.failures + 1, problem)
        if news:
            log.warning("%s; tried again", problem, exc_info=None if expected else error)

    def _rest(self, delay: float) -> None:
        with self._condition:
            end = self._clock.monotonic() + delay
            while not (self._stopping or self._requested) and (now := self._clock.monotonic()) < end:
                self._clock.wait(self._condition, end - now)
