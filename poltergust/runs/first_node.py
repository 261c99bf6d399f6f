"""Which nodes start Luigi for a run: one first, more as there are tasks for them, others where it does not come.

All eligible nodes make the environment ready. Each then finds out by itself whether it is its turn, from three things
that all of them see: the live nodes, in an order of the config's own (rendezvous hashing: no node is first more often
than others, and one that comes or goes moves nobody else); who works on the run at the scheduler; and the notes that
nodes leave there (`luigi_run/notes.py`). Two that see them differently start a Luigi process too many: it costs little.

Nothing here waits: a node whose turn has not come leaves the run, and is woken by its next look at the scheduler.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.luigi_run.notes import Note, NoteState
from poltergust.luigi_run.run_view import WorkView
from poltergust.luigi_run.worker_watch import LOOKS_PER_SECOND
from poltergust.path.records import NodeRecord
from poltergust.runs.context import RunContext
from poltergust.runs.live_nodes import LiveNodes
from poltergust.runs.run import Run

LATE_SECONDS = 10.0
"""While nobody begins a run, twice as many nodes may after each such time. Sooner than the 15 s after which a silent
machine counts as gone: with the time between two looks it takes no longer."""

NEW_SECONDS = 5.0
"""For so long after its environment is ready a run that waits is looked at often."""

MIN_LOOK_SECONDS = 0.25
"""Between two looks at a run that is looked at often. All nodes together make no more than `LOOKS_PER_SECOND`: fifty
that look as often as eight keep the scheduler from hearing what they look for."""

MAX_DOUBLINGS = 16


def order(nodes: Iterable[str], name: str) -> list[str]:
    """The nodes in the order in which they begin the runs of that name: the same on each of them, and for the next
    generation, whose environment and inputs are likely to be near."""

    def weight(node: str) -> bytes:
        return hashlib.sha256(f"{node}\0{name}".encode()).digest()

    return sorted(nodes, key=weight)


@dataclass(frozen=True)
class Turn:
    """Whether this node may start Luigi now: `waits_for` says in one line what has to come first, empty if it may.
    `joins`: others work on it, and this node announces to the scheduler only what it needs. `root`: the id of the
    root task, where others work on it."""

    waits_for: str = ""
    root: str = ""
    joins: bool = False


def turn(node: str, nodes: list[str], view: WorkView, ready_at: float, now: float) -> Turn:
    """The turn of `node` among `nodes` (in order, itself included). It is ready since `ready_at`; `view` is what it
    sees of the run at `now`, all by one clock."""
    if view.working - {node}:
        return _turn_to_join(node, nodes, view, now - max(view.wanted_since, ready_at))
    return _turn_to_begin(node, nodes, view, now - max(view.silent_since, ready_at))


def _turn_to_join(node: str, nodes: list[str], view: WorkView, wanted_for: float) -> Turn:
    rested = [each for each in nodes if each == node or each not in view.working]  # its own worker has ended
    candidates = sorted(rested, key=view.failed.__contains__)  # in order, those that failed last
    if candidates.index(node) < _doubled(view.wanted, wanted_for):
        return Turn(joins=True)
    text = f"{_named(sorted(view.working))} at work on it, with no task left for this node"
    return Turn(text, joins=True, root=view.root)


def _turn_to_begin(node: str, nodes: list[str], view: WorkView, late: float) -> Turn:
    """`late` is less than 0 where the next look for external data is not due."""
    candidates = [each for each in nodes if each == node or each not in view.failed]
    place = candidates.index(node)
    if place == 0 or (late >= 0 and place < _doubled(1, late, len(view.failed - {node}))):
        return Turn()
    return Turn(f"{candidates[0]} {'looks for its data' if late < 0 else 'begins it'}")


def _doubled(count: int, seconds: float, more: int = 0) -> int:
    times = more + max(0, int(seconds // LATE_SECONDS))
    return count << min(times, MAX_DOUBLINGS)


def _named(nodes: list[str]) -> str:
    named = ", ".join(nodes[:3])
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    return f"{named}{more} {'is' if len(nodes) == 1 else 'are'}"


class Turns:
    """Of one node. Usable from any thread."""

    def __init__(self, context: RunContext) -> None:
        self._node, self._instance = context.node, context.state.instance
        self._watch = context.scheduler.watch
        self.live_nodes = LiveNodes(context.state, context.clock)
        self.waits = True  # False: a polling pass, which is over before its turn comes, and starts what there is

    def of(self, run: Run) -> Turn:
        """For a run whose environment is ready here. One that failed here is tried again as often as it may, whoever
        else is at it. Raises `Unavailable`."""
        if self._watch is None:
            return Turn()
        if not self.waits:
            return Turn()
        if run.ready_at is None:
            run.ready_at = self._watch.now()
        found = self._of(run, self.live_nodes.ask())
        return replace(found, waits_for="") if run.record.attempts > 1 else found

    def is_first(self, run: Run) -> bool:
        """Whether it is certain that this node begins the run. Asks nobody."""
        if self._watch is None:
            return True
        return self.live_nodes.fresh() and self._order(run, self.live_nodes.known())[0] == self._node

    def has_come(self, run: Run) -> bool:
        """Whether it is worth while to ask `of` about a run that waits. Asks nobody."""
        if self._watch is None or run.ready_at is None:
            return False
        return self._watch.now() >= run.rests_until and not self._of(run, self.live_nodes.known()).waits_for

    def is_about_to_come(self, run: Run) -> bool:
        """Whether a run that waits is so new that the node which begins it may say any moment what there is to do."""
        return self._watch is not None and run.ready_at is not None and self._watch.now() - run.ready_at < NEW_SECONDS

    def hurried_look_seconds(self) -> float:
        """Between two looks while a turn is about to come."""
        return max(MIN_LOOK_SECONDS, (1 + len(self.live_nodes.known())) / LOOKS_PER_SECOND)

    def stopped(self, run: Run, reason: Reason, again: float | None) -> None:
        """Tell the other nodes, if there may be any, what became of the run here. This node reconciles it `again` after
        so many seconds, and until then its turn does not come."""
        if self._watch is None:
            return
        if reason.kind is ReasonKind.NODE or reason is Reason.DRAINED:
            self._tell(run, Note(NoteState.CANNOT))
        elif run.in_luigi and reason.kind in (ReasonKind.WAITING, ReasonKind.TRANSIENT):
            run.rests_until = self._watch.now() + (again or 0.0)
            self._tell(run, Note(NoteState.ENDED, again=again if reason is Reason.DATA_MISSING else None))

    def _tell(self, run: Run, note: Note) -> None:
        assert self._watch is not None
        if self.live_nodes.known():
            self._watch.tell(run.worker_id(self._node, self._instance), note)

    def _of(self, run: Run, live: tuple[NodeRecord, ...]) -> Turn:
        assert self._watch is not None
        assert run.ready_at is not None
        nodes = self._order(run, live)
        if nodes == [self._node]:
            return Turn()
        now = self._watch.now()
        view = self._watch.view(run.worker_part) or WorkView(silent_since=now)
        found = turn(self._node, nodes, view, run.ready_at, now)
        if found.joins and not found.waits_for and now < run.rests_until:
            return replace(found, waits_for="others are at work on it, and had no task for this node just now")
        return found

    def _order(self, run: Run, live: tuple[NodeRecord, ...]) -> list[str]:
        """The nodes that could work on it, this one included. Made once for the same nodes: thousands of runs may wait,
        and all are asked about at each look at the scheduler."""
        made_of, found = run.order
        if made_of is not live:
            others = [node.node for node in live if run.may_run_on(node)]
            found = order([self._node, *others], run.name)
            run.order = (live, found)
        return found
