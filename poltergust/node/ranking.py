"""The priorities of names that wait: a thread that reads the task files of those that no worker took at once.

A name says nothing of its priority, and what is handed out at once needs none. So only a node with more configs than
workers reads any, once for each time that a name waits.
"""

from __future__ import annotations

from poltergust.base.errors import PoltergustError
from poltergust.base.loops import Loop
from poltergust.documents import MAX_BYTES, parse_task_file
from poltergust.path.layout import Kind
from poltergust.path.state import PathState
from poltergust.workqueue import WorkQueue

WAITED_SECONDS = 0.2
"""How long a name waits before its priority is asked for: free workers are quicker."""


class Ranking:
    """Ends when the queue is shut down."""

    def __init__(self, queue: WorkQueue, state: PathState) -> None:
        self._queue = queue
        self._state = state
        self._loop = Loop("ranking", self._turn)

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
