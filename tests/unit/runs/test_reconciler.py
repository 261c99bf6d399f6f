"""The runner around one attempt: what it leaves in the records, whom it takes to be still at a run, when it comes
again. The attempt itself is given, the storage is in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.documents import EnvironmentSpec, TaskFile
from poltergust.luigi_run import GraphStatus
from poltergust.node.settings import Settings
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.records import NodeRecord, RunRecord, State
from poltergust.path.state import PathState
from poltergust.runs.attempt import Attempts
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import FIRST_RETRY, RetryPolicy
from poltergust.runs.run import Run, Runs, Verdict
from poltergust.runs.settings import RunSettings
from poltergust.runs.stop_condition import StopCondition
from poltergust.workqueue import Item, WorkQueue
from tests.emulators.memory import Bucket, MemoryStore

PATH = layout.WatchedPath("gs://bucket/pipeline")
TASK = b"environment: gs://bucket/environment/e.yaml\ntask: {name: T, module: m}\n"


class Scripted:
    """A pipeline whose attempts end as the test says."""

    def __init__(self) -> None:
        self.verdict = Verdict(Reason.COMPLETE, "the root task is complete")

    def attempt(
        self, run: Run, task: TaskFile, spec: EnvironmentSpec, item: Item, stop_condition: StopCondition
    ) -> Verdict:
        return self.verdict


class Node:
    """One node's runner on `bucket`."""

    def __init__(self, bucket: Bucket, name: str, retries: int = 0) -> None:
        store = MemoryStore(bucket)
        settings = Settings(PATH, name, "http://scheduler:8082", runs=RunSettings(retries=retries))
        self.pipeline = Scripted()
        state = PathState(store, PATH, name)
        self.records = state.records
        self.runs = Runs(self.records, name, "http://scheduler:8082", time.monotonic)
        self._queue = WorkQueue()
        self.runner = Reconciler(
            settings,
            store=lambda url: store,
            records=self.records,
            runs=self.runs,
            outcomes=state.outcomes,
            pipeline=cast(Attempts, self.pipeline),
            standing=lambda root: GraphStatus(running=1, runnable=False),
            retry_policy=RetryPolicy(),
            stopping=Stopping(),
            clock=time.monotonic,
        )
        self.beat()

    def beat(self) -> None:
        self.records.save_node(NodeRecord(self.records._node, "i", "1", "h", 1, "", False, True, "ready"))

    def look(self, name: str = "x") -> float | None:
        self._queue.add(name)
        item = self._queue.get()
        assert item is not None
        try:
            return self.runner.look(item)
        finally:
            self._queue.done(item)

    def record(self, generation: str, name: str = "x") -> RunRecord:
        record = self.records.load_run(name, generation)
        assert record is not None
        return record


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put("gs://bucket/environment/e.yaml", b"dependencies: []\n")
    return made


@pytest.fixture
def put(bucket: Bucket) -> Callable[..., str]:
    def upload(data: bytes = TASK, name: str = "x") -> str:
        return str(bucket.put(PATH.of(name, Kind.CONFIG), data).generation)

    return upload


FAILED = Verdict(Reason.INSTALL_FAILED, "no compiler")


def test_the_last_node_to_give_up_says_error(bucket: Bucket, put: Callable[..., str]) -> None:
    put()
    first, second = Node(bucket, "first"), Node(bucket, "second")
    first.pipeline.verdict = second.pipeline.verdict = FAILED
    assert first.look() is None
    assert PATH.of("x", Kind.ERROR) not in bucket.objects
    second.look()
    assert PATH.of("x", Kind.ERROR) in bucket.objects


def test_a_node_that_was_stopped_and_is_back_is_still_at_it(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    back, other = Node(bucket, "back"), Node(bucket, "other")
    back.pipeline.verdict = Verdict(Reason.DRAINED, "this node was asked to stop")
    assert back.look() is None
    assert back.record(generation).state is State.ENDED
    back.beat()  # its next life says so before it looks at anything
    other.pipeline.verdict = FAILED
    assert other.look() is None
    assert PATH.of("x", Kind.CONFIG) in bucket.objects, "it may yet succeed where the other could not"


def test_another_names_records_are_not_this_runs(bucket: Bucket, put: Callable[..., str]) -> None:
    """The records of `x/<generation>` lie below the same prefix as those of `x` at that generation."""
    generation = put()
    node, other = Node(bucket, "node"), Node(bucket, "other")
    other.records.save_run(RunRecord(f"x/{generation}", "1", "other", state=State.GAVE_UP))
    node.pipeline.verdict = FAILED
    assert node.look() is None
    assert PATH.of("x", Kind.CONFIG) in bucket.objects, "the other node has not looked at x yet"


def test_the_record_of_a_run_ends_when_another_node_brought_it_to_its_outcome(
    bucket: Bucket, put: Callable[..., str]
) -> None:
    generation = put()
    waits, wins = Node(bucket, "waits"), Node(bucket, "wins")
    waits.pipeline.verdict = Verdict(Reason.OTHERS_RUN, "other nodes run 1 task(s): T")
    assert waits.look() is not None
    assert waits.record(generation).state is State.WAITING
    wins.look()
    assert waits.look() is None
    assert (waits.record(generation).state, waits.record(generation).reason) == (State.ENDED, "config-gone")
    assert not waits.runs.knows("x")


def test_why_a_node_gave_up_stays_in_its_record(bucket: Bucket, put: Callable[..., str]) -> None:
    generation = put()
    gives_up, wins = Node(bucket, "gives-up"), Node(bucket, "wins")
    gives_up.pipeline.verdict = FAILED
    gives_up.look()
    wins.look()
    gives_up.look()
    assert (gives_up.record(generation).state, gives_up.record(generation).text) == (State.GAVE_UP, "no compiler")


def test_a_newer_generation_does_not_inherit_the_delays_of_the_older(bucket: Bucket, put: Callable[..., str]) -> None:
    put()
    node = Node(bucket, "node", retries=100)
    node.pipeline.verdict = replace(FAILED)
    for _ in range(8):
        delay = node.look()
    assert delay is not None
    assert delay > FIRST_RETRY
    put(TASK + b"# repaired\n")
    delay = node.look()
    assert delay is not None
    assert delay <= FIRST_RETRY
