"""A node that is gone costs the others seconds, one that only looks so is left alone; with Luigi's own settings.

`benchmarks/takeover.py` measures how many seconds; the bounds here are wide, for machines that are busy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, cluster
from tests.faults.network import own_network
from tests.faults.processes import is_fork_server, marked

LUIGIS_OWN = "[scheduler]\nrecord_task_history = false\n"
"""Nothing that makes take-over quick: a scheduler with these gives a dead worker's tasks away after 17 minutes."""

AGENT_KILLED_SECONDS = 15.0
MACHINE_GONE_SECONDS = 40.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Cluster]:
    """No scan helps: it comes every two hours."""
    with cluster(tmp_path_factory.mktemp("pair"), cache, luigid=LUIGIS_OWN) as made:
        yield made


@pytest.fixture
def two(pair: Cluster) -> Cluster:
    for node in ("node-1", "node-2"):
        if node not in pair.nodes:
            pair.start(node, "--reconcile-interval", "2s")
    return pair


def processes(cluster: Cluster, node: str) -> list[int]:
    """Everything that runs on that node: agent, supervisors, Luigi, tasks."""
    return sorted(marked(f"FAULTS_NODE={node}").keys() & marked(cluster.mark).keys())


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # ended meanwhile, with one that was signalled before it
            os.kill(pid, number)


def taken_over(two: Cluster, name: str, first: str, began: float) -> float:
    """Seconds until the other node runs the task."""
    second = two.runs_on(name, times=2, timeout=120)
    assert second != first
    return time.monotonic() - began


def test_the_supervisor_of_a_killed_agent_gives_its_tasks_back(two: Cluster) -> None:
    gate = two.folder / "agent-killed"
    name = two.upload("Gate", gate=gate, retries=0)
    first = two.runs_on(name)
    began = time.monotonic()
    two.kill(first)
    assert taken_over(two, name, first, began) < AGENT_KILLED_SECONDS
    gate.touch()
    two.check()


def test_a_machine_that_is_gone_at_once_is_missed_by_the_others(two: Cluster) -> None:
    gate = two.folder / "machine-gone"
    name = two.upload("Gate", gate=gate, retries=0)
    first = two.runs_on(name)
    began = time.monotonic()
    while left := processes(two, first):
        signal_all(left, signal.SIGKILL)
    two.kill(first)
    assert taken_over(two, name, first, began) < MACHINE_GONE_SECONDS
    gate.touch()
    two.check()


def test_a_machine_that_comes_back_has_lost_its_run(two: Cluster) -> None:
    """It was paused, all processes at once; when it goes on its task is another's, and what it reports counts not."""
    gate = two.folder / "paused-machine"
    name = two.upload("Gate", gate=gate, retries=0)
    first = two.runs_on(name)
    paused = processes(two, first)
    began = time.monotonic()
    signal_all(paused, signal.SIGSTOP)
    try:
        assert taken_over(two, name, first, began) < MACHINE_GONE_SECONDS
    finally:
        signal_all(paused, signal.SIGCONT)
    two.wait(lambda: "the other nodes have its tasks" in two.nodes[first].log, "the paused node to stop its run")
    agent = two.nodes[first].process.pid
    two.wait(
        lambda: [pid for pid in processes(two, first) if pid in paused and not is_fork_server(pid)] == [agent],
        "its processes to end",
    )
    gate.touch()
    two.check()


def test_a_task_that_holds_the_interpreter_lock_is_not_robbed(two: Cluster) -> None:
    """Its worker cannot ping meanwhile; its agent does."""
    name = two.upload("HoldsLock", seconds=25, retries=0)
    two.runs_on(name)
    two.wait_settled(name, timeout=180)
    assert len(two.started(name)) == 1
    two.check()


def test_a_machine_without_network_is_missed_and_has_lost_its_run_when_it_is_back(two: Cluster) -> None:
    """All that it runs goes on meanwhile, and nobody hears of it."""
    two.check()  # the environment is there: its network has no package index
    for node in ("node-1", "node-2"):
        two.stop(node)
    ports = [int(url.rpartition(":")[2]) for url in (two.storage.url, two.luigid.url)]
    with own_network(*ports) as network:
        two.start("node-1", "--reconcile-interval", "2s", command=network.command)
        gate = two.folder / "cut-off"
        name = two.upload("Gate", gate=gate, retries=0)
        first = two.runs_on(name)
        assert first == "node-1"
        two.start("node-2", "--reconcile-interval", "2s")
        two.wait(lambda: "others-run" in two.nodes["node-2"].log, "the other node to wait")
        began = time.monotonic()
        network.cut()
        try:
            assert taken_over(two, name, first, began) < MACHINE_GONE_SECONDS
        finally:
            network.mend()
        two.wait(lambda: "the other nodes have its tasks" in two.nodes[first].log, "the node to stop its run")
        gate.touch()
        two.check()
        two.stop("node-1")
