"""Notifications are hints: dropped, repeated, reordered, late, forged, and their whole machinery taken away."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators import pubsub
from tests.emulators.pubsub import pubsub_emulator
from tests.faults.cluster import BUCKET, PATH, PROJECT, TOPIC, Cluster, cluster


@pytest.fixture
def node(told: Cluster) -> Cluster:
    if "node-1" not in told.nodes:
        told.start("node-1")
    return told


def tell(cluster: Cluster, key: str, generation: str = "1") -> None:
    assert cluster.pubsub is not None
    pubsub.finalize(cluster.pubsub, PROJECT, TOPIC, BUCKET, key, generation)


def test_repeated_a_hundred_times(node: Cluster) -> None:
    node.storage.notification_copies(100)
    gate = node.folder / "repeated"
    name = node.upload("Gate", gate=gate)
    node.runs_on(name)
    node.storage.notification_copies(1)
    gate.touch()
    node.wait_settled(name)
    assert len(node.started(name)) == 1
    for _ in range(100):
        tell(node, f"{PATH}{name}.config.yaml")
    node.check()


def test_reordered_and_an_hour_late(node: Cluster) -> None:
    """Told of nothing when it happens, and of everything afterwards in no order, long after the last was replaced."""
    node.storage.notification_copies(0)
    names = [node.upload() for _ in range(5)]
    old = node.upload("Fails", name=names[0], outcome="error", retries=0)
    node.upload(name=old)  # the last word on this name
    told = [key for name in names for key in (f"{PATH}{name}.config.yaml",) * 3]
    random.Random(4).shuffle(told)
    for key in told:
        tell(node, key, generation="1")  # of long ago
    node.storage.notification_copies(1)
    node.wait_settled()
    node.check()


def test_forged(node: Cluster) -> None:
    """Of objects that are not there, not configs, in other buckets, of other shape: nothing comes of any."""
    assert node.pubsub is not None
    forged = [
        f"{PATH}nothing.config.yaml",
        f"{PATH}x.done.yaml",
        f"{PATH}../pipeline/y.config.yaml",
        "elsewhere/z.config.yaml",
        f"{PATH}.config.yaml",
        PATH + "n" * 2000 + ".config.yaml",
        f"{PATH}line\nbreak.config.yaml",
        "pipeline.poltergust/runs/a.config.yaml",
    ]
    for key in forged:
        tell(node, key)
    pubsub.finalize(node.pubsub, PROJECT, TOPIC, "otherbucket", f"{PATH}a.config.yaml")
    pubsub.publish(node.pubsub, PROJECT, TOPIC, {"eventType": "OBJECT_FINALIZE"}, json.dumps({"a": 1}).encode())
    pubsub.publish(node.pubsub, PROJECT, TOPIC, {}, bytes(range(256)))
    node.check()


@pytest.fixture(scope="module")
def scanning(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Cluster]:
    """With an emulator of its own, to be broken, and the scan carrying the work meanwhile."""
    folder = tmp_path_factory.mktemp("cluster")
    with (
        pubsub_emulator() as emulator,
        cluster(folder, cache, "--reconcile-interval", "3s", emulator=emulator) as made,
    ):
        made.start()
        yield made


def test_dropped(scanning: Cluster) -> None:
    """A lost notification costs one scan's interval at most."""
    scanning.storage.notification_copies(0)
    scanning.wait_settled(scanning.upload())
    scanning.check()
    scanning.storage.notification_copies(1)


def wait_mended(cluster: Cluster) -> None:
    """A message of a shape that the node complains of arrives: the stream delivers again."""
    assert cluster.pubsub is not None
    pubsub.publish(cluster.pubsub, PROJECT, TOPIC, {}, b"strange")
    node = cluster.nodes["node-1"]
    cluster.wait(lambda: "notification ignored" in node.log, "a message to come through the stream", timeout=180)


def test_subscription_deleted(scanning: Cluster) -> None:
    assert scanning.pubsub is not None
    pubsub.delete_subscription(scanning.pubsub, PROJECT, "node-1")
    scanning.wait(lambda: "subscription" in scanning.nodes["node-1"].log, "the node to say so")
    scanning.check()
    pubsub.create_subscription(scanning.pubsub, PROJECT, "node-1", TOPIC)
    wait_mended(scanning)
    scanning.check()


def test_topic_deleted(scanning: Cluster) -> None:
    """The stream stays open and silent; the scan carries the work."""
    assert scanning.pubsub is not None
    pubsub.delete_topic(scanning.pubsub, PROJECT, TOPIC)
    scanning.check()
    scanning.wait(lambda: "topic" in scanning.nodes["node-1"].log, "the node to say so", timeout=120)


def test_emulator_killed_and_started_empty(tmp_path: Path, cache: Path) -> None:
    """Everything Pub/Sub knew is gone: the scan carries the work, and once it is made again the stream is mended."""
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(pubsub_emulator())
        with cluster(tmp_path, cache, "--reconcile-interval", "3s", emulator=emulator) as made:
            made.start()
            stack.close()
            made.check()
            with pubsub_emulator(port=int(emulator.rpartition(":")[2])):
                made.wait_settled(made.upload())
                pubsub.create_topic(emulator, PROJECT, TOPIC)
                pubsub.create_subscription(emulator, PROJECT, "node-1", TOPIC)
                wait_mended(made)
                made.check()
