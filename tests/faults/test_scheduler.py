"""luigid is killed, forgets, sleeps, and comes back."""

from __future__ import annotations

import time

import pytest

from tests.faults.cluster import Cluster
from tests.faults.conftest import LONG

PAUSE = 60.0 if LONG else 15.0
"""Seconds; longer than a question to the scheduler may take, and than it waits for a sign of a worker."""


@pytest.fixture
def two(calm: Cluster) -> Cluster:
    for node in ("node-1", "node-2"):
        if node not in calm.nodes:
            calm.start(node)
    return calm


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_luigid_killed_in_the_middle_of_tasks(two: Cluster, state: str) -> None:
    """With the state of an earlier clean stop, and with none: the workers announce everything again."""
    two.wait_settled(two.upload("Tree", leaves=3, seconds=0.1))
    two.luigid.stop()
    two.luigid.start()
    gate = two.folder / f"luigid-{state}"
    name = two.upload("Gate", gate=gate)
    tree = two.upload("Tree", leaves=12, seconds=0.5)
    two.runs_on(name)
    two.wait(lambda: two.started(tree), "the tree to begin")
    two.luigid.kill(keep_state=state == "kept")
    new = two.upload()
    two.wait(lambda: any("scheduler" in node.log for node in two.nodes.values()), "somebody to miss the scheduler")
    gate.touch()
    two.luigid.start()
    two.wait_settled(name, tree, new, timeout=180)
    two.check(timeout=180)


def test_luigid_stopped_and_started_between_runs(two: Cluster) -> None:
    two.luigid.stop()
    name = two.upload()
    two.wait(lambda: any("scheduler-unreachable" in node.log for node in two.nodes.values()), "the scheduler be missed")
    two.luigid.start()
    two.wait_settled(name, timeout=180)
    two.check()


def test_luigid_paused(two: Cluster) -> None:
    """It listens and does not answer: nothing fails, nothing is run twice at the same time."""
    gate = two.folder / "paused"
    name = two.upload("Gate", gate=gate)
    two.runs_on(name)
    two.luigid.pause()
    new = two.upload()
    end = time.monotonic() + PAUSE
    two.wait(lambda: time.monotonic() > end, "the pause to be over", timeout=PAUSE + 30)
    assert not two.settled(name)
    assert not two.settled(new)
    two.luigid.go_on()
    gate.touch()
    two.wait_settled(name, new, timeout=180)
    two.check(timeout=180)


def test_failing_tasks_are_tried_as_often_as_said_in_the_whole_cluster(two: Cluster) -> None:
    name = two.upload("Fails", retries=2, outcome="error")
    flaky = two.upload("Flaky")
    two.wait_settled(name, flaky, timeout=180)
    assert len(two.started(name)) == 3
    two.wait_logged("this task always fails", name)
    two.check()
