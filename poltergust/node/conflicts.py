"""A scheduler too many on one path: every task would run twice, so the nodes that came later take no runs.

Who was there first is found out once, when a node starts, by the storage server's clock; those can only go. What is
written beside the path later stops nobody.
"""

from __future__ import annotations

import logging

from poltergust.path.records import NodeRecord, Records, Seen
from poltergust.stores import Denied

log = logging.getLogger(__name__)


class Conflicts:
    """`problem` is one line while conflicting nodes keep this one from taking runs, else empty. `embedded`: this agent
    runs a scheduler of its own, so that any other node conflicts; otherwise those conflict that run one."""

    def __init__(self, records: Records, *, embedded: bool) -> None:
        self._records = records
        self._embedded = embedded
        self._earlier: frozenset[tuple[str, str]] = frozenset()  # the conflicting nodes, by name and instance
        self.problem = ""

    def look_first(self, since: float | None) -> None:
        """Find the nodes that were there before `since`, the server's time of this node's first heartbeat (None: it has
        none, and was there after everybody). Of two that start together the earlier one was first, and the later one
        sees it, because it looks after its own heartbeat. Raises `Unavailable`."""

        def conflicts(other: Seen[NodeRecord]) -> bool:
            began = other.updated if other.record.since is None else other.record.since
            return (self._embedded or other.record.embedded) and (since is None or began < since)

        self._found([seen.record for seen in self._live() if conflicts(seen)])

    def look_again(self) -> None:
        """Find those of them that are still alive. Raises `Unavailable`."""
        self._found([seen.record for seen in self._live() if (seen.record.node, seen.record.instance) in self._earlier])

    def _live(self) -> list[Seen[NodeRecord]]:
        try:
            return self._records.live_nodes()
        except Denied as error:
            log.warning("cannot see which other nodes are alive: %s", error)
            return []

    def _found(self, nodes: list[NodeRecord]) -> None:
        self._earlier = frozenset((other.node, other.instance) for other in nodes)
        problem = self._text(sorted({other.node for other in nodes})) if nodes else ""
        if problem and not self.problem:
            log.error("%s", problem)
        if self.problem and not problem:
            log.info("alone on this path again, taking runs")
        self.problem = problem

    def _text(self, names: list[str]) -> str:
        are, run = ("is", "runs a scheduler of its own") if len(names) == 1 else ("are", "run schedulers of their own")
        whose = "this agent runs a scheduler of its own" if self._embedded else run
        return (
            f"{', '.join(names)} {are} alive on this path too, and {whose}: every task would run twice. Start all "
            "nodes with the same --scheduler-url. Taking nothing until then"
        )
