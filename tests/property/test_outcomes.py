"""The outcome table under everything that can happen at once: queue, runner and agent of up to three nodes on one
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

from poltergust.names import OUTCOMES, Kind
from poltergust.reasons import Reason
from tests.emulators.memory import Fault
from tests.property.node import Planned
from tests.property.parts import Plan
from tests.property.world import ENVIRONMENT, PATH, World, simulated

LONG = os.environ.get("POLTERGUST_LONG")
SEED = os.environ.get("POLTERGUST_SEED")
EXAMPLES = int(os.environ.get("POLTERGUST_EXAMPLES", "4000" if LONG else "200"))
STEPS = 60

NAMES = st.sampled_from(["a", "sub/b"])
CONTENTS = st.sampled_from(["n: 1", "n: 1", "n: 2", "timeout: 2m", "wrong: key"])
ENDS = st.sampled_from(
    [
        Reason.COMPLETE,
        Reason.COMPLETE,
        Reason.EXECUTED_ROOT,
        Reason.TASK_FAILED,
        Reason.TASK_DISABLED,
        Reason.UNKNOWN_TASK,
        Reason.IMPORT_ERROR,
        Reason.CHILD_DIED,
        Reason.OTHERS_RUN,
        Reason.DATA_MISSING,
        Reason.SCHEDULER_UNREACHABLE,
        Reason.TASK_RETRY,
    ]
)
SEEDS = st.integers(0, 2**16)
NUMBERS = st.integers(0, 50)


def content(kind: str) -> bytes:
    task = f"environment: {ENVIRONMENT}\ntask:\n  name: T\n  module: m\n"
    return (task + (f"  {kind}\n" if kind.startswith("n") else f"{kind}\n")).encode()


class Outcomes(RuleBasedStateMachine):
    """Rules are what users, the network, the machines and the tasks do; the checks are the referee's."""

    examples = 0

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.scratch = Path(tempfile.mkdtemp(prefix="poltergust-property-"))
        self.stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)

    @initialize(nodes=st.integers(1, 3), last=st.sampled_from([Reason.COMPLETE, Reason.TASK_FAILED, Reason.CHILD_DIED]))
    def begin(self, nodes: int, last: Reason) -> None:
        self.world: World = self.stack.enter_context(simulated(nodes, self.scratch))
        self.last = last
        self.upload("a", "n: 1", at_once=True)

    # Users

    @rule(name=NAMES, kind=CONTENTS, at_once=st.booleans())
    def upload(self, name: str, kind: str, at_once: bool) -> None:
        self.world.upload(name, content(kind), 120.0 if kind.startswith("timeout") else None)
        if at_once:
            self.deliver_all()
            self.world.settle()

    @precondition(lambda self: self.world.configs())
    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        self.world.cancel(name)

    @precondition(lambda self: self.world.configs() or self.world.outcomes())
    @rule(name=NAMES, kind=st.sampled_from([Kind.CONFIG, *OUTCOMES]))
    def remove(self, name: str, kind: Kind) -> None:
        self.world.remove(name, kind)

    @precondition(lambda self: any(Kind.ERROR in kinds for kinds in self.world.outcomes().values()))
    @rule(name=NAMES)
    def rename_back(self, name: str) -> None:
        self.world.rename_back(name)

    @rule(present=st.booleans())
    def environment(self, present: bool) -> None:
        self.world.set_environment(present=present)

    @rule(part=st.sampled_from(["", "/nodes/", ".json", ".first", "-by"]))
    def delete_records(self, part: str) -> None:
        self.world.delete_records(part)

    # The network

    @precondition(lambda self: any(node.inbox for node in self.world.nodes))
    @rule()
    def deliver_all(self) -> None:
        for node in self.world.nodes:
            while node.inbox:
                node.hear(node.inbox.pop(0))

    @precondition(lambda self: any(node.inbox for node in self.world.nodes))
    @rule(which=NUMBERS, at=NUMBERS, again=st.booleans())
    def deliver(self, which: int, at: int, again: bool) -> None:
        """One notification, out of order; perhaps it comes once more later."""
        node = self.world.nodes[which % len(self.world.nodes)]
        if node.inbox:
            url = node.inbox[at % len(node.inbox)]
            node.hear(url)
            if not again:
                node.inbox.remove(url)

    @precondition(lambda self: any(node.inbox for node in self.world.nodes))
    @rule(which=NUMBERS)
    def lose(self, which: int) -> None:
        self.world.nodes[which % len(self.world.nodes)].inbox.clear()

    @rule(which=NUMBERS, name=NAMES, kind=st.sampled_from(list(Kind)))
    def forge(self, which: int, name: str, kind: Kind) -> None:
        self.world.nodes[which % len(self.world.nodes)].hear(PATH.of(name, kind))

    @rule(which=NUMBERS)
    def scan(self, which: int) -> None:
        self.world.nodes[which % len(self.world.nodes)].scan()

    # Machines

    @precondition(lambda self: any(node.up for node in self.world.nodes))
    @rule(which=NUMBERS)
    def crash(self, which: int) -> None:
        self.world.nodes[which % len(self.world.nodes)].crash([])

    @precondition(lambda self: any(node.up and not node.draining for node in self.world.nodes))
    @rule(which=NUMBERS)
    def drain(self, which: int) -> None:
        self.world.nodes[which % len(self.world.nodes)].drain()

    @precondition(lambda self: not all(node.up for node in self.world.nodes))
    @rule(which=NUMBERS)
    def start(self, which: int) -> None:
        node = self.world.nodes[which % len(self.world.nodes)]
        if not node.up:
            node.start()

    @rule(which=NUMBERS, plan=st.sampled_from(Plan))
    def plan(self, which: int, plan: Plan) -> None:
        self.world.nodes[which % len(self.world.nodes)].plan = plan

    @rule(
        which=NUMBERS,
        operation=st.sampled_from(["any", "move", "move", "write", "read", "delete", "list"]),
        fault=st.sampled_from(Fault),
        skip=st.integers(0, 3),
    )
    def fault(self, which: int, operation: str, fault: Fault, skip: int) -> None:
        self.world.nodes[which % len(self.world.nodes)].faults.append(Planned(operation, fault, skip))

    @rule(refusing=st.booleans())
    def refuse(self, refusing: bool) -> None:
        self.world.refusing = refusing

    @rule(runnable=st.booleans(), down=st.booleans())
    def scheduler(self, runnable: bool, down: bool) -> None:
        self.world.runnable, self.world.scheduler_down = runnable, down

    # Tasks

    @precondition(lambda self: self.world.runs)
    @rule(which=NUMBERS, reason=ENDS)
    def end(self, which: int, reason: Reason) -> None:
        self.world.end(self.world.runs[which % len(self.world.runs)], reason)

    @precondition(lambda self: self.world.runs)
    @rule(which=NUMBERS, reason=ENDS)
    def end_and_settle(self, which: int, reason: Reason) -> None:
        self.world.end(self.world.runs[which % len(self.world.runs)], reason)
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
        if runnable:
            task = runnable[which % len(runnable)]
            for _ in range(count):
                if task in self.world.hub.tasks and task.ready():
                    self.world.hub.step(task)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0, 11.0, 61.0, 200.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    # The end

    def check_during_teardown(self) -> None:
        self.world.calm()
        self.world.check_stopped()
        self.world.finish(self.last)

    def teardown(self) -> None:
        Outcomes.examples += 1
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
    run_state_machine_as_test(machine, settings=PROFILE)  # type: ignore[no-untyped-call]
