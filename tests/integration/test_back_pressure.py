"""Ten thousand configs at once: so many run side by side as were asked for, in order, and what is remembered of them,
and written for them, does not grow with their number.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus
from poltergust.node.agent import Agent
from poltergust.node.settings import Settings
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.state import PathState
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import RetryPolicy
from poltergust.runs.run import Run, Runs, Verdict
from poltergust.workqueue import WorkQueue
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore
from tests.emulators.servers import wait_until

PATH = layout.WatchedPath("gs://b/pipeline")
CONFIGS = 10_000
PARALLEL = 8


class Pipeline:
    """In place of environment and Luigi: notes who is at it together, and in which order they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.order: list[str] = []
        self.threads = 0
        self.gate = threading.Event()  # nobody ends before

    def attempt(self, run: Run, *_: object) -> Verdict:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.order.append(run.name)
            self.threads = max(self.threads, threading.active_count())
        assert self.gate.wait(120)
        with self._lock:
            self.at_once -= 1
        return Verdict(Reason.COMPLETE, "")


class Node:
    """One agent on a bucket in memory."""

    def __init__(self, bucket: Bucket, cache: Path) -> None:
        self.calls: Counter[str] = Counter()
        settings = Settings(PATH, "n", "http://scheduler:8082", parallel=PARALLEL, cache=cache)
        store = MemoryStore(bucket, self._gate)
        state = PathState(store, PATH, "n", "i")
        self.runs = Runs(state.records, "n", "", time.monotonic)
        self.pipeline = Pipeline()
        self.stopping = Stopping()
        retry_policy = RetryPolicy()
        stand_in: Any = self.pipeline
        self.agent = Agent(
            settings,
            instance="i",
            scheduler_url="http://scheduler:8082",
            store=store,
            records=state.records,
            runs=self.runs,
            runner=Reconciler(
                settings,
                store=lambda url: store,
                records=state.records,
                runs=self.runs,
                outcomes=state.outcomes,
                pipeline=stand_in,
                standing=lambda root: GraphStatus(0, True),
                retry_policy=retry_policy,
                stopping=self.stopping,
                clock=time.monotonic,
            ),
            retry_policy=retry_policy,
            queue=WorkQueue(),
            sources=[],
            stopping=self.stopping,
        )

    def _gate(self, call: Call) -> Fault | None:
        kind = "heartbeat" if "/nodes/" in call.url else "record" if PATH.state_prefix in call.url else "config"
        self.calls[f"{call.operation} {kind}"] += 1
        return None


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put("gs://b/plain.yaml", b"dependencies: []\n")
    for number in range(CONFIGS):
        text = b"environment: ../plain.yaml\ntask: {module: m, name: T}\n"
        made.put(PATH.of(f"n{number:05}", Kind.CONFIG), text)
    return made


@pytest.fixture
def node(bucket: Bucket, tmp_path: Path) -> Iterator[Node]:
    made = Node(bucket, tmp_path)
    thread = threading.Thread(target=made.agent.run)
    thread.start()
    yield made
    made.pipeline.gate.set()
    made.stopping.request_drain()
    thread.join()


def test_ten_thousand_configs_at_once(bucket: Bucket, node: Node) -> None:
    wait_until(lambda: node.agent.status().due == CONFIGS - PARALLEL, "the scan to have found them all", 120)
    status = node.agent.status()
    assert (status.processing, len(status.runs), status.workers) == (PARALLEL, PARALLEL, PARALLEL)
    assert len(bucket.objects) < CONFIGS + 3 * PARALLEL + 2, "nothing is written for those that wait"
    threads = threading.active_count()
    most_known = PARALLEL
    node.pipeline.gate.set()

    def done() -> bool:
        nonlocal most_known
        most_known = max(most_known, len(node.runs.all()))
        return node.agent.status().due == 0 and not node.agent.status().processing

    wait_until(done, "all to be done", 300)
    assert node.pipeline.most_at_once == PARALLEL
    assert node.pipeline.threads <= threads
    assert most_known <= PARALLEL
    assert node.runs.all() == []
    # In order, but for what the machine's own scheduling of eight threads does to it.
    assert len(node.pipeline.order) == CONFIGS
    places = [abs(place - int(name[1:])) for place, name in enumerate(node.pipeline.order)]
    assert max(places) < CONFIGS / 10
    outcomes = [url for url in bucket.objects if url.startswith(PATH.prefix)]
    assert len(outcomes) == CONFIGS
    assert all(url.endswith(".done.yaml") for url in outcomes)
    # A beat follows a change at two seconds' distance at the least, however many changes there are.
    assert node.calls["write heartbeat"] < CONFIGS / 20
    assert node.calls["list config"] == 1
