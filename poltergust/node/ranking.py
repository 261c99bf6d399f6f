"""The priorities of names that wait: the task files of those that no worker took at once are read for them.

A name says nothing of its priority, and what is handed out at once needs none. So only a node with more configs than
workers reads any, once for each time that a name waits.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from poltergust.base.errors import PoltergustError
from poltergust.base.loops import Loop
from poltergust.documents import MAX_BYTES, parse_task_file
from poltergust.path.layout import Kind
from poltergust.path.state import PathState
from poltergust.workqueue import WorkQueue

WAITED_SECONDS = 0.2
"""How long a name waits before its priority is asked for: free workers are quicker."""


FIRST_SECONDS = 2.0
"""For which a node that starts reads priorities at most, before it takes the first name."""

FIRST_READERS = 8
"""So many at a time then: the storage may be far away."""


class Ranking:
    """A thread that ends when the queue is shut down."""

    def __init__(self, queue: WorkQueue, state: PathState) -> None:
        self._queue = queue
        self._state = state
        self._loop = Loop("ranking", self._turn)

    def rank_waiting(self) -> None:
        """Whatever waits now, before anything is handed out; in this thread, for `FIRST_SECONDS` at most."""
        end = time.monotonic() + FIRST_SECONDS
        names = iter(self._queue.waiting())
        with ThreadPoolExecutor(FIRST_READERS, "poltergust-rank") as readers:
            while time.monotonic() < end and (some := list(itertools.islice(names, FIRST_READERS))):
                for name, priority in zip(some, readers.map(self._priority, some), strict=True):
                    self._queue.rank(name, priority)

    def start(self) -> None:
        self._loop.start()

    def _turn(self) -> float | None:
        name = self._queue.get_unranked(WAITED_SECONDS)
        if name is None:
            return None
        self._queue.rank(name, self._priority(name))
        return 0.0

    def _priority(self, name: str) -> int:
        """0 as well for what cannot be read or is wrong: whoever takes the name finds that out."""
        url = self._state.path.of(name, Kind.CONFIG)
        try:
            return parse_task_file(self._state.store.read(url, limit=MAX_BYTES).data, url).priority
        except PoltergustError:
            return 0
