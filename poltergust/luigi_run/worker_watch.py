"""Who works, by the scheduler's clock: speak for this node's Luigi processes, and take over from those that are gone.

Luigi's worker pings each second from a thread, which a task that holds the interpreter lock keeps from running, so the
agent pings for a worker that fell silent while its process lives. A worker of which nobody hears is on a machine that
is gone: what it ran goes back, and the scheduler is told to listen to it no more. Whoever finds its own worker so
treated was silent for too long, and stops its run.

None of this needs a setting of the scheduler. Only runs that this node works on or waits for are looked at; with none
there is no question to the scheduler at all. What is seen of them is kept for whoever decides whether this node works
on one, too (`views`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from poltergust.base.errors import Temporary
from poltergust.base.loops import Loop
from poltergust.luigi_run.give_back import give_back
from poltergust.luigi_run.notes import NOTE, Note
from poltergust.luigi_run.run_view import WorkView, WorkViews, run_of, works
from poltergust.luigi_run.scheduler import HeardWorker, SchedulerClient

log = logging.getLogger(__name__)

LOOK_SECONDS, MAX_LOOK_SECONDS, SUSPECTING_LOOK_SECONDS = 1.5, 3.0, 0.5
"""Between two looks of few nodes, of many, and while somebody is suspected."""

LOOKS_PER_SECOND = 16.0
"""Of all nodes that work on something together, as long as that is not too rare for each."""

MAX_LOOK_SHARE = 0.1
"""Of the time, for looks while another node is about to say what there is to do."""

SPEAK_SECONDS = 4.5
"""After so long a silence of its worker an agent speaks for it. A process that joined others speaks every 3 s. With the
time between two looks it has to be well before the others suspect it."""

SILENT_SECONDS = 9.0
"""After so long a silence a worker is suspected. With the looks it takes to be sure, and the scheduler's time in whole
seconds, it is gone after 10 to 15."""

GONE_SECONDS = 15.0
"""An agent that was not let to look for so long stood still, and has been taken for gone by the others."""

FIRST_LOOKS, OTHER_LOOKS = 2, 4
"""Looks in a row after which a silent worker is gone: for the node whose worker has the smallest id, so that usually
only one takes over, and for all others."""

SETTLE_SECONDS = 5.0
"""A scheduler that did not answer, or slowly, has not heard of the living either: for so long nobody is suspected."""

SLOW_SECONDS = 2.0
"""An answer that took longer says little about who is silent."""


class WatchedProcess(Protocol):
    """A Luigi process of this node."""

    def lives(self) -> bool:
        """Whether it is there, and not stopped by a signal."""
        ...

    def lost(self, why: str) -> None:
        """The other nodes have its tasks: end it at once."""
        ...


@dataclass
class _Own:
    process: WatchedProcess
    started: float | None = None  # when the scheduler first heard of it, by its own clock


def boot_time() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class WorkerWatch:
    """`work` says which runs matter, as parts of worker ids, with the budget of their tasks; it may be called at any
    time. `freed(part)` is called when such a run has lost a worker, so that tasks of it may run again. `looked()` is
    called after each look; it says in how many seconds the next one should follow, infinity if there is no hurry."""

    def __init__(
        self,
        client: SchedulerClient,
        work: Callable[[], Mapping[str, int]],
        freed: Callable[[str], None],
        *,
        looked: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._looked = looked
        self._views = WorkViews()
        self._took = 0.0  # seconds, the latest look
        self._client = client
        self._work = work
        self._freed = freed
        self._clock = clock
        self._lock = threading.Lock()
        self._own: dict[str, _Own] = {}
        self._ours: set[str] = set()  # those that were our own and that the scheduler may still list
        self._suspects: dict[str, int] = {}  # looks in a row
        self._working: dict[str, frozenset[str]] = {}  # by run, the workers that could be given tasks at the last look
        self._answers_since: float | None = None
        self._heard_at = 0.0  # of the last good look, by the scheduler's clock
        self._turned = self._clock()
        self._loop = Loop("worker-watch", self._turn)

    def start(self) -> None:
        self._loop.start(LOOK_SECONDS)

    def stop(self) -> None:
        """A question under way is left behind: its thread ends with it."""
        self._loop.request_stop()

    def add(self, worker: str, process: WatchedProcess) -> None:
        """Speak for that worker until `remove`."""
        with self._lock:
            self._own[worker] = _Own(process)
            self._ours.add(worker)

    def remove(self, worker: str) -> None:
        with self._lock:
            self._own.pop(worker, None)

    def view(self, part: str) -> WorkView | None:
        """What the latest look showed of that run; None if there was none yet, and then one follows at once."""
        view = self._views.of(part)
        if view is None:
            self._loop.wake()
        return view

    def now(self) -> float:
        """By the clock of the views."""
        return self._clock()

    def tell(self, worker_id: str, note: Note) -> None:
        """The other nodes see that note on the worker from their next look on, whether or not it ever started. Lost
        where the scheduler does not answer."""
        try:
            self._client.call("add_worker", worker=worker_id, info={NOTE: note.content()})
        except Temporary as error:
            log.debug("cannot tell the other nodes of %s: %s", worker_id, error)

    def _turn(self) -> float:
        stood_still = self._clock() - self._turned > GONE_SECONDS  # the machine was paused, or all that runs on it
        if stood_still:
            self._answers_since = None
            self._suspects.clear()
        work = self._work()
        heard = self._look() if work else {}
        if heard:
            with self._lock:
                own = dict(self._own)
            self._look_after(own, heard, stood_still)
            self._take_over(own, heard, work)
            self._notice_ends(heard, work)
        elif not work:
            self._answers_since = None
        hurried = math.inf
        if self._answers_since is not None:
            self._views.update(heard.values(), work, self._clock())
            hurried = max(self._looked(), self._took / MAX_LOOK_SHARE)
        self._turned = self._clock()
        usual = min(MAX_LOOK_SECONDS, max(LOOK_SECONDS, len(heard) / LOOKS_PER_SECOND))
        return min(hurried, SUSPECTING_LOOK_SECONDS if self._suspects else usual)

    def _look(self) -> Mapping[str, HeardWorker]:
        begin = self._clock()
        try:
            found = {worker.worker_id: worker for worker in self._client.heard()}
            self._took = self._clock() - begin
            if self._took <= SLOW_SECONDS:
                if self._answers_since is None:
                    self._answers_since = begin
                return found
        except Temporary as error:
            log.debug("cannot see who works: %s", error)
        self._answers_since = None
        self._suspects.clear()
        return {}

    def _look_after(self, own: Mapping[str, _Own], heard: Mapping[str, HeardWorker], stood_still: bool) -> None:
        # A worker that the scheduler knows only since a moment ago was forgotten: because it was silent, if the
        # scheduler remembers others or it was us who stood still, else because the scheduler was started again.
        remembers = stood_still or any(worker.started < self._heard_at for worker in heard.values())
        for worker_id, each in own.items():
            seen = heard.get(worker_id)
            if seen is None:
                continue
            each.started = each.started or seen.started
            forgotten = remembers and seen.started > max(each.started, self._heard_at)
            if not seen.enabled or forgotten:
                each.process.lost("this node was silent for too long; the other nodes have its tasks")
            elif seen.silent > SPEAK_SECONDS and each.process.lives():
                self._speak(worker_id)
        self._heard_at = max(worker.now for worker in heard.values())

    def _speak(self, worker_id: str) -> None:
        try:
            self._client.call("ping", worker=worker_id)
        except Temporary as error:
            log.debug("cannot speak for %s: %s", worker_id, error)

    def _take_over(self, own: Mapping[str, _Own], heard: Mapping[str, HeardWorker], work: Mapping[str, int]) -> None:
        silent = {
            worker_id: whose[1]
            for worker_id, worker in heard.items()
            if worker.silent > SILENT_SECONDS and works(worker) and worker_id not in own
            if (whose := run_of(worker_id)) is not None and whose[1] in work
        }
        self._suspects = {worker_id: self._suspects.get(worker_id, 0) + 1 for worker_id in silent}
        if self._answers_since is None or self._clock() - self._answers_since < SETTLE_SECONDS:
            return
        speaking = [worker_id for worker_id, worker in heard.items() if worker.silent <= SILENT_SECONDS]
        looks = FIRST_LOOKS if min(speaking, default="") in own else OTHER_LOOKS
        for worker_id, part in silent.items():
            if self._suspects[worker_id] >= looks:
                del self._suspects[worker_id]
                self._take_from(worker_id, part, work[part])

    def _notice_ends(self, heard: Mapping[str, HeardWorker], work: Mapping[str, int]) -> None:
        """Whoever waits for others is told as soon as one of them has ended: it may have left something to do."""
        with self._lock:
            self._ours = {worker_id for worker_id in self._ours if worker_id in heard or worker_id in self._own}
            ours = frozenset(self._ours)
        working: dict[str, set[str]] = {part: set() for part in work}
        for worker_id, worker in heard.items():
            whose = run_of(worker_id) if works(worker) and worker_id not in ours else None
            if whose is not None and whose[1] in working:
                working[whose[1]].add(worker_id)
        before, self._working = self._working, {part: frozenset(workers) for part, workers in working.items()}
        for part, workers in self._working.items():
            if before.get(part, workers) - workers:
                self._freed(part)

    def _take_from(self, worker_id: str, part: str, budget: int) -> None:
        tasks = give_back(self._client, worker_id, budget)
        if tasks:
            log.warning("%s is gone; %s can run again", worker_id, ", ".join(tasks))
        else:
            log.info("%s is gone; it ran nothing", worker_id)
        self._freed(part)
