"""A call that is made again and again, and not again while that would take more than a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable


class Sparing:
    """`call`, for at most `share` of the time (0 to 1): within what is left of it after a call, further ones do
    nothing. Never for longer than `longest` seconds. For one thread."""

    def __init__(
        self,
        call: Callable[[], object],
        share: float,
        longest: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._share = share
        self._longest = longest
        self._clock = clock
        self._not_before = float("-inf")

    def __call__(self) -> None:
        began = self._clock()
        if began < self._not_before:
            return
        self._call()
        ended = self._clock()
        self._not_before = ended + min(self._longest, (ended - began) / self._share)
