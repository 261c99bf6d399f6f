"""The outcome table under everything that can happen at once: queue, reconciler and agent of up to three nodes on one
simulated storage, against the referee's model, over generated interleavings of what users, nodes and fate do.

The default run is a slice; POLTERGUST_LONG=1 runs thousands. Both are derandomized: the same code sees the same cases.
POLTERGUST_SEED=number looks elsewhere, and a failure prints the steps that lead to it as a test to paste.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from poltergust.path.records import State
from tests.emulators.memory import Fault
from tests.property.ending import calm, check_stopped, finish
from tests.property.node import Node
from tests.property.parts import ENVIRONMENT, PATH, Plan, Planned
from tests.property.world import World, simulated

LONG = os.environ.get("POLTERGUST_LONG")
SEED = os.environ.get("POLTERGUST_SEED")
EXAMPLES = int(os.environ.get("POLTERGUST_EXAMPLES", "4000" if LONG else "200"))
STEPS = 60

NAMES = st.sampled_from(["a", "sub/b"])
CONTENTS = st.sampled_from(["n: 1", "n: 1", "n: 2", "timeout: 2m", "wrong: key", "nodes: [gpu]"])
ENDS = st.sampled_from(
    [
        Reason.COMPLETE,
        Reason.COMPLETE,
        Reason.EXECUTED_ROOT,
        Reason.TASK_FAILED,
        Reason.TASK_DISABLED,
        Reason.UNKNOWN_TASK,
        Reason.SCHEDULING_FAILED,
        Reason.CHILD_DIED,
        Reason.OTHERS_RUN,
        Reason.DATA_MISSING,
        Reason.SCHEDULER_UNREACHABLE,
        Reason.TASK_RETRY,
    ]
)
WEATHER: list[tuple[str, object]] = [
    *(("plan", plan) for plan in Plan),
    *((service, up) for service in ("environment", "refusing", "runnable", "scheduler", "cut") for up in (True, False)),
    *(("ready", count) for count in (0, 1, 5)),
    *(("records", part) for part in ("", "/nodes/", ".json", ".first", "-by")),
]
WEATHER += [("refusing", True)] * 3
FAULTS: list[tuple[str, Fault]] = [
    *(("move", fault) for fault in Fault),
    *(("write", fault) for fault in Fault),
    ("move", Fault.DENIED),
    ("move", Fault.LOST),
    ("read", Fault.UNAVAILABLE),
    ("read", Fault.DIES),
    ("list", Fault.UNAVAILABLE),
    ("delete", Fault.UNAVAILABLE),
    ("delete", Fault.DIES),
    ("any", Fault.DIES_AFTER),
]
LIES = [(State.FINISHED, "done"), (State.FINISHED, "error"), (State.RETRYING, None)]
SEEDS = st.integers(0, 2**16)
NUMBERS = st.integers(0, 50)


def content(kind: str) -> bytes:
    task = f"environment: {ENVIRONMENT}\ntask:\n  name: T\n  module: m\n"
    return (task + (f"  {kind}\n" if kind.startswith("n:") else f"{kind}\n")).encode()


class Outcomes(RuleBasedStateMachine):
    """Rules are what users, the network, the machines and the tasks do; the checks are the referee's."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.scratch = Path(tempfile.mkdtemp(prefix="poltergust-property-"))
        self.stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)

    @initialize(
        nodes=st.sampled_from([2, 3, 1]),
        turns=st.booleans(),
        last=st.sampled_from([Reason.COMPLETE, Reason.TASK_FAILED, Reason.CHILD_DIED]),
    )
    def begin(self, nodes: int, turns: bool, last: Reason) -> None:
        self.world: World = self.stack.enter_context(simulated(nodes, self.scratch, turns=turns))
        self.last = last
        self.upload("a", "n: 1", at_once=True)

    def node(self, which: int) -> Node:
        return self.world.nodes[which % len(self.world.nodes)]

    # Users

    @rule(name=NAMES, kind=CONTENTS, at_once=st.booleans())
    def upload(self, name: str, kind: str, at_once: bool) -> None:
        self.world.upload(name, content(kind), 120.0 if kind.startswith("timeout") else None)
        if at_once:
            self.deliver_all()

    @precondition(lambda self: self.world.configs() or self.world.outcomes())
    @rule(name=NAMES, what=st.sampled_from(["cancel", "rename back", *Kind]))
    def handle(self, name: str, what: str | Kind) -> None:
        """By hand: rename the config or the error, or delete whatever stands."""
        if what == "cancel":
            self.world.cancel(name)
        elif what == "rename back":
            self.world.rename_back(name)
        elif isinstance(what, Kind):
            self.world.remove(name, what)

    # The network

    @rule()
    def deliver_all(self) -> None:
        for node in self.world.nodes:
            while node.inbox:
                node.hear(node.inbox.pop(0))
        self.world.settle()

    @precondition(lambda self: any(node.inbox for node in self.world.nodes))
    @rule(which=NUMBERS, at=NUMBERS, how=st.sampled_from(["once", "again", "lost"]))
    def deliver(self, which: int, at: int, how: str) -> None:
        """One notification, out of order; perhaps it comes once more later, perhaps never."""
        node = self.node(which)
        if node.inbox:
            url = node.inbox[at % len(node.inbox)]
            if how != "lost":
                node.hear(url)
            if how != "again":
                node.inbox.remove(url)

    @rule(which=NUMBERS, name=NAMES, kind=st.sampled_from([None, *Kind]))
    def scan_or_forgery(self, which: int, name: str, kind: Kind | None) -> None:
        if kind is None:
            self.node(which).scan()
        else:
            self.node(which).hear(PATH.of(name, kind))

    @rule(which=NUMBERS, name=NAMES, lie=st.sampled_from(LIES))
    def plant(self, which: int, name: str, lie: tuple[State, str | None]) -> None:
        """A record of a node, by somebody who is none."""
        self.world.plant(name, self.node(which).name, *lie)

    # Machines and services

    @rule(which=NUMBERS, what=st.sampled_from(["crash", "vanish", "drain", "start", "start", "lose cache"]))
    def machine(self, which: int, what: str) -> None:
        node = self.node(which)
        if what == "crash":
            node.crash([])
        elif what == "vanish":
            node.vanish([])
        elif what == "lose cache":
            node.lose_cache()
        elif what == "drain":
            node.drain()
        elif not node.up:
            node.start()

    @rule(which=NUMBERS, what=st.sampled_from(FAULTS), skip=st.sampled_from([0, 0, 0, 1, 2, 5]))
    def fault(self, which: int, what: tuple[str, Fault], skip: int) -> None:
        self.node(which).faults.append(Planned(*what, skip))

    @rule(which=NUMBERS, what=st.sampled_from(WEATHER))
    def weather(self, which: int, what: tuple[str, object]) -> None:
        """What passes, or does not, around the nodes."""
        subject, value = what
        if subject == "plan" and isinstance(value, Plan):
            self.node(which).plan = value
        elif subject == "environment":
            self.world.set_environment(present=bool(value))
        elif subject == "scheduler":
            self.world.scheduler.up = bool(value)
        elif subject == "ready":
            self.world.scheduler.ready = int(str(value))
        elif subject == "cut":
            self.node(which).cut = bool(value)
        elif subject == "records":
            self.world.delete_records(str(value))
        else:
            setattr(self.world, subject, value)

    # Tasks

    @precondition(lambda self: self.world.runs)
    @rule(which=NUMBERS, reason=ENDS, settle=st.booleans())
    def end(self, which: int, reason: Reason, settle: bool) -> None:
        self.world.end(self.world.runs[which % len(self.world.runs)], reason)
        if settle:
            self.world.settle()

    @precondition(lambda self: len(self.world.runs) > 1)
    @rule(which=NUMBERS, reasons=st.tuples(ENDS, ENDS))
    def end_two(self, which: int, reasons: tuple[Reason, Reason]) -> None:
        for number, reason in enumerate(reasons):
            if self.world.runs:
                self.world.end(self.world.runs[(which + number) % len(self.world.runs)], reason)
                self.world.settle()

    @precondition(lambda self: self.world.runs)
    @rule(which=NUMBERS)
    def clear(self, which: int) -> None:
        self.world.clear(self.world.runs[which % len(self.world.runs)])

    # Who comes first, and time

    @rule(order=SEEDS)
    def settle(self, order: int) -> None:
        self.world.order.seed(order)
        self.world.settle()

    @precondition(lambda self: self.world.hub.runnable())
    @rule(which=NUMBERS, count=st.integers(1, 8))
    def step(self, which: int, count: int) -> None:
        """One thread of one node goes ahead of all others."""
        runnable = self.world.hub.runnable()
        task = runnable[which % len(runnable)]
        for _ in range(count):
            if task in self.world.hub.tasks and task.ready():
                self.world.hub.step(task)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0, 11.0, 61.0, 200.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    # The end

    def check_during_teardown(self) -> None:
        calm(self.world)
        check_stopped(self.world)
        finish(self.world, self.last)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world") and sys.exc_info()[0] is None:  # a failed rule is the finding
                self.check_during_teardown()
        finally:
            self.stack.close()


PROFILE = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=SEED is None,
    database=None,
    phases=[Phase.generate] if os.environ.get("POLTERGUST_NO_SHRINK") else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


def test_whatever_happens_the_table_holds() -> None:
    machine = Outcomes if SEED is None else seed(int(SEED))(Outcomes)
    run_state_machine_as_test(machine, settings=PROFILE)
