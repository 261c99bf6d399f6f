"""Nodes that come and go all the time: nothing is left of them, and no task is lost or run twice."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators import pubsub
from tests.faults.cluster import PROJECT, Cluster, cluster
from tests.faults.conftest import LONG

FLEET = 10 if LONG else 3
SIDE = "pipeline.poltergust/"
LEAVES, SECONDS = 10 * FLEET, 0.5


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Cluster]:
    """Nodes make their own subscriptions; a scan comes every two hours."""
    folder = tmp_path_factory.mktemp("fleet")
    with pubsub.pubsub_emulator() as emulator:
        options = ["--reconcile-interval", "2h"]
        with cluster(folder, cache, *options, emulator=emulator, own_subscriptions=True) as made:
            yield made


def subscriptions(fleet: Cluster) -> list[str]:
    assert fleet.pubsub is not None
    return pubsub.subscriptions(fleet.pubsub, PROJECT)


def workers(fleet: Cluster, node: str) -> list[str]:
    """The scheduler's workers on nodes whose names begin so."""
    with urllib.request.urlopen(f"{fleet.luigid.url}/api/worker_list?data={{}}", timeout=30) as answer:
        found = [worker["name"] for worker in json.load(answer)["response"]]
    return [name for name in found if name.startswith(f"poltergust-{node}")]


def test_nodes_that_come_and_go_leave_nothing(fleet: Cluster) -> None:
    fleet.start("stays")
    fleet.upload(name="before")
    fleet.wait_settled()
    standing = subscriptions(fleet), fleet.names(f"{SIDE}nodes/"), fleet.names(f"{SIDE}locks/")
    for number in range(FLEET):
        guest = f"guest-{number}"
        fleet.start(guest)
        assert len(subscriptions(fleet)) == 2
        name = fleet.upload("Tree", leaves=12, seconds=0.5)
        fleet.wait(lambda name=name, guest=guest: guest in dict(fleet.started(name)), "the guest to run a task")
        fleet.stop(guest)
        fleet.wait_settled(name)
    assert (subscriptions(fleet), fleet.names(f"{SIDE}nodes/"), fleet.names(f"{SIDE}locks/")) == standing
    fleet.wait(lambda: not workers(fleet, "guest-"), "the scheduler to have no worker of theirs")
    fleet.check()
    fleet.stop("stays")
    assert subscriptions(fleet) == []
    assert fleet.names(f"{SIDE}nodes/") == []


def test_a_rolling_restart_runs_every_task_once(fleet: Cluster) -> None:
    nodes = [f"node-{number}" for number in range(FLEET)]
    for node in nodes:
        fleet.start(node)
    name = fleet.upload("Tree", leaves=LEAVES, seconds=SECONDS * FLEET)
    for node in nodes:
        fleet.wait(lambda node=node: node in dict(fleet.started(name)), f"{node} to run a task")
        fleet.stop(node)
        fleet.start(node)
    fleet.wait_settled(timeout=300)
    assert len(list(fleet.target(name).parent.glob(f"{name}-*.leaf-*"))) == LEAVES
    assert len(fleet.started(name)) == LEAVES + 1  # each leaf once, and the root
    fleet.check()
