"""Is the Luigi scheduler there? Asked every few seconds in a thread, so that no page and no beat waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two questions."""

DOUBT = 2
"""Questions without an answer after which it counts as gone: one that writes its state answers nobody meanwhile."""


class SchedulerProbe:
    """`healthy` asks once, bounded in time; `url` without credentials, for the text."""

    def __init__(self, healthy: Callable[[], bool], url: str, *, interval: float = INTERVAL) -> None:
        self._healthy = healthy
        self._text = f"the Luigi scheduler at {url} does not answer: start it, or mend the way to it"
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poltergust-probe", daemon=True)
        self._problem = ""

    @property
    def problem(self) -> str:
        """One line while it does not answer, else empty."""
        return self._problem

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A question under way is left behind: its thread ends with it."""
        self._stopping.set()

    def _run(self) -> None:
        unanswered = 0
        while True:
            unanswered = 0 if self._healthy() else unanswered + 1
            if self._stopping.is_set():
                return
            if unanswered == DOUBT:
                log.warning("%s", self._text)
                self._problem = self._text
            elif not unanswered and self._problem:
                log.info("the Luigi scheduler answers again")
                self._problem = ""
            if self._stopping.wait(self._interval):
                return
