"""Time as the queue and the scan see it: handed in, so that a simulated clock can drive them through hours in a moment.

Monotonic, so that setting the machine's clock back changes nothing.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Two things one can do with time."""

    def monotonic(self) -> float:
        """Seconds from some fixed point; never goes back."""
        ...

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Release `condition` (which the caller holds), sleep until it is notified or `timeout` seconds passed, take
        it again. May return early: callers look again at what they wait for."""
        ...


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait(None if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))
