"""The scheduler of a simulated world, as the agents' own watches see it: who works, who fell silent, who says what.

Luigi processes speak for themselves while they live and are connected; what they would say of the tasks that nobody has
taken is commanded (`ready`). An agent's look is `WorkerWatch`'s own, made when the world's time passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.luigi_run.notes import NOTE, Note, NoteState
from poltergust.luigi_run.scheduler import HeardWorker, SchedulerClient
from tests.property.parts import SCHEDULER, FakeRun

if TYPE_CHECKING:
    from tests.property.node import Node

EPOCH = 1_600_000_000.0  # the scheduler's clock
LOOK_SECONDS = 5.0
"""Between two looks of each agent: rarer than in earnest, and often enough to see who is silent."""

FORGET_SECONDS = 60.0
"""After which a worker that is silent is not listed any more."""


@dataclass
class _Worker:
    node: Node
    run: FakeRun | None  # None: a note about a process that never started
    started: float
    heard: float
    enabled: bool = True
    note: Note = field(default_factory=Note)

    @property
    def speaks(self) -> bool:
        return self.run is not None and not self.run.ended and self.run in self.node.runs and not self.node.cut


class SimulatedScheduler:
    """What all nodes' clients ask."""

    def __init__(self) -> None:
        self.up = True
        self.ready = 0  # tasks that could run and that nobody has taken
        self._workers: dict[str, _Worker] = {}

    def starts(self, node: Node, run: FakeRun, now: float) -> None:
        self._workers[run.request.worker] = _Worker(node, run, now, now)

    def last_word(self, run: FakeRun) -> None:
        """The supervisor of a killed agent gives back what it ran."""
        worker = self._workers.get(run.request.worker)
        if self.up and worker is not None:
            worker.enabled = False

    def speak(self, now: float) -> None:
        """Every process that is there and can reach the scheduler."""
        if not self.up:
            return
        for worker in self._workers.values():
            if worker.speaks:
                worker.heard = now
                worker.note = Note(NoteState.WORKS, ready=self.ready)
        self._workers = {name: each for name, each in self._workers.items() if now - each.heard <= FORGET_SECONDS}

    def heard(self, now: float) -> tuple[HeardWorker, ...]:
        return tuple(
            HeardWorker(
                name, now - each.heard, EPOCH + each.started, each.enabled, EPOCH + now, root="T__1", note=each.note
            )
            for name, each in self._workers.items()
        )

    def told(self, node: Node, method: str, worker: str, arguments: dict[str, object], now: float) -> None:
        if method == "add_worker":
            info = cast("dict[str, object]", arguments["info"])
            self._workers.setdefault(worker, _Worker(node, None, now, now)).note = Note.of(info[NOTE])
        elif worker in self._workers and method == "disable_worker":
            self._workers[worker].enabled = False
        elif worker in self._workers and method == "ping":
            self._workers[worker].heard = now


class NodeClient(SchedulerClient):
    """A node's way to it."""

    def __init__(self, node: Node) -> None:
        super().__init__(SCHEDULER)
        self._node = node

    def heard(self) -> tuple[HeardWorker, ...]:
        return self._scheduler().heard(self._node.world.hub.now)

    def call(self, method: str, **arguments: object) -> object:
        now = self._node.world.hub.now
        self._scheduler().told(self._node, method, str(arguments.get("worker")), arguments, now)
        return {}

    def _scheduler(self) -> SimulatedScheduler:
        scheduler = self._node.world.scheduler
        if self._node.cut or not scheduler.up:
            raise Temporary(Reason.SCHEDULER_UNREACHABLE, "no answer from the scheduler")
        return scheduler
