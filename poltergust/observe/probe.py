"""Is the Luigi scheduler there? Asked every few seconds in a thread, so that no page and no beat waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from poltergust.base.loops import Loop

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
"""Between two questions."""

MAX_UNANSWERED = 2
"""Questions without an answer after which it counts as gone: one that writes its state answers nobody meanwhile."""


class SchedulerProbe:
    """`healthy` asks once, bounded in time; `url` without credentials, for the text."""

    def __init__(self, healthy: Callable[[], bool], url: str, *, interval: float = INTERVAL_SECONDS) -> None:
        self._healthy = healthy
        self._text = f"the Luigi scheduler at {url} does not answer: start it, or repair the way to it"
        self._interval = interval
        self._loop = Loop("probe", self._ask)
        self._unanswered = 0
        self._problem = ""

    @property
    def problem(self) -> str:
        """One line while it does not answer, else empty."""
        return self._problem

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """A question under way is left behind: its thread ends with it."""
        self._loop.request_stop()

    def _ask(self) -> float:
        self._unanswered = 0 if self._healthy() else self._unanswered + 1
        if self._loop.stopping.is_set():
            return 0.0
        if self._unanswered == MAX_UNANSWERED:
            log.warning("%s", self._text)
            self._problem = self._text
        elif not self._unanswered and self._problem:
            log.info("the Luigi scheduler answers again")
            self._problem = ""
        return self._interval
