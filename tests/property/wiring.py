"""What `assemble.py` does for a real node: the real queue, runner and agent, on simulated time and a watched store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poltergust.base.stopping import Stopping
from poltergust.node.agent import Agent
from poltergust.path.records import Records
from poltergust.path.state import PathState
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
    state = PathState(store, node.path, node.name, str(node.life), clock=now)
    runs = Runs(state.records, node.name, SCHEDULER, now)
    retry_policy = RetryPolicy()
    pipeline = Attempts(
        settings=node.settings,
        scheduler_url=SCHEDULER,
        nonce=state.instance,
        environments=FakeEnvironments(lambda: node.plan, node.rest, node.begins, node.environment_fails),
        locks=None,
        launch=node.launch,
        failure_reset=state.failure_reset,
        records=state.records,
        open_log=lambda config, redact: NoLog(store, "", redact=redact, limit=0),
        stopping=stopping,
        clock=now,
        wait=node.wait,
    )
    runner = LookingRunner(
        node.settings,
        store=lambda url: store,
        records=state.records,
        runs=runs,
        outcomes=state.outcomes,
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
        instance=state.instance,
        scheduler_url=SCHEDULER,
        store=store,
        records=state.records,
        runs=runs,
        runner=runner,
        retry_policy=retry_policy,
        queue=queue,
        sources=(),
        stopping=stopping,
    )
    return Wired(agent, queue, state.records, runs, stopping)
