"""One simulated node: the real agent, queue and reconciler, on simulated time, a watched store, commanded processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus, Request
from poltergust.node.settings import Settings
from poltergust.path.layout import Kind
from poltergust.path.outcome import RenameResult
from poltergust.runs.run import Run, Verdict
from poltergust.runs.settings import RunSettings
from poltergust.stores import StoreError
from tests.emulators.memory import Call, Died, Fault
from tests.property.hub import Task
from tests.property.parts import PATH, RETRIES, SCHEDULER, FakeRun, Plan, Planned
from tests.property.scheduler import NodeClient
from tests.property.wiring import new_agent

if TYPE_CHECKING:
    from tests.property.world import World

WORKERS = 2


class Node:
    """Up or down; each time it comes up it is a new life of the same agent."""

    def __init__(self, world: World, name: str, scratch: Path, offset: float, labels: tuple[str, ...] = ()) -> None:
        self.world, self.name, self.offset, self.labels = world, name, offset, labels
        self.path = PATH
        runs = RunSettings(retries=RETRIES, labels=labels)
        self.settings = Settings(PATH, name, SCHEDULER, runs=runs, cache=scratch)
        self.life = 0
        self.up = self.draining = False
        self.cut = False  # off the scheduler, with all its processes
        self.plan = Plan.READY
        self.faults: list[Planned] = []
        self.held: set[str] = set()  # operations that wait until the test lets them go on
        self.inbox: list[str] = []  # notifications under way to it
        self.notified: dict[str, int] = {}  # name to the step of its last notification, or scan
        self.read_configs: dict[str, int] = {}  # name to the step in which it last asked for the config
        self.runs: list[FakeRun] = []
        self.ran: dict[str, int] = {}  # name to the generation it last set out to run
        self.visible_since: int | None = None  # the step since when its heartbeat says that it takes runs

    # Its life

    def start(self) -> None:
        world = self.world
        self.life += 1
        self.up, self.draining = True, False
        self.notified, self.runs, self.inbox, self.ran = {}, [], [], {}
        world.referee.restarts(self.name)
        self.stopping = Stopping()
        self.client = NodeClient(self)
        self.agent, self.queue, self.watch = new_agent(self, self.stopping)
        self.records = self.agent.context.state.records
        self.visible_since = None
        self.beat()
        for _ in range(WORKERS):
            world.hub.spawn(self, self.agent.workers.work)
        self.scan()

    def crash(self, already_dead: list[Task]) -> None:
        """SIGKILL. What it ran is gone with it, and its supervisors say so at the scheduler."""
        if not self.up:
            return
        if not self.cut:
            for run in self.runs:
                self.world.scheduler.last_word(run)
        self.vanish(already_dead)

    def vanish(self, already_dead: list[Task]) -> None:
        """The machine is gone, with everything that could say so."""
        if not self.up:
            return
        self.up = False
        self.visible_since = None
        mine = [task for task in self.world.hub.tasks if task.owner is self]
        for task in mine + already_dead:
            reconciled = task.generation if task.reconciling else None
            self.world.referee.died(self.name, task.attempt, reconciled, self._tick())
            if task.generation is not None:
                self.world.referee.turmoil.add(self.world.referee.uploads[task.generation].name)
        self.world.referee.restarts(self.name)
        self.world.hub.end_of(self)
        self._drop_runs()

    def lose_cache(self) -> None:
        """SIGKILL, and it comes back on a new disk."""
        self.crash([])
        self.settings.journal.unlink(missing_ok=True)
        self.world.referee.loses_cache(self.name)

    def drain(self) -> None:
        """SIGTERM."""
        if self.up and not self.draining:
            self.draining = True
            self.visible_since = None
            self.stopping.request_drain()
            self.queue.shutdown()
            self.beat()

    def is_down_if_drained(self) -> None:
        if self.up and self.draining and not any(task.owner is self for task in self.world.hub.tasks):
            self.records.drop_node()
            self.up = False
            self._drop_runs()

    def _drop_runs(self) -> None:
        for run in self.runs:
            if run in self.world.runs:
                self.world.runs.remove(run)
        self.runs = []

    def beat(self) -> None:
        if self.up:
            self.records.save_node(self.agent.description.node_record())
            if self.visible_since is None and not self.draining:
                self.visible_since = self._tick()

    # What it hears

    def hear(self, url: str) -> None:
        if self.up:
            self.agent.changed(url)
            name = self.path.name_of(url)
            if name is not None and not self.draining:
                self.notified[name] = self._tick()

    def scan(self) -> None:
        if self.up and not self.draining:
            self.world.hub.spawn(self, self._scan)

    def _scan(self) -> None:
        try:
            for url in self.agent.list_configs():
                self.hear(url)
        except StoreError:
            pass  # the real scan tries again later, and so will this test

    def look(self) -> None:
        """At the scheduler."""
        if self.up and self.watch is not None:
            self.watch._turn()

    def check_awake(self) -> None:
        """At rest: every name it was notified of it has reconciled since, or will."""
        if not self.up or self.draining or self.held:
            return
        to_come = {*self.queue.waiting(), *self.queue.delayed()}
        # While a process is being stopped nobody reconciles; the name comes back when it has ended.
        busy = [run.generation for run in self.runs if run.stopped]
        # While an environment is built somebody asks twice a second.
        busy += [
            task.generation for task in self.world.hub.tasks if task.owner is self and task.resting and task.generation
        ]
        to_come |= {self.world.referee.uploads[generation].name for generation in busy}
        for name, notified in self.notified.items():
            reconciled = self.read_configs.get(name, -1) > notified or name in to_come
            assert reconciled, f"{self.name} was notified of {name} and will not reconcile it"

    def runs_known(self) -> bool:
        return self.up and bool(self.queue.processing() or self._runs_pending())

    def _runs_pending(self) -> bool:
        return any(run.verdict is not None for run in self.agent.runs.all())

    # Its parts' hooks

    def gate(self, call: Call) -> Fault | None:
        """Every call to the storage: others may go first, and something may go wrong."""
        task = self.world.hub.current
        if task is None:
            return None
        self.world.hub.pause(lambda: call.operation not in self.held)
        if not self.up:
            raise Died
        if call.operation == "read" and call.url.startswith(self.path.prefix):
            name = self.path.name_of(call.url)
            if name is not None:
                self.read_configs[name] = self._tick()
        fault = self._fault(call)
        if fault is not None:
            self._suffers(call, fault, task)
        return fault

    def _fault(self, call: Call) -> Fault | None:
        if call.operation == "move" and self.world.refusing:
            return Fault.DENIED
        for planned in self.faults:
            if planned.operation in ("any", call.operation) and planned.part in call.url:
                if planned.skip:
                    planned.skip -= 1
                    return None
                self.faults.remove(planned)
                return planned.fault
        return None

    def _suffers(self, call: Call, fault: Fault, task: Task) -> None:
        if call.operation in ("write", "delete"):
            self.world.record_lost(call.url)
        if task.generation is None:
            return
        upload = self.world.referee.uploads[task.generation]
        self.world.referee.turmoil.add(upload.name)
        if call.operation == "move" and fault is Fault.DENIED and call.url == self.path.of(upload.name, Kind.CONFIG):
            self.world.referee.seen[self.name, task.generation].refused = True

    def has_read(self, url: str, generation: int | None) -> None:
        task = self.world.hub.current
        if task is None:
            return
        now = self.world.hub.now
        name = self.path.name_of(url)
        if name is not None and task.reconciling and task.generation is None:
            # Gone: it may still have to say what came of the one it ran.
            task.generation = self.ran.get(name) if generation is None else generation
            if task.generation is not None:
                self.ran[name] = task.generation
        elif url.startswith("gs://bucket/environment/") and task.generation is not None:
            self.world.referee.environment(self.name, task.generation, found=generation is not None, now=now)

    def begins(self) -> None:
        task = self.task()
        assert task.generation is not None
        self.world.referee.begins(self.name, task.generation)
        task.attempt = task.generation

    def environment_fails(self, reason: Reason) -> None:
        self._report(reason, stopped=False)

    def launch(
        self,
        request: Request,
        *,
        on_end: Callable[[], None],
        on_reset: Callable[[], None] = lambda: None,
        **_rest: object,
    ) -> FakeRun:
        task = self.task()
        assert task.generation is not None
        if request.reset_failures:
            self.world.referee.forgives(self.name, task.generation, self.world.hub.now)
        run = FakeRun(
            request,
            task.generation,
            on_end,
            on_reset,
            lambda run, reason: self._report(reason, stopped=run.stopped),
            self.world.lose,
        )
        self.runs.append(run)
        self.world.runs.append(run)
        self.world.scheduler.starts(self, run, self.world.hub.now)
        if self.watch is not None:
            self.watch.add(request.worker, run)
        return run

    def _report(self, reason: Reason, *, stopped: bool) -> None:
        task = self.task()
        assert task.generation is not None
        upload = self.world.referee.uploads[task.generation]
        config, error = (self.world.stands(upload.name, kind) for kind in (Kind.CONFIG, Kind.ERROR))
        standing = any(version is not None and version.origin == upload.generation for version in (config, error))
        self.world.referee.reports(
            self.name, task.generation, reason, stopped=stopped, step=self._tick(), standing=standing
        )
        if reason.kind is not ReasonKind.NODE or not stopped:
            task.attempt = None

    def graph_status(self, root_task_id: str) -> GraphStatus:
        self.world.hub.pause()
        if self.cut or not self.world.scheduler.up:
            raise Temporary(Reason.SCHEDULER_UNREACHABLE, "no answer from the scheduler")
        return GraphStatus(running=0 if self.world.runnable else 1, runnable=self.world.runnable)

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        if result is RenameResult.WON and verdict.outcome is not None:
            self.world.referee.claims(self.name, int(run.config.generation), verdict.outcome, self.life)

    def wait(self, event: threading.Event, seconds: float) -> None:
        until = self.world.hub.now + seconds
        self.world.hub.pause(lambda: event.is_set() or self.world.hub.now >= until)
        if not self.up:
            raise Died

    def rest(self) -> None:
        until = self.world.hub.now + 0.5
        task = self.task()
        task.resting = True
        self.world.hub.pause(lambda: self.world.hub.now >= until or self.plan is not Plan.SLOW or self.draining)
        task.resting = False

    def task(self) -> Task:
        task = self.world.hub.current
        assert task is not None
        return task

    def _tick(self) -> int:
        self.world.step += 1
        return self.world.step
