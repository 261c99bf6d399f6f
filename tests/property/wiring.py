"""What `assemble.py` does for a real node: the real queue, runner and agent, on simulated time and a watched store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poltergust.base.stopping import Stopping
from poltergust.node.agent import Agent
from poltergust.path.marks import FailureReset
from poltergust.path.outcome import Outcomes
from poltergust.path.records import Records
from poltergust.runs.attempt import Attempts
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import RetryPolicy
from poltergust.runs.run import Runs
from poltergust.stores import Blob, NotFound
from poltergust.workqueue import Item, WorkQueue
from tests.emulators.memory import Died, MemoryStore
from tests.property.hub import SimulatedClock, Task
from tests.property.parts import SCHEDULER, FakeEnvironments, NoLog

if TYPE_CHECKING:
    from tests.property.node import Node


@dataclass(frozen=True)
class Wired:
    """One life of a node."""

    agent: Agent
    queue: WorkQueue
    records: Records
    runs: Runs
    stopping: Stopping


class NodeStore(MemoryStore):
    """A node's way to the storage; tells what it reads."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.world.bucket, node.gate)
        self._node = node

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        try:
            blob = super().read(url, start=start, limit=limit)
        except NotFound:
            self._node.has_read(url, None)
            raise
        self._node.has_read(url, int(blob.generation))
        return blob


class LookingRunner(Reconciler):
    """The runner, and which generation each look set out with."""

    task: Callable[[], Task]

    def look(self, item: Item) -> float | None:
        task = self.task()
        task.generation = task.attempt = None
        task.looking = True
        try:
            return super().look(item)
        except Died:
            task.died_in, task.died_at = task.attempt, task.generation
            raise
        finally:
            task.looking, task.attempt = False, None


def wire(node: Node) -> Wired:
    """A new life, whose parts call the node's hooks."""
    stopping = Stopping()
    store = NodeStore(node)
    clock = SimulatedClock(node.world.hub, node.offset, lambda: bool(len(queue)) or queue.stopped)
    now = clock.monotonic
    queue = WorkQueue(clock)
    records = Records(store, node.path, node.name, clock=now)
    runs = Runs(records, node.name, SCHEDULER, now)
    outcomes = Outcomes(store, node.path, f"{node.name}/{node.life}")
    retry_policy = RetryPolicy()
    pipeline = Attempts(
        settings=node.settings,
        scheduler_url=SCHEDULER,
        nonce=str(node.life),
        environments=FakeEnvironments(lambda: node.plan, node.rest, node.begins, node.environment_fails),
        locks=None,
        launch=node.launch,
        failure_reset=FailureReset(store, node.path, node.name, records.server_time),
        records=records,
        open_log=lambda url, redact: NoLog(store, url, redact=redact, limit=0),
        stopping=stopping,
        clock=now,
        wait=node.wait,
    )
    runner = LookingRunner(
        node.settings,
        store=lambda url: store,
        records=records,
        runs=runs,
        outcomes=outcomes,
        pipeline=pipeline,
        standing=node.standing,
        retry_policy=retry_policy,
        stopping=stopping,
        clock=now,
        on_ending=node.on_ending,
    )
    runner.task = node.task
    agent = Agent(
        node.settings,
        instance=str(node.life),
        scheduler_url=SCHEDULER,
        store=store,
        records=records,
        runs=runs,
        runner=runner,
        retry_policy=retry_policy,
        queue=queue,
        sources=(),
        stopping=stopping,
    )
    return Wired(agent, queue, records, runs, stopping)
