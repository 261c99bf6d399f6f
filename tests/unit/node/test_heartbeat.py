"""The heartbeat on a store in memory: written when there is something to say, and two of one name noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from poltergust.node import heartbeat
from poltergust.node.heartbeat import Heartbeat
from poltergust.path import layout
from poltergust.path.records import NodeRecord
from poltergust.path.state import PathState
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore
from tests.emulators.servers import wait_until

PATH = layout.WatchedPath("gs://b/pipeline")
RECORD = NodeRecord("n", "one", "1", "host", 7, "http://head:8082", False, True, "ready")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SPACING_SECONDS", 0.01)
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)


class Node:
    """One agent's heartbeat; `writes` counts."""

    def __init__(self, bucket: Bucket, instance: str = "one", node: str = "n", *, embedded: bool = False) -> None:
        self.says = replace(RECORD, instance=instance, node=node, embedded=embedded)
        self.writes = 0
        self.described = 0
        self.fault: Fault | None = None
        self.heartbeat = Heartbeat(
            PathState(MemoryStore(bucket, self._gate), PATH, node).records, self._describe, embedded=embedded
        )

    def _gate(self, call: Call) -> Fault | None:
        self.writes += call.operation == "write"
        return self.fault if call.operation == "write" else None

    def _describe(self) -> NodeRecord:
        self.described += 1
        return self.says

    def turn(self) -> None:
        """Nudge it, and wait until it has come round."""
        before = self.heartbeat.turned
        self.heartbeat.changed()
        wait_until(lambda: self.heartbeat.turned > before, "a turn")


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(time.time)


def test_changes_of_what_waits_cost_no_write(bucket: Bucket) -> None:
    node = Node(bucket)
    node.heartbeat.start()
    for waiting in range(20):
        node.says = replace(node.says, waiting=waiting)
        node.turn()
    assert node.writes == 1
    node.says = replace(node.says, running=("x",))
    node.turn()
    assert node.writes == 2
    node.says = replace(node.says, problems=("the disk is full",))
    node.turn()
    assert node.writes == 3
    node.heartbeat.stop()
    assert not bucket.objects


def test_a_minute_later_it_is_written_all_the_same(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.05)
    node = Node(bucket)
    node.heartbeat.start()
    wait_until(lambda: node.writes > 3, "beats")
    node.heartbeat.stop()


def test_a_beat_that_cannot_be_written_is_a_problem_until_it_can(bucket: Bucket) -> None:
    node = Node(bucket)
    node.fault = Fault.DENIED
    node.heartbeat.start()
    assert "cannot be written" in node.heartbeat.problem
    node.fault = None
    wait_until(lambda: not node.heartbeat.problem, "the next try")
    node.heartbeat.stop()


def beating(node: Node, condition: Callable[[], object], what: str) -> None:
    def nudged() -> object:
        node.says = replace(node.says, running=(str(time.monotonic()),))
        node.heartbeat.changed()
        return condition()

    wait_until(nudged, what)


def test_two_agents_of_one_name_both_say_so_and_neither_after_one_has_gone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Node(bucket, "one"), Node(bucket, "two")
    first.heartbeat.start()
    second.heartbeat.start()
    beating(first, lambda: first.heartbeat.duplicate_node, "the first to see the second")
    beating(second, lambda: second.heartbeat.duplicate_node, "the second to see the first")
    assert "another agent on this path is called n too (host host, process 7)" in caplog.text
    assert not first.heartbeat.conflicting_nodes, "they share a scheduler: odd, but nothing runs twice"
    second.heartbeat.stop()
    assert bucket.objects, "what stands there is the other's as well"
    monkeypatch.setattr(heartbeat, "LIVE_SECONDS", 0.05)
    beating(first, lambda: not first.heartbeat.duplicate_node, "the first to be alone again")
    first.heartbeat.stop()
    assert not bucket.objects


def test_two_of_one_name_with_schedulers_of_their_own_take_nothing(bucket: Bucket) -> None:
    first, second = Node(bucket, "one", embedded=True), Node(bucket, "two", embedded=True)
    first.heartbeat.start()
    second.heartbeat.start()
    beating(first, lambda: "another n is alive" in first.heartbeat.conflicting_nodes, "the conflicting_nodes")
    for node in (first, second):
        node.heartbeat.stop()


def test_what_an_earlier_agent_left_is_no_duplicate_node(bucket: Bucket) -> None:
    killed = Node(bucket, "one")
    killed.heartbeat._beat(killed.says)
    again = Node(bucket, "two")
    again.heartbeat.start()
    again.turn()
    again.turn()
    assert not again.heartbeat.duplicate_node
    again.heartbeat.stop()


def test_an_embedded_scheduler_beside_another_live_node_is_a_conflict_until_that_is_gone(bucket: Bucket) -> None:
    mine, other = Node(bucket, embedded=True), Node(bucket, node="m")
    other.heartbeat.start()
    mine.heartbeat.start()
    assert "m is alive on this path too" in mine.heartbeat.conflicting_nodes
    other.heartbeat.stop()
    beating(mine, lambda: not mine.heartbeat.conflicting_nodes, "it to be alone")
    mine.heartbeat.stop()
