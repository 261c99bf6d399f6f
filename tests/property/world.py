"""One simulated storage, its users, and the nodes that listen to it: real queue, reconciler and agent, simulated time.

What users and fate do are methods here, for the state machine and for the scenarios; what nodes do happens when the
hub is told to go on, and everything they do is shown to the referee.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poltergust.base.reasons import Reason
from poltergust.path.layout import OUTCOMES, Kind
from poltergust.path.records import RunRecord, State
from tests.emulators.memory import Bucket, Version
from tests.property.hub import Hub, Task
from tests.property.node import Node
from tests.property.parts import ENVIRONMENT, PATH, RETRIES, FakeRun
from tests.property.referee import Referee, Upload
from tests.property.scheduler import LOOK_SECONDS, SimulatedScheduler

SERVER_EPOCH = 1_700_000_000.0  # the storage's clock and the nodes' have nothing to do with each other
HEARTBEAT = 60.0
LABEL = "gpu"


class Watched(Bucket):
    """Shows the referee what nodes do to configs and outcomes."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda: SERVER_EPOCH + world.hub.now)
        self._world = world

    def put(self, url: str, data: bytes) -> Version:
        made = super().put(url, data)
        if url.endswith(".first") and b'"done": true' in data:
            self._world.cleared(url)
        return made

    def move(self, source: str, target: str) -> Version:
        self._world.node_renames(source, target)
        made = super().move(source, target)
        self._world.notify(target)
        return made

    def delete(self, url: str) -> None:
        self._world.node_removes(url)
        super().delete(url)


class World:
    """`budget` attempts a node. In a folder of its own in `scratch` the nodes have their caches. `turns`: the nodes
    look at the scheduler, and start Luigi in turn; without, each starts it at once. The first has the label gpu."""

    def __init__(self, nodes: int, scratch: Path, seed: int = 0, *, turns: bool = False) -> None:
        self.hub = Hub()
        self.hub.on_death = self._on_death
        self.order = random.Random(seed)
        self.referee = Referee(RETRIES + 1)
        self.turns = turns
        self.scheduler = SimulatedScheduler()
        self.bucket = Watched(self)
        self.step = 0
        self.refusing = False  # renames are refused
        self.runnable = True  # the scheduler has something to do for a process
        self.runs: list[FakeRun] = []
        cache = Path(tempfile.mkdtemp(dir=scratch))
        self.nodes = [
            Node(self, f"node-{number}", cache, 1000.0 * number, () if number else (LABEL,)) for number in range(nodes)
        ]
        self.referee.labels = {node.name: frozenset(node.labels) for node in self.nodes}
        self.set_environment(present=True)
        for node in self.nodes:
            node.start()

    # Users

    def upload(self, name: str, data: bytes, timeout: float | None = None) -> int:
        url = PATH.of(name, Kind.CONFIG)
        made = self.bucket.put(url, data)
        self.referee.interfered(name)
        nodes = frozenset({LABEL} if f"nodes: [{LABEL}]".encode() in data else ())
        self.referee.uploaded(Upload(name, made.generation, data, self.hub.now, timeout, nodes))
        self.notify(url)
        return made.generation

    def cancel(self, name: str) -> None:
        config = self.bucket.objects.pop(PATH.of(name, Kind.CONFIG), None)
        if config is None:
            return
        self.referee.interfered(name)
        self.referee.turmoil.add(name)  # an older outcome may stand beside it: nobody finishes this run
        target = PATH.of(name, Kind.CANCELLED)
        made = self.bucket.put(target, config.data)
        self.bucket.objects[target] = Version(made.data, made.generation, config.origin, made.updated)
        self.notify(target)

    def remove(self, name: str, kind: Kind) -> None:
        if self.bucket.objects.pop(PATH.of(name, kind), None) is not None:
            self.referee.interfered(name)
            self.referee.turmoil.add(name)

    def rename_back(self, name: str) -> None:
        """The user's own retry: error to config."""
        error = self.bucket.objects.pop(PATH.of(name, Kind.ERROR), None)
        if error is not None:
            timeout = 120.0 if b"timeout: 2m" in error.data else None
            self.upload(name, error.data, timeout)

    def set_environment(self, *, present: bool) -> None:
        if present:
            self.bucket.put(ENVIRONMENT, b"dependencies: []\n")
        else:
            self.bucket.objects.pop(ENVIRONMENT, None)

    def delete_records(self, part: str) -> None:
        """Everything of the nodes' own whose URL holds `part`."""
        for url in [url for url in self.bucket.objects if url.startswith(PATH.state_prefix) and part in url]:
            del self.bucket.objects[url]
            self.record_lost(url)

    def plant(self, name: str, node: str, state: State, outcome: str | None) -> None:
        """Somebody writes what no node knows into a node's record of the config that stands: that it can be no other,
        that all attempts are spent, that its timeout was over long ago."""
        config = self.stands(name, Kind.CONFIG)
        if config is not None:
            lie = RunRecord(name, str(config.generation), node, state, outcome, attempts=100, started=1.0)
            self.bucket.put(PATH.run(name, lie.generation, node), json.dumps(lie.content()).encode())

    def record_lost(self, url: str) -> None:
        """A record, a mark or a heartbeat is gone, or is not what its node meant it to be."""
        if url.startswith(PATH.nodes):
            for node in self.nodes:
                if url == PATH.node(node.name):
                    node.visible_since = None
            return
        for generation, upload in self.referee.uploads.items():
            if not url.startswith(PATH.runs(upload.name, str(generation))):
                continue
            if url.endswith((".first", "-by")):
                self.referee.marks_touched.add(generation)

    def cleared(self, mark: str) -> None:
        """It stands beside the path that the earlier failures of a run are cleared: until then, whoever dies clears
        again."""
        for generation, upload in self.referee.uploads.items():
            if mark.startswith(PATH.runs(upload.name, str(generation))):
                self.referee.forgiven.add(generation)

    # Fate

    def notify(self, url: str) -> None:
        for node in self.nodes:
            node.inbox.append(url)

    def end(self, run: FakeRun, reason: Reason) -> None:
        """A process ends so; what it was asked to clear is cleared by then, unless it died."""
        if run.request.reset_failures and not run.ended and reason.kind.value != "node":
            self.clear(run)
        self.runs.remove(run)
        run.end(reason)

    def lose(self, run: FakeRun) -> None:
        """Its agent finds that the other nodes have its tasks, and ends it."""
        if run in self.runs:
            self.runs.remove(run)
            run.stopped = True
            run.end(Reason.OTHERS_RUN)

    def clear(self, run: FakeRun) -> None:
        """The process has cleared what the scheduler remembers, and says so."""
        node = next(node for node in self.nodes if run in node.runs)
        if run.request.reset_failures and not run.cleared:
            run.cleared = True
            self.hub.spawn(node, run.on_reset)

    def _on_death(self, task: Task) -> None:
        """A fault killed one thread of a node in the middle of a call: its process is gone."""
        for node in self.nodes:
            if node is task.owner:
                node.crash([task])

    # Time

    def settle(self) -> None:
        """Everybody does what there is to do now."""
        self.hub.settle(self.order)
        for node in self.nodes:
            node.is_down_if_drained()
            node.check_awake()

    def pass_time(self, seconds: float) -> None:
        """In steps no longer than a heartbeat, or a look at the scheduler, everybody doing what falls due at each."""
        end, beaten = self.hub.now + seconds, self.hub.now
        while self.hub.now < end:
            self.hub.now = min(end, self.hub.now + (LOOK_SECONDS if self.turns else HEARTBEAT))
            if self.hub.now == end or self.hub.now - beaten >= HEARTBEAT:
                beaten = self.hub.now
                for node in self.nodes:
                    node.beat()
            self.scheduler.speak(self.hub.now)
            for node in self.nodes:
                node.look()
            self.settle()

    def next_due(self) -> float:
        """Seconds until a node's queue has something due, at most a scan's interval."""
        return min([300.0, *(due for node in self.nodes if node.up for due in node.queue.delayed().values())])

    # Shown to the referee

    def node_renames(self, source: str, target: str) -> None:
        node = self.acting()
        if node is None or not source.startswith(PATH.prefix):
            return
        name, old = split(source)
        _, new = split(target)
        task = self.hub.current
        assert task is not None
        if old is Kind.ERROR:
            self.referee.turmoil.add(name)  # who wins this name at the same moment has not seen the done one
        others = {
            other.name: other.visible_since
            for other in self.nodes
            if other.up and not other.draining and other.visible_since is not None
        }
        self.referee.renames(
            node.name,
            task.generation,
            (old, new),
            name,
            self.bucket.objects[source],
            self.bucket.objects.get(target),
            self.hub.now,
            others,
        )

    def node_removes(self, url: str) -> None:
        node = self.acting()
        if node is None or not url.startswith(PATH.prefix) or url not in self.bucket.objects:
            return
        name, kind = split(url)
        task = self.hub.current
        assert task is not None
        self.referee.removes(node.name, task.generation, kind, name, self.bucket.objects[url])

    def acting(self) -> Node | None:
        task = self.hub.current
        return task.owner if task is not None and isinstance(task.owner, Node) else None

    # How things stand

    def configs(self) -> dict[str, Version]:
        found = {}
        for url, version in self.bucket.objects.items():
            name = PATH.name_of(url)
            if name is not None:
                found[name] = version
        return found

    def outcomes(self) -> dict[str, dict[Kind, Version]]:
        found: dict[str, dict[Kind, Version]] = {}
        for url, version in self.bucket.objects.items():
            for kind in OUTCOMES:
                name = PATH.name_of(url, kind)
                if name is not None:
                    found.setdefault(name, {})[kind] = version
        return found

    def stands(self, name: str, kind: Kind) -> Version | None:
        return self.bucket.objects.get(PATH.of(name, kind))

    def close(self) -> None:
        for node in self.nodes:
            if node.up:
                node.crash([])


def split(url: str) -> tuple[str, Kind]:
    """The name and kind of a config's or an outcome's URL."""
    for kind in Kind:
        name = PATH.name_of(url, kind)
        if name is not None:
            return name, kind
    raise AssertionError(f"{url} is neither a config nor an outcome")


class _Unexpected(logging.Handler):
    """The agent outlives whatever is raised in a reconcile, and logs it; a test does not."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            raise record.exc_info[1]


@contextmanager
def simulated(nodes: int, scratch: Path, seed: int = 0, *, turns: bool = False) -> Iterator[World]:
    """A world with its nodes up and at rest; nothing of it is left afterwards."""
    logger = logging.getLogger("poltergust")
    handler, level = _Unexpected(logging.ERROR), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    world = World(nodes, scratch, seed, turns=turns)
    try:
        world.settle()
        yield world
    finally:
        world.close()
        logger.removeHandler(handler)
        logger.setLevel(level)
