"""Storage calls that are not made in the caller's thread: what nobody waits for is never in the way of a run, and what
somebody waits for is made side by side.

In order for each object, one at a time; two objects know nothing of each other. `begin` is for who wants the answer
later. `put` is for who wants none: of several that wait for one object the last is made, no sooner than `spacing` after
the object's latest call, because Cloud Storage takes about one write a second for one object
(https://cloud.google.com/storage/quotas#objects).
"""

from __future__ import annotations

import contextvars
import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from poltergust.stores import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_THREADS = 16
"""That make calls at a time, of one path's. A thread is made when there is a call for it."""

IDLE_SECONDS = 10.0
"""After which a thread without a call ends."""

MIN_TIDY = 64
"""So many objects are remembered, at the least, before those that nothing waits for are looked for."""


class Begun(Generic[T]):
    """A call that was begun, and its answer."""

    def __init__(self, background: Background, call: Callable[[], T]) -> None:
        self._background = background
        self._call = call
        self._ended = False
        self._answer: list[T] = []
        self._error: Exception | None = None
        self.answered = background.condition()

    def result(self) -> T:
        """What the call returns, once it has; raises what it raises."""
        self._background.wait(lambda: self._ended, of=self.answered)
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
    answered: threading.Condition | None = None  # of one that somebody waits for


@dataclass(eq=False)
class _Lane:
    """The calls for one object."""

    jobs: deque[_Job] = field(default_factory=deque)
    busy: bool = False
    ended: float = float("-inf")  # when its latest call was answered
    entry: int = 0  # the number of its entry in a heap; any other is void
    followers: list[_Lane] = field(default_factory=list)  # whose next call comes after all of this one's

    @property
    def empty(self) -> bool:
        return not self.busy and not self.jobs


class Background:
    """One for each path. Safe to use from several threads."""

    def __init__(self, spacing: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`spacing`: least seconds between the calls for one object that nobody waits for."""
        self._spacing = spacing
        self._clock = clock
        self._lock = threading.RLock()
        # Each wakes only those whom its news concerns: a call of all at each answer costs more than the answers.
        self._wanted = self.condition()  # there is a call to make, or one falls due sooner than any before
        self._flushed = self.condition()
        self._lanes: dict[str, _Lane] = {}
        # Lanes that wait for a thread, by when their next call is due: those where somebody waits for an answer first.
        self._asked: list[tuple[float, int, _Lane]] = []
        self._put: list[tuple[float, int, _Lane]] = []
        self._entries = 0
        self._left = 0  # calls that wait or are being made
        self._tidy_at = MIN_TIDY
        self._threads = self._idle = 0
        self._watched = float("inf")  # an idle thread wakes by itself then
        self._flushing = 0

    def begin(self, url: str, call: Callable[[], T], *, instead_of: object = None) -> Begun[T]:
        """Make the call now, after those that were begun or put for that object before. Its answer is waited for. What
        the owner `instead_of` has put there and was not begun is left out. Raises `Unavailable` where this node has no
        thread for it."""
        begun = Begun(self, call)
        with self._lock:
            lane = self._lanes.setdefault(url, _Lane())
            now = self._clock()
            self._keep(lane, lambda job: job.owner is None or job.owner != instead_of)
            for job in lane.jobs:
                job.due = min(job.due, now)
            made = _Job(self.bound(begun.make), now, answered=begun.answered)
            self._append(lane, made)
            if self._threads == 0:
                self._keep(lane, lambda job: job is not made)
                raise Unavailable(f"{url}: this node can start no thread to ask for it")
        return begun

    def put(
        self, url: str, call: Callable[[], object], *, owner: object, delay: float = 0.0, after: Iterable[str] = ()
    ) -> None:
        """Make the call in `delay` seconds, instead of one by this `owner` that is the last to wait for that object;
        not before everything for the objects `after` is made. What it raises is logged as a bug of ours."""
        with self._lock:
            self._tidy()
            lane = self._lanes.setdefault(url, _Lane())
            now = self._clock()
            spaced = (now if lane.busy else lane.ended) + self._spacing
            job = _Job(self.bound(call), max(now + delay, spaced), owner, tuple(after))
            if lane.jobs and lane.jobs[-1].owner == owner:
                self._left -= 1
                job.due = min(job.due, lane.jobs.pop().due)
            self._append(lane, job)

    def drop(self, url: str) -> None:
        """What was put for that object and not begun is not wanted any more."""
        with self._lock:
            lane = self._lanes.get(url)
            if lane is not None:
                self._keep(lane, lambda job: job.owner is None)
                self._enter(lane)
                self._over(lane)

    def flush(self, seconds: float) -> bool:
        """Make everything now that waits, for at most so many seconds; whether nothing is left."""
        with self._lock:
            self._flushing += 1
            self._wanted.notify_all()
            if self._left > 0 and self._threads == 0:
                self._wake()
        try:
            return self.wait(self._empty, seconds, of=self._flushed)
        finally:
            with self._lock:
                self._flushing -= 1

    def condition(self) -> threading.Condition:
        """Something that can be waited for here."""
        return threading.Condition(self._lock)

    # What a simulation does in its own way.

    def bound(self, call: Callable[[], object]) -> Callable[[], object]:
        """The call, as part of what is done here and now: what it logs is about the same run."""
        context = contextvars.copy_context()
        return lambda: context.run(call)

    def start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="poltergust-background", daemon=True).start()

    def wait(self, ready: Callable[[], bool], seconds: float | None = None, *, of: threading.Condition) -> bool:
        """Until that is so, looked at whenever that condition is notified."""
        with self._lock:
            return of.wait_for(ready, seconds)

    # The lanes.

    def _append(self, lane: _Lane, job: _Job) -> None:
        lane.jobs.append(job)
        self._left += 1
        self._enter(lane)

    def _keep(self, lane: _Lane, wanted: Callable[[_Job], bool]) -> None:
        kept = deque(job for job in lane.jobs if wanted(job))
        self._left -= len(lane.jobs) - len(kept)
        lane.jobs = kept

    def _enter(self, lane: _Lane) -> None:
        """Its next call waits for a thread: once, whatever it waited for before."""
        if lane.busy or not lane.jobs:
            return
        self._entries += 1
        lane.entry = self._entries
        heap = self._asked if any(job.owner is None for job in lane.jobs) else self._put
        heapq.heappush(heap, (lane.jobs[0].due, lane.entry, lane))
        self._wake()

    def _over(self, lane: _Lane) -> None:
        """If nothing is left for that object: who came after it may go on."""
        if lane.empty:
            followers, lane.followers = lane.followers, []
            for each in followers:
                self._enter(each)
        if self._left == 0:
            self._flushed.notify_all()

    def _next(self) -> _Lane | None:
        """The object whose turn it is."""
        now = self._clock()
        for heap in (self._asked, self._put):
            while heap:
                due, entry, lane = heap[0]
                if lane.entry == entry and lane.jobs:
                    if due > now and self._flushing == 0:
                        break
                    before = self._before(lane)
                    if before is None:
                        return lane
                    before.followers.append(lane)
                heapq.heappop(heap)
        return None

    def _is_sooner(self) -> bool:
        """Whether one of those put falls due before any thread wakes by itself."""
        return bool(self._put) and self._put[0][0] < self._watched

    def _before(self, lane: _Lane) -> _Lane | None:
        """One of those after which its next call comes, if anything is left there."""
        found = (self._lanes.get(url) for url in lane.jobs[0].after)
        return next((each for each in found if each is not None and not each.empty), None)

    def _empty(self) -> bool:
        return self._left == 0

    def _tidy(self) -> None:
        """Objects that nothing waits for are forgotten, once their latest call is long enough ago."""
        if len(self._lanes) >= self._tidy_at:
            past = self._clock() - self._spacing
            self._lanes = {url: lane for url, lane in self._lanes.items() if not lane.empty or lane.ended > past}
            self._tidy_at = max(MIN_TIDY, 2 * len(self._lanes))

    # The threads.

    def _wake(self) -> None:
        """Somebody for the next call; who is awake already finds it. Where no further thread can be started, as in a
        container whose tasks have all that it may have, the call is left to those there are, or to come."""
        if self._idle > 0:
            self._wanted.notify()
        elif self._threads < MAX_THREADS:
            self._threads += 1
            try:
                self.start(self._work)
            except RuntimeError as error:
                self._threads -= 1
                log.debug("calls to the storage have %d threads and no more: %s", self._threads, error)

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
            with self._lock:
                lane.busy, lane.ended = False, self._clock()
                self._left -= 1
                if job.answered is not None:
                    job.answered.notify_all()
                self._enter(lane)
                self._over(lane)

    def _take(self) -> tuple[_Lane, _Job] | None:
        """The next call, waited for; None where this thread is not needed."""
        with self._lock:
            while (lane := self._next()) is None:
                if not self._wait_for_next() and self._empty():
                    self._threads -= 1
                    return None
            lane.busy, lane.entry = True, 0
            job = lane.jobs.popleft()
            if self._next() is not None or (self._put and self._idle > 0):  # to be made, or to be watched
                self._wake()
            return lane, job

    def _wait_for_next(self) -> bool:
        """Whether it is worth another look. One thread wakes by itself when the first of those put falls due."""
        watches, due, seconds = self._is_sooner(), float("inf"), IDLE_SECONDS
        if watches:
            self._watched = due = self._put[0][0]
            seconds = min(IDLE_SECONDS, max(0.0, due - self._clock()))
        self._idle += 1
        try:
            return self.wait(lambda: self._next() is not None or self._is_sooner(), seconds, of=self._wanted)
        finally:
            self._idle -= 1
            if watches and self._watched == due:
                self._watched = float("inf")
