"""Luigi's scheduler, spared most of the work that grows with both the tasks it knows and the workers that ask.

What it answers is what Luigi's own answers. With fifty workers on two thousand tasks a third of its time went here.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from luigi.scheduler import Scheduler
from luigi.task_status import DISABLED

MAX_PRUNE_SHARE, MAX_UNPRUNED_SECONDS = 0.02, 2.0
"""How much of the time pruning may take at most, and for how long it may be left undone meanwhile."""


class SparedScheduler(Scheduler):
    """Nothing here depends on what it overrides being there in another version of Luigi: it is only slower then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._counts_pending = False
        # Luigi prunes at every question, and looks at each task it knows.
        self.prune = Sparing(super().prune, MAX_PRUNE_SHARE, MAX_UNPRUNED_SECONDS)

    def count_pending(self, worker: str) -> Any:
        """Luigi walks from each pending task to all that it requires, to leave out those below a disabled one: usually
        there is none."""
        self._counts_pending = self._state.get_active_task_count_for_status(DISABLED) == 0
        try:
            return super().count_pending(worker)
        finally:
            self._counts_pending = False

    def _upstream_status(self, task_id: str, *args: Any) -> Any:
        return "" if self._counts_pending else super()._upstream_status(task_id, *args)


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
