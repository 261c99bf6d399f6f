"""Is the Luigi scheduler there? Asked once before the node begins, then every few seconds in a thread, so that no page
and no beat waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from poltergust.base.loops import Loop

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
"""Between two questions."""

FIRST_TIMEOUT_SECONDS = 1.5
"""For the first question: what is wrong at the start is reported at the start."""

MAX_UNANSWERED = 2
"""Questions without an answer after which it counts as gone: one that writes its state answers nobody meanwhile."""


class SchedulerProbe:
    """`healthy` asks once, for at most so many seconds (None: as long as it likes); `url` without credentials, for the
    text. One that has not answered yet counts as gone at once."""

    def __init__(
        self, healthy: Callable[[float | None], bool], url: str, *, interval: float = INTERVAL_SECONDS
    ) -> None:
        self._healthy = healthy
        self._text = f"the Luigi scheduler at {url} does not answer: start it, or repair the way to it"
        self._interval = interval
        self._loop = Loop("probe", lambda: self._ask(None))
        self._unanswered = MAX_UNANSWERED - 1
        self._problem = ""

    @property
    def problem(self) -> str:
        """One line while it does not answer, else empty."""
        return self._problem

    def start(self) -> None:
        """Returns once the first question was answered, or was not."""
        self._loop.start(self._ask(FIRST_TIMEOUT_SECONDS))

    def stop(self) -> None:
        """A question under way is left behind: its thread ends with it."""
        self._loop.request_stop()

    def _ask(self, timeout: float | None) -> float:
        self._unanswered = 0 if self._healthy(timeout) else self._unanswered + 1
        if self._loop.stopping.is_set():
            return 0.0
        if self._unanswered == MAX_UNANSWERED:
            log.warning("%s", self._text)
            self._problem = self._text
        elif not self._unanswered and self._problem:
            log.info("the Luigi scheduler answers again")
            self._problem = ""
        return self._interval
