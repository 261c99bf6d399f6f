"""Thousands of configs at once (ten with POLTERGUST_LONG=1): so many run side by side as were asked for, in order, and
what is remembered of them, and written for them, does not grow with their number.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus, Request
from poltergust.node.settings import Settings
from poltergust.node.wiring import Parts, wire
from poltergust.path import layout
from poltergust.path.background import MAX_THREADS
from poltergust.path.layout import Kind
from poltergust.runs.context import SharedScheduler
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore
from tests.emulators.servers import wait_until
from tests.property.parts import FakeEnvironments, FakeRun, Plan, QuietState

URL = "http://scheduler:8082"
PATH = layout.WatchedPath("gs://b/pipeline")
CONFIGS = 10_000 if os.environ.get("POLTERGUST_LONG") else 2_000
PARALLEL = 8


class Launches:
    """`luigi_run.Launch` whose runs are complete at once: notes which run together, and in which order they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.order: list[str] = []
        self.threads = 0
        self.gate = threading.Event()  # nobody ends before

    def __call__(self, request: Request, *, on_end: Callable[[], None], **_rest: object) -> FakeRun:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.order.append(request.task)
            self.threads = max(self.threads, threading.active_count())
        assert self.gate.wait(120)
        with self._lock:
            self.at_once -= 1
        run = FakeRun(request, 1, on_end, lambda: None, lambda run, reason: None)
        run.end(Reason.COMPLETE)
        return run


class Node:
    """One agent on a bucket in memory."""

    def __init__(self, bucket: Bucket, cache: Path) -> None:
        self.calls: Counter[str] = Counter()
        store = MemoryStore(bucket, self._gate)
        self.launches = Launches()
        self.stopping = Stopping()
        parts = Parts(
            state=QuietState(store, PATH, "n", "i"),
            store_of=lambda url: store,
            scheduler=SharedScheduler(URL, URL, lambda root: GraphStatus(0, True)),
            environments=FakeEnvironments(lambda: Plan.READY, lambda: None, lambda: None, lambda reason: None),
            launch=self.launches,
        )
        self.agent = wire(Settings(PATH, "n", URL, parallel=PARALLEL, cache=cache), self.stopping, parts)

    def _gate(self, call: Call) -> Fault | None:
        kind = "heartbeat" if "/nodes/" in call.url else "record" if PATH.state_prefix in call.url else "config"
        self.calls[f"{call.operation} {kind}"] += 1
        return None


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put("gs://b/plain.yaml", b"dependencies: []\n")
    for number in range(CONFIGS):
        text = f"environment: ../plain.yaml\ntask: {{module: m, name: n{number:05}}}\n"
        made.put(PATH.of(f"n{number:05}", Kind.CONFIG), text.encode())
    return made


@pytest.fixture
def node(bucket: Bucket, tmp_path: Path) -> Iterator[Node]:
    made = Node(bucket, tmp_path)
    thread = threading.Thread(target=made.agent.run)
    thread.start()
    yield made
    made.launches.gate.set()
    made.stopping.request_drain()
    thread.join()


def test_thousands_of_configs_at_once(bucket: Bucket, node: Node) -> None:
    wait_until(
        lambda: node.agent.description.status().due == CONFIGS - PARALLEL, "the scan to have found them all", 120
    )
    wait_until(lambda: node.launches.at_once == PARALLEL, "as many to run side by side as were asked for", 120)
    status = node.agent.description.status()
    assert (status.processing, len(status.runs), status.workers) == (PARALLEL, PARALLEL, PARALLEL)
    assert len(bucket.objects) < CONFIGS + 3 * PARALLEL + 2, "nothing is written for those that wait"
    threads = threading.active_count()
    most_known = PARALLEL
    node.launches.gate.set()

    def done() -> bool:
        nonlocal most_known
        most_known = max(most_known, len(node.agent.runs.all()))
        return node.agent.description.status().due == 0 and not node.agent.description.status().processing

    wait_until(done, "all to be done", 300)
    assert node.launches.most_at_once == PARALLEL
    # Those of the storage calls beside the runs are made as there are calls, and are bounded as well.
    assert node.launches.threads <= threads + MAX_THREADS
    assert most_known <= PARALLEL
    assert node.agent.runs.all() == []
    # In order, but for what the machine's own scheduling of eight threads does to it.
    assert len(node.launches.order) == CONFIGS
    places = [abs(place - int(name[1:])) for place, name in enumerate(node.launches.order)]
    assert max(places) < CONFIGS / 10
    outcomes = [url for url in bucket.objects if url.startswith(PATH.prefix)]
    assert len(outcomes) == CONFIGS
    assert all(url.endswith(".done.yaml") for url in outcomes)
    # A beat follows a change at two seconds' distance at the least, however many changes there are.
    assert node.calls["write heartbeat"] < CONFIGS / 20
    assert node.calls["list config"] == 1
