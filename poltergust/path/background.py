"""Storage calls that are not made in the caller's thread: what nobody waits for is never in the way of a run, and what
somebody waits for is made side by side.

In order for each object, one at a time; two objects know nothing of each other. `begin` is for who wants the answer
later. `put` is for who wants none: of several that wait for one object the last is made, no sooner than `spacing` after
the object's latest call, because Cloud Storage takes about one write a second for one object
(https://cloud.google.com/storage/quotas#objects).
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_THREADS = 16
"""That make calls at a time, of one path's. A thread is made when there is a call for it."""

IDLE_SECONDS = 10.0
"""After which a thread without a call ends."""


class Begun(Generic[T]):
    """A call that was begun, and its answer."""

    def __init__(self, background: Background, call: Callable[[], T]) -> None:
        self._background = background
        self._call = call
        self._ended = False
        self._answer: list[T] = []
        self._error: Exception | None = None

    def result(self) -> T:
        """What the call returns, once it has; raises what it raises."""
        self._background.wait(lambda: self._ended)
        if self._error is not None:
            raise self._error
        return self._answer[0]

    def make(self) -> None:
        """In the thread that makes the call."""
        try:
            self._answer.append(self._call())
        except Exception as error:  # noqa: BLE001  # whoever asks for the result has it
            self._error = error
        self._ended = True


@dataclass
class _Job:
    call: Callable[[], object]
    due: float  # monotonic seconds
    owner: object = None  # of one that nobody waits for: it takes the place of an earlier one of the same
    after: Sequence[str] = ()  # objects that nothing may wait for any more


@dataclass
class _Lane:
    """The calls for one object."""

    jobs: deque[_Job] = field(default_factory=deque)
    busy: bool = False
    ended: float = float("-inf")  # when its latest call was answered


def _rank(lane: _Lane) -> tuple[bool, float]:
    return all(job.owner is not None for job in lane.jobs), lane.jobs[0].due


class Background:
    """One for each path. Safe to use from several threads."""

    def __init__(self, spacing: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`spacing`: least seconds between the calls for one object that nobody waits for."""
        self._spacing = spacing
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes: dict[str, _Lane] = {}
        self._threads = self._idle = 0
        self._flushing = 0

    def begin(self, url: str, call: Callable[[], T], *, instead_of: object = None) -> Begun[T]:
        """Make the call now, after those that were begun or put for that object before. Its answer is waited for. What
        the owner `instead_of` has put there and was not begun is left out."""
        begun = Begun(self, call)
        with self._changed:
            lane = self._lanes.setdefault(url, _Lane())
            now = self._clock()
            lane.jobs = deque(job for job in lane.jobs if job.owner is None or job.owner != instead_of)
            for job in lane.jobs:
                job.due = min(job.due, now)
            lane.jobs.append(_Job(self.bound(begun.make), now))
            self._woken()
        return begun

    def put(
        self, url: str, call: Callable[[], object], *, owner: object, delay: float = 0.0, after: Iterable[str] = ()
    ) -> None:
        """Make the call in `delay` seconds, instead of one by this `owner` that is the last to wait for that object;
        not before everything for the objects `after` is made. What it raises is logged as a bug of ours."""
        with self._changed:
            self._tidy()
            lane = self._lanes.setdefault(url, _Lane())
            now = self._clock()
            spaced = (now if lane.busy else lane.ended) + self._spacing
            job = _Job(self.bound(call), max(now + delay, spaced), owner, tuple(after))
            if lane.jobs and lane.jobs[-1].owner == owner:
                job.due = min(job.due, lane.jobs.pop().due)
            lane.jobs.append(job)
            self._woken()

    def drop(self, url: str) -> None:
        """What was put for that object and not begun is not wanted any more."""
        with self._changed:
            lane = self._lanes.get(url)
            if lane is not None:
                lane.jobs = deque(job for job in lane.jobs if job.owner is None)
                self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Make everything now that waits, for at most so many seconds; whether nothing is left."""
        with self._changed:
            self._flushing += 1
            self._woken()
        try:
            return self.wait(self._empty, seconds)
        finally:
            with self._changed:
                self._flushing -= 1

    # What a simulation does in its own way.

    def bound(self, call: Callable[[], object]) -> Callable[[], object]:
        """The call, as part of what is done here and now: what it logs is about the same run."""
        context = contextvars.copy_context()
        return lambda: context.run(call)

    def start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="poltergust-background", daemon=True).start()

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> bool:
        """Until that is so, looked at whenever something changed here."""
        with self._changed:
            return self._changed.wait_for(ready, seconds)

    # The threads.

    def _woken(self) -> None:
        self._changed.notify_all()
        if self._idle == 0 and self._threads < MAX_THREADS:
            self._threads += 1
            self.start(self._work)

    def _work(self) -> None:
        while True:
            found = self._take()
            if found is None:
                return
            lane, job = found
            try:
                job.call()
            except Exception:
                log.exception("unexpected; please report this")
            with self._changed:
                lane.busy, lane.ended = False, self._clock()
                self._changed.notify_all()

    def _take(self) -> tuple[_Lane, _Job] | None:
        """The next call, waited for; None where this thread is not needed."""
        with self._changed:
            self._idle += 1
            try:
                while (lane := self._next()) is None:
                    if not self.wait(lambda: self._next() is not None, self._until_due()) and self._empty():
                        self._threads -= 1
                        return None
            finally:
                self._idle -= 1
            lane.busy = True
            if self._next() is not None:
                self._woken()
            return lane, lane.jobs.popleft()

    def _next(self) -> _Lane | None:
        """The object whose turn it is, those first whose answer somebody waits for."""
        now = self._clock()
        free = [lane for lane in self._lanes.values() if lane.jobs and not lane.busy]
        due = [lane for lane in free if self._is_due(lane.jobs[0], now)]
        return min(due, key=_rank, default=None)

    def _is_due(self, job: _Job, now: float) -> bool:
        return (job.due <= now or self._flushing > 0) and not any(self._waits(url) for url in job.after)

    def _waits(self, url: str) -> bool:
        lane = self._lanes.get(url)
        return lane is not None and bool(lane.busy or lane.jobs)

    def _until_due(self) -> float:
        now = self._clock()
        times = [lane.jobs[0].due - now for lane in self._lanes.values() if lane.jobs and not lane.busy]
        return min([IDLE_SECONDS, *(max(0.0, seconds) for seconds in times if seconds > 0)])

    def _empty(self) -> bool:
        return not any(lane.busy or lane.jobs for lane in self._lanes.values())

    def _tidy(self) -> None:
        """Objects that nothing waits for are forgotten, once their latest call is long enough ago."""
        past = self._clock() - self._spacing
        old = [url for url, lane in self._lanes.items() if not lane.jobs and not lane.busy and lane.ended <= past]
        for url in old:
            del self._lanes[url]
