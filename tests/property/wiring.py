"""The parts of a simulated node, for the same wiring that a real node has: simulated time and a watched store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from poltergust.base.clock import Clock
from poltergust.base.stopping import Stopping
from poltergust.luigi_run.worker_watch import WorkerWatch
from poltergust.node.agent import Agent
from poltergust.node.wiring import Parts, wire
from poltergust.path.background import Background
from poltergust.runs.context import RunObserver, SharedScheduler
from poltergust.stores import Blob, NotFound
from poltergust.workqueue import Item, WorkQueue
from tests.emulators.memory import MemoryStore
from tests.property.hub import SimulatedClock, Task
from tests.property.parts import SCHEDULER, FakeEnvironments, QuietState

if TYPE_CHECKING:
    from poltergust.path.outcome import RenameResult
    from poltergust.runs.run import Run, Verdict
    from tests.property.node import Node


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


class NodeBackground(Background):
    """Its threads are tasks of the node, which die with it and are told to go on one call at a time."""

    def __init__(self, node: Node) -> None:
        super().__init__(clock=lambda: node.world.hub.now)
        self._node = node

    def bound(self, call: Callable[[], object]) -> Callable[[], object]:
        asking = self._node.world.hub.current
        generation = None if asking is None else asking.generation

        def whole() -> None:
            self._node.task().generation = generation
            call()

        return whole

    def start(self, work: Callable[[], None]) -> None:
        self._node.world.hub.spawn(self._node, work)

    def wait(self, ready: Callable[[], bool], seconds: float | None = None, *, of: threading.Condition) -> bool:
        """No time passes: who would wait for some seconds waits until nothing is left."""
        self._node.world.hub.pause(ready if seconds is None else lambda: ready() or self._empty())
        return ready()


class NodeState(QuietState):
    def __init__(self, node: Node, store: NodeStore, clock: Clock) -> None:
        super().__init__(store, node.path, node.name, str(node.life), clock=clock.monotonic)
        object.__setattr__(self, "background", NodeBackground(node))


class NodeQueue(WorkQueue):
    """Notes on each task whether it reconciles a name, from `get` to `done` or `retry`."""

    def __init__(self, clock: Clock, task: Callable[[], Task]) -> None:
        super().__init__(clock)
        self._task = task

    def get(self, timeout: float | None = None) -> Item | None:
        item = super().get(timeout)
        if item is not None:
            task = self._task()
            task.generation = task.attempt = None
            task.reconciling = True
        return item

    def done(self, item: Item) -> None:
        self._ends()
        super().done(item)

    def retry(self, item: Item, delay: float) -> None:
        self._ends()
        super().retry(item, delay)

    def _ends(self) -> None:
        task = self._task()
        task.reconciling, task.attempt = False, None


class NodeObserver(RunObserver):
    def __init__(self, node: Node) -> None:
        self._node = node

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        self._node.renamed(run, verdict, result)


def new_agent(node: Node, stopping: Stopping) -> tuple[Agent, WorkQueue, WorkerWatch | None]:
    """A new life, whose parts call the node's hooks. Where no node looks at the scheduler there is no watch."""
    store = NodeStore(node)
    clock = SimulatedClock(node.world.hub, node.offset, lambda: bool(len(queue)) or queue.stopped)
    queue = NodeQueue(clock, node.task)
    watch = None
    if node.world.turns:
        watch = WorkerWatch(
            node.client,
            work=lambda: agent.shared_work(),
            freed=lambda part: agent.tasks_freed(part),
            looked=lambda: agent.look_at_waiting(),
            clock=lambda: node.world.hub.now,
        )
    parts = Parts(
        state=NodeState(node, store, clock),
        store_of=lambda url: store,
        scheduler=SharedScheduler(SCHEDULER, SCHEDULER, node.graph_status, watch=watch),
        environments=FakeEnvironments(lambda: node.plan, node.rest, node.begins, node.environment_fails),
        launch=node.launch,
        observer=NodeObserver(node),
        queue=queue,
        clock=clock,
        wait=node.wait,
    )
    agent = wire(node.settings, stopping, parts)
    return agent, queue, watch
