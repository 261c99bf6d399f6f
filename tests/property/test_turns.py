"""Who starts Luigi, with nodes that come, go, die and cannot: somebody always does, and never many for little.

Each simulated node sees the scheduler's workers through its own real `WorkViews`, at looks of its own, and asks the
real `turn`. The scheduler, its processes and time are commanded; a process takes tasks when it is told to.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from poltergust.luigi_run.notes import Note, NoteState
from poltergust.luigi_run.run_view import WorkViews
from poltergust.luigi_run.scheduler import HeardWorker
from poltergust.luigi_run.worker_watch import GONE_SECONDS
from poltergust.path.liveness import LIVE_SECONDS
from poltergust.runs.first_node import LATE_SECONDS, order, turn

NAME, PART = "nightly", "-0a1b2c3d-"
LOOK_SECONDS = 1.5
NOBODY_SECONDS = 3 * LATE_SECONDS + GONE_SECONDS
"""After which one of eight nodes has begun, whoever of the others is dead: eight is 1 << 3."""


@dataclass
class Process:
    """A Luigi process of a node, as the scheduler knows it. `heard` is when it last spoke."""

    worker: str
    heard: float
    note: Note = field(default_factory=Note)
    enabled: bool = True
    runs: bool = True


class Node:
    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.up = True
        self.died = 0.0
        self.ready_at = now
        self.views = WorkViews()
        self.process: Process | None = None
        self.attempts_left = 2


class Turns(RuleBasedStateMachine):
    @initialize(count=st.integers(1, 8), tasks=st.integers(0, 12), seed=st.randoms(use_true_random=False))
    def begin(self, count: int, tasks: int, seed: object) -> None:
        self.now = 100.0
        self.numbers = itertools.count(1)
        self.nodes = {f"node-{number}": Node(f"node-{number}", self.now) for number in range(count)}
        self.processes: list[Process] = []
        self.left = tasks  # nobody has taken them
        self.taken = 0
        self.starts = 0
        self.calm = True  # nobody died, was slow or could not
        self.nobody_since = self.now

    # What a node does

    def live(self) -> list[str]:
        """By their heartbeats, which outlive a node."""
        return [name for name, node in self.nodes.items() if node.up or self.now - node.died < LIVE_SECONDS]

    def look(self) -> None:
        """Every live node at the scheduler, all at the same moment; each then starts Luigi if it is its turn."""
        looking = [node for node in self.nodes.values() if node.up]
        heard = [
            HeardWorker(each.worker, self.now - each.heard, 0.0, each.enabled, self.now, root="root", note=each.note)
            for each in self.processes
        ]
        for node in looking:
            node.views.update(heard, [PART], self.now)
        for node in looking:
            self.decide(node)

    def decide(self, node: Node) -> None:
        if node.process is not None or node.attempts_left == 0:
            return
        view = node.views.of(PART)
        assert view is not None
        found = turn(node.name, order(self.live(), NAME), view, node.ready_at, self.now)
        if not found.waits_for:
            self.start(node)

    def start(self, node: Node) -> None:
        self.starts += 1
        node.process = Process(f"poltergust-{node.name}-i{PART}{next(self.numbers)}", self.now)
        self.processes.append(node.process)
        if self.calm and self.now - node.ready_at < LATE_SECONDS:
            # Everybody sees the same: one begins, and one joins for each task that nobody has taken.
            assert self.starts <= max(1, self.left + self.taken)

    # What is commanded

    def running(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.up and node.process is not None]

    @rule(seconds=st.sampled_from([LOOK_SECONDS, 4.0, LATE_SECONDS, GONE_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        """Every live node looks as often as it does; live processes speak, and who is silent is taken for dead."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + LOOK_SECONDS)
            for node in self.running():
                assert node.process is not None
                node.process.heard = self.now
            for process in self.processes:
                if self.now - process.heard > GONE_SECONDS:
                    process.enabled = False
            self.look()

    @precondition(lambda self: self.running())
    @rule(which=st.integers(0, 7))
    def announces(self, which: int) -> None:
        """A process says how many tasks it leaves to others, and takes one."""
        node = self.running()[which % len(self.running())]
        assert node.process is not None
        if self.left:
            self.left -= 1
            self.taken += 1
        node.process.note = Note(NoteState.WORKS, ready=self.left)
        for each in self.processes:
            if each.note.state is NoteState.WORKS:
                each.note = replace(each.note, ready=self.left)

    @precondition(lambda self: self.running())
    @rule(which=st.integers(0, 7))
    def cannot(self, which: int) -> None:
        """A process fails for a reason of its node, and the agent says so."""
        node = self.running()[which % len(self.running())]
        assert node.process is not None
        node.process.note, node.process, self.calm = Note(NoteState.CANNOT), None, False
        node.attempts_left -= 1

    @rule(which=st.integers(0, 7))
    def dies(self, which: int) -> None:
        node = list(self.nodes.values())[which % len(self.nodes)]
        if node.up and sum(each.up for each in self.nodes.values()) > 1:
            node.up, node.died, node.process, self.calm = False, self.now, None, False

    @rule(which=st.integers(0, 7))
    def comes_back(self, which: int) -> None:
        """With a new life of its agent, which has seen nothing yet."""
        name = list(self.nodes)[which % len(self.nodes)]
        if not self.nodes[name].up:
            self.nodes[name] = Node(name, self.now)
            self.calm = False

    # What holds

    @invariant()
    def somebody_always_begins(self) -> None:
        if not hasattr(self, "nodes"):
            return
        able = [node for node in self.nodes.values() if node.up and node.attempts_left]
        if self.running() or not able:
            self.nobody_since = self.now
        since = max([self.nobody_since, *(node.ready_at for node in able)])
        assert self.now - since <= NOBODY_SECONDS, "nobody begins"

    def teardown(self) -> None:
        """Tasks that nobody has taken bring every node that can to the work; then it is done."""
        if not hasattr(self, "nodes") or not any(node.attempts_left for node in self.nodes.values() if node.up):
            return
        self.time_passes(NOBODY_SECONDS)
        assert self.running()
        for each in self.running():
            assert each.process is not None
            each.process.note = Note(NoteState.WORKS, ready=len(self.nodes))
        self.time_passes(4 * LOOK_SECONDS)
        able = {node.name for node in self.nodes.values() if node.up and node.attempts_left}
        assert {node.name for node in self.running()} >= able


TestTurns = Turns.TestCase
