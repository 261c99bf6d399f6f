"""Every kind of storage call, going wrong in every way: one config for each, all of them at once."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.emulators.gcs.faults import Fault, How
from tests.emulators.servers import wait_until
from tests.faults.cluster import BUCKET, PATH, Cluster

FAULTS: dict[str, tuple[How, int, float | None]] = {
    "429": ("status", 429, None),
    "503": ("status", 503, None),
    "reset": ("reset", 0, None),
    "lost-answer": ("lost", 0, None),
    "stall": ("hold", 0, 15.0),  # longer than a node waits for a byte
}
SIDE = "pipeline.poltergust/"
CALLS = {
    "config": ("objects.download", PATH + "{}.config.yaml"),
    "record": ("objects.insert", SIDE + "runs/{}/*.json"),
    "move": ("objects.move", PATH + "{}.config.yaml"),
    "mark": ("objects.insert", SIDE + "runs/{}/*-by"),
    "log": ("objects.compose", SIDE + "logs/{}/*"),
    "log-part": ("objects.insert", SIDE + "logs/{}/*"),
    "log-delete": ("objects.delete", SIDE + "logs/{}/*"),
    "look-at-outcomes": ("objects.*", PATH + "{}.error.yaml"),
}

SECOND_PIECE = ("log", "log-delete")
"""Calls of a log that is longer than what is written at once."""


@pytest.fixture
def node(calm: Cluster) -> Cluster:
    if "node-1" not in calm.nodes:
        calm.start("node-1")
    return calm


@pytest.mark.parametrize("kind", FAULTS)
def test_every_call_fails(node: Cluster, kind: str) -> None:
    """Twice each: the second time is what the retry of the first meets."""
    how, status, seconds = FAULTS[kind]
    faults: dict[str, Fault] = {}
    gates: dict[str, Path] = {}
    for key, (call, pattern) in CALLS.items():
        name = f"{kind}-{call}-{len(faults)}".replace(".", "-").replace("*", "any")
        times = 1 if kind == "stall" else 2
        object = pattern.format(name)
        faults[object] = node.storage.fail(
            call, how=how, status=status or 503, times=times, object=object, seconds=seconds
        )
        if key in SECOND_PIECE:
            gates[name] = node.folder / f"gate-{name}"
            node.upload("Gate", name=name, gate=gates[name])
        else:
            node.upload(name=name)
    faults["list"] = node.storage.fail("objects.list", how=how, status=status or 503, times=1, seconds=seconds)
    faults["plain"] = node.storage.fail(
        "objects.download", how=how, status=status or 503, object="environment/plain.yaml", seconds=seconds
    )
    for name, gate in gates.items():
        node.wait(functools.partial(node.log, name), f"the log of {name} to be begun")
        gate.touch()
    node.wait_settled(timeout=180)
    wait_until(lambda: all(fault.hits for fault in faults.values()), "each fault to have struck")
    node.check()


def test_storage_down_for_everything(node: Cluster) -> None:
    """Nothing answers for longer than any single operation is tried: work stands still, and goes on afterwards."""
    gate = node.folder / "outage"
    running = node.upload("Gate", gate=gate)
    node.runs_on(running)
    outage = node.storage.fail("*", how="reset", times=None)
    gate.touch()
    waiting = node.upload()
    node.wait(lambda: "storage-unavailable" in node.nodes["node-1"].log or outage.hits > 60, "the outage to be felt")
    node.wait(lambda: not node.luigi_processes(), "the Luigi process to end meanwhile")
    assert not node.settled(running), "nothing can have been renamed"
    node.storage.heal()
    node.wait_settled(running, waiting, timeout=240)
    assert len(node.started(running)) == 1, "it was not run again"
    node.check(timeout=240)


def test_403_for_the_rename(node: Cluster) -> None:
    """Finished, cannot rename: said, and only the rename is tried again."""
    refusal = node.storage.fail("objects.move", status=403, times=2)
    name = node.upload()
    node.wait_settled(name)
    assert refusal.hits == 2
    assert "but cannot be renamed" in node.nodes["node-1"].log
    assert len(node.started(name)) == 1
    node.check()


def test_403_for_records_and_logs(node: Cluster) -> None:
    """What a node writes beside the path is for people: a run does without."""
    node.storage.fail("objects.insert", status=403, times=None, object="pipeline.poltergust/*")
    name = node.upload()
    node.wait_settled(name)
    assert len(node.started(name)) == 1
    node.check()


def test_403_for_the_config(node: Cluster) -> None:
    """Permission to read is taken away and given back."""
    denied = node.storage.fail("objects.download", status=403, times=None, object=f"{PATH}*")
    name = node.upload()
    node.wait(lambda: denied.hits >= 2, "two looks at what may not be read")
    assert f"{PATH}{name}.config.yaml" in node.names()
    assert "403" in node.nodes["node-1"].log
    node.check()


def test_server_clock_set_back(node: Cluster) -> None:
    """An hour back while a node works, then an hour ahead: who is alive is told by differences, not by the hour."""
    gate = node.folder / "clock-gate"
    name = node.upload("Gate", gate=gate)
    node.runs_on(name)
    node.storage.shift(-3600)
    late = node.upload()
    node.wait_settled(late)
    node.storage.shift(7200)
    gate.touch()
    node.check()
    node.storage.shift(-3600)


def test_node_clock_set_back(node: Cluster) -> None:
    """The clock of the node and its tasks as Python sees it: an hour back, a day ahead."""
    clock = node.folder / "clock"
    gate = node.folder / "node-clock-gate"
    timed = node.upload("Gate", gate=gate, timeout="30m")
    node.runs_on(timed)
    for seconds in ("-3600", "86400"):
        clock.write_text(seconds)
        node.wait_settled(node.upload())
    assert not node.settled(timed), "a timeout is a duration: no clock may end it"
    gate.touch()
    node.check()
    clock.unlink()


def test_all_records_deleted_while_it_runs(node: Cluster) -> None:
    """All of it may be deleted at any time; configs and outcomes are the only truth."""
    gate = node.folder / "records"
    name = node.upload("Gate", gate=gate)
    node.runs_on(name)
    client = node.storage.client()
    for key in node.names(SIDE):
        client.bucket(BUCKET).blob(key).delete()
    client.close()
    gate.touch()
    node.check()
