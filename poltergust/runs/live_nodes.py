"""The other live nodes of the path, asked for once for many runs: their names, and which runs they may take."""

from __future__ import annotations

from poltergust.base.clock import Clock
from poltergust.path.background import Begun
from poltergust.path.records import NodeRecord
from poltergust.path.state import PathState

FRESH_SECONDS = 10.0
"""For so long an answer serves all who ask. Heartbeats are a minute apart."""


class LiveNodes:
    """Safe to use from several threads. Two that ask at the same time get the same answer: their questions are in one
    lane of the path's background."""

    def __init__(self, state: PathState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._known: tuple[NodeRecord, ...] = ()
        self._asked: float | None = None  # monotonic seconds

    def begin(self, max_age: float = FRESH_SECONDS) -> Begun[tuple[NodeRecord, ...]]:
        """`ask`, without waiting for the answer yet."""
        return self._state.background.begin(self._state.path.nodes, lambda: self._answer(max_age))

    def ask(self, max_age: float = FRESH_SECONDS) -> tuple[NodeRecord, ...]:
        """At most so many seconds old; 0.0: as they are now. Raises `Unavailable`."""
        return self._known if self._is_younger(max_age) else self.begin(max_age).result()

    def fresh(self) -> bool:
        """Whether `ask` would give the latest answer once more, and ask nobody."""
        return self._is_younger(FRESH_SECONDS)

    def known(self) -> tuple[NodeRecord, ...]:
        """The latest answer, however old it is: the same value as before while it says the same of who may run what."""
        return self._known

    def _answer(self, max_age: float) -> tuple[NodeRecord, ...]:
        if not self._is_younger(max_age):
            now = self._clock.monotonic()
            found = tuple(seen.record for seen in self._state.records.live_nodes())
            if list(map(_eligibility, found)) != list(map(_eligibility, self._known)):
                self._known = found
            self._asked = now
        return self._known

    def _is_younger(self, max_age: float) -> bool:
        return self._asked is not None and self._clock.monotonic() - self._asked < max_age


def _eligibility(node: NodeRecord) -> tuple[str, bool, tuple[str, ...]]:
    return node.node, node.taking, node.labels
