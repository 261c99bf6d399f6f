"""One node's life around its work: what is taken, what is not, and that it comes to its end."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import cast

import pytest

from poltergust.base import loops
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus
from poltergust.node.agent import Agent
from poltergust.node.settings import Settings
from poltergust.observe.status import unhealthy
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.records import NodeRecord
from poltergust.path.state import PathState
from poltergust.runs.context import RunContext, SharedScheduler
from poltergust.runs.first_node import Turns
from poltergust.runs.known_runs import Runs
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import NOTHING_LEFT, Result
from poltergust.runs.settings import RunSettings
from poltergust.sources import Changed, SourceState
from poltergust.workqueue import Item, WorkQueue
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore
from tests.emulators.servers import wait_until

URL = "http://scheduler:8082"
PATH = layout.WatchedPath("gs://bucket/pipeline")


class Reconciles:
    """A reconciler that only notes what it was given; holds the first until `go_on`."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def reconcile(self, item: Item) -> Result:
        self.names.append(item.name)
        self.go_on.wait(60)
        return NOTHING_LEFT


class Hanging:
    """A source that takes its time to stop."""

    def __init__(self) -> None:
        self.stopping, self.may_stop = threading.Event(), threading.Event()

    def start(self, changed: Changed) -> None:
        pass

    def stop(self) -> None:
        self.stopping.set()
        self.may_stop.wait(60)

    def state(self) -> SourceState:
        return SourceState(alive=True, last_event=None)


class Parts:
    """An agent on a bucket in memory; `away`: the storage cannot be listed."""

    def __init__(self, scheduler_url: str | None = URL) -> None:
        self.bucket = Bucket(time.time)
        self.away = False
        self.reconciler, self.source, self.stopping, self.queue = Reconciles(), Hanging(), Stopping(), WorkQueue()
        store = MemoryStore(self.bucket, self._gate)
        scheduler = SharedScheduler(URL, URL, lambda root: GraphStatus(0, True))
        context = RunContext(
            RunSettings(),
            PathState(store, PATH, "node", "i"),
            scheduler,
            self.stopping,
            scratch=Path("unused"),
            workdir=Path("unused"),
        )
        self.agent = Agent(
            Settings(PATH, "node", scheduler_url, parallel=1),
            context,
            runs=Runs(context),
            turns=Turns(context),
            reconciler=cast(Reconciler, self.reconciler),
            queue=self.queue,
            sources=[self.source],
        )

    def _gate(self, call: Call) -> Fault | None:
        return Fault.UNAVAILABLE if self.away and call.operation == "list" and call.url == PATH.prefix else None

    def put(self, name: str) -> None:
        self.bucket.put(PATH.of(name, Kind.CONFIG), b"task")


@pytest.fixture
def parts() -> Parts:
    return Parts()


def started(target: object) -> threading.Thread:
    assert callable(target)
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_nothing_is_taken_any_more_while_a_source_takes_its_time_to_stop(parts: Parts) -> None:
    parts.reconciler.go_on.clear()
    parts.put("first")
    parts.put("second")
    thread = started(parts.agent.run)
    wait_until(lambda: bool(parts.reconciler.names) and parts.queue.waiting() == ("second",), "one taken, one waiting")
    parts.stopping.request()
    wait_until(parts.source.stopping.is_set, "the source to be asked to stop")
    parts.reconciler.go_on.set()
    wait_until(lambda: not parts.queue.processing(), "the first to be done")
    assert parts.queue.stopped
    parts.source.may_stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert parts.reconciler.names == ["first"]


def test_a_pass_can_be_stopped_while_the_storage_does_not_answer(parts: Parts) -> None:
    parts.away = True
    thread = started(parts.agent.run_pass)
    parts.stopping.request()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(("scheduler", "taken"), [(URL, ["x"]), (None, [])])
def test_a_pass_with_a_scheduler_of_its_own_takes_nothing_beside_another_node(
    scheduler: str | None, taken: list[str]
) -> None:
    parts = Parts(scheduler)
    other = PathState(MemoryStore(parts.bucket), PATH, "other").records
    other.save_node(NodeRecord("other", "j", "1", "h", 1, "http://head:8082", False, True, "ready"))
    parts.put("x")
    parts.agent.run_pass()
    assert parts.reconciler.names == taken


def test_a_thread_that_died_is_a_reason_to_start_the_process_again(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> float:
        raise KeyError("ours")

    monkeypatch.setattr(loops, "_dead", {})
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    loops.report_dead_threads()
    before = unhealthy(parts.agent.description.status())
    loop = loops.Loop("probe", fail)
    loop.start()
    assert loop.join(60)
    assert before == []
    assert unhealthy(parts.agent.description.status()) == ["the thread poltergust-probe (KeyError) has died"]
