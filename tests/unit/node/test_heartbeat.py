"""The heartbeat on a store in memory: written when there is something to say, and who was there first goes on."""

from __future__ import annotations

import json
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
    monkeypatch.setattr(heartbeat, "NAME_CHECK_SECONDS", 0.02)


class Clock:
    """The storage server's, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Node:
    """One agent's heartbeat; `writes` counts. `ended`: instances that it knows to have ended."""

    def __init__(
        self, bucket: Bucket, instance: str = "one", node: str = "n", *, embedded: bool = False, ended: str = ""
    ) -> None:
        self.says = replace(RECORD, instance=instance, node=node, embedded=embedded)
        self.writes = 0
        self.fault: Fault | None = None
        self.records = PathState(MemoryStore(bucket, self._gate), PATH, node, instance).records
        self.heartbeat = Heartbeat(self.records, self._describe, embedded=embedded, ended_instances=ended.split())

    def _gate(self, call: Call) -> Fault | None:
        self.writes += call.operation == "write"
        return self.fault if call.operation == "write" else None

    def _describe(self) -> NodeRecord:
        taking = not self.heartbeat.refusal
        return replace(self.says, since=self.heartbeat.since, taking=taking, problems=self.problems())

    def problems(self) -> tuple[str, ...]:
        return (*self.says.problems, *filter(None, (self.heartbeat.duplicate_node, self.heartbeat.conflicting_nodes)))

    def start(self) -> None:
        """Until it has its name."""
        self.heartbeat.start()
        wait_until(self.heartbeat.admitted.is_set, "the node to have its name")

    def start_waiting(self) -> None:
        """Until it says that another agent has its name."""
        self.heartbeat.start()
        wait_until(lambda: self.heartbeat.duplicate_node, "the node to wait for its name")
        assert not self.heartbeat.admitted.is_set()

    def turn(self) -> None:
        """Nudge it, and wait until it has come round."""
        before = self.heartbeat.turned
        self.heartbeat.changed()
        wait_until(lambda: self.heartbeat.turned > before, "a turn")


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(time.time)


def holders(bucket: Bucket) -> list[str]:
    """Whose heartbeats stand beside the path, by file."""
    return sorted(url.removeprefix(PATH.nodes) for url in bucket.objects)


def holder(bucket: Bucket) -> str:
    return str(json.loads(bucket.objects[PATH.node("n")].data)["instance"])


def test_changes_of_what_waits_cost_no_write(bucket: Bucket) -> None:
    node = Node(bucket)
    node.start()
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
    node.start()
    wait_until(lambda: node.writes > 3, "beats")
    node.heartbeat.stop()


def test_a_node_that_may_keep_no_heartbeat_works_and_says_so_until_it_may(bucket: Bucket) -> None:
    node = Node(bucket)
    node.fault = Fault.DENIED
    node.start()
    assert "cannot be written" in node.heartbeat.problem
    assert not node.heartbeat.refusal
    node.fault = None
    wait_until(lambda: not node.heartbeat.problem, "the next try")
    node.heartbeat.stop()


def test_why_no_heartbeat_is_kept_is_logged_once_for_each_reason(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.01)
    node = Node(bucket)
    node.fault = Fault.DENIED
    node.start()
    tried = node.writes
    wait_until(lambda: node.writes > tried + 5, "more tries")
    assert caplog.text.count("cannot write this node's heartbeat") == 1
    node.fault = None
    wait_until(lambda: not node.heartbeat.problem, "the next try")
    node.fault = Fault.DENIED
    beating(node, lambda: node.heartbeat.problem, "the refusal")
    assert caplog.text.count("cannot write this node's heartbeat") == 2
    node.heartbeat.stop()


def test_a_storage_that_is_down_is_waited_for_and_said(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    node = Node(bucket)
    node.fault = Fault.UNAVAILABLE
    node.heartbeat.start()
    wait_until(lambda: node.heartbeat.problem.startswith("waiting for the storage: "), "the problem")
    node.turn()
    assert not node.heartbeat.admitted.is_set()
    assert caplog.text.count("waiting for the storage") == 1
    node.fault = None
    wait_until(node.heartbeat.admitted.is_set, "the node to have its name")
    assert not node.heartbeat.problem
    node.heartbeat.stop()


def beating(node: Node, condition: Callable[[], object], what: str) -> None:
    def nudged() -> object:
        node.says = replace(node.says, running=(str(time.monotonic()),))
        node.heartbeat.changed()
        return condition()

    wait_until(nudged, what)


def test_a_second_agent_of_one_name_waits_until_the_first_has_stopped(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Node(bucket, "one"), Node(bucket, "two")
    first.start()
    second.start_waiting()
    wait_until(lambda: holders(bucket) == ["n.json", "n~two.json"], "the second to write what it waits for")
    assert "another agent on this path is called n too (host host, process 7)" in second.heartbeat.refusal
    assert "another agent on this path is called n too" in caplog.text
    assert holder(bucket) == "one"
    waits = json.loads(bucket.objects[PATH.waiting_node("n", "two")].data)
    assert not waits["taking"]
    assert waits["problems"] == [second.heartbeat.duplicate_node], "`status` and `doctor` see it"
    first.turn()
    assert not first.problems(), "nobody has taken anything from the first"
    first.heartbeat.stop()
    wait_until(second.heartbeat.admitted.is_set, "the second to have the name")
    assert not second.heartbeat.refusal
    assert holders(bucket) == ["n.json"]
    second.heartbeat.stop()
    assert not bucket.objects


def test_a_second_agent_that_gives_up_leaves_the_heartbeat_of_the_first(bucket: Bucket) -> None:
    first, second = Node(bucket, "one"), Node(bucket, "two")
    first.start()
    second.start_waiting()
    second.heartbeat.stop()
    assert (holders(bucket), holder(bucket)) == (["n.json"], "one")
    first.heartbeat.stop()


def test_of_many_that_start_at_once_one_has_the_name(bucket: Bucket) -> None:
    nodes = [Node(bucket, str(number)) for number in range(8)]
    for node in nodes:
        node.heartbeat.start()
    wait_until(
        lambda: all(node.heartbeat.admitted.is_set() or node.heartbeat.duplicate_node for node in nodes), "a decision"
    )
    assert sum(node.heartbeat.admitted.is_set() for node in nodes) == 1
    for node in nodes:
        node.heartbeat.stop()
    assert not bucket.objects


def test_the_name_of_an_agent_that_was_killed_is_free_70_seconds_after_its_last_heartbeat() -> None:
    clock = Clock()
    bucket = Bucket(clock)
    killed, again = Node(bucket, "one"), Node(bucket, "two")
    killed.records.save_node(killed.says)
    clock.now += 69
    again.start_waiting()
    clock.now += 1
    wait_until(again.heartbeat.admitted.is_set, "the next life to have the name")
    assert (holders(bucket), holder(bucket)) == (["n.json"], "two")
    again.heartbeat.stop()


@pytest.mark.parametrize("instance", ["one", ""])
def test_a_name_that_is_known_to_be_free_is_taken_at_once(bucket: Bucket, instance: str) -> None:
    """The agent that had it is known to have ended on this machine; or it was a polling pass."""
    killed, again = Node(bucket, "one"), Node(bucket, "two", ended="zero one")
    killed.records.save_node(replace(killed.says, instance=instance))
    again.start()
    assert holder(bucket) == "two"
    again.heartbeat.stop()


def test_the_next_polling_pass_finds_the_name_free(bucket: Bucket) -> None:
    for instance in ("one", "two"):
        node = Node(bucket, instance)
        node.start()
        node.heartbeat.stop(gone=False)
        assert holders(bucket) == ["n.json"], "other nodes still count on it"


def test_a_damaged_heartbeat_holds_no_name(bucket: Bucket) -> None:
    bucket.put(PATH.node("n"), b"\xff{")
    node = Node(bucket)
    node.start()
    assert holder(bucket) == "one"
    node.heartbeat.stop()


def test_a_stranger_who_writes_its_heartbeat_is_reported_and_stops_nobody(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, stranger = Node(bucket, "one"), Node(bucket, "two", embedded=True)
    first.start()
    stranger.records.save_node(replace(stranger.says, since=0.0))
    beating(first, lambda: first.heartbeat.duplicate_node, "the first to see the stranger")
    assert "give each its own --node" in caplog.text
    assert not first.heartbeat.refusal
    monkeypatch.setattr(heartbeat, "LIVE_SECONDS", 0.05)
    beating(first, lambda: not first.heartbeat.duplicate_node, "the first to be alone again")
    assert holder(bucket) == "one"
    first.heartbeat.stop()
    assert not bucket.objects


def test_an_agent_that_was_silent_for_too_long_has_lost_its_name() -> None:
    clock = Clock()
    bucket = Bucket(clock)
    paused, other = Node(bucket, "one"), Node(bucket, "two")
    paused.start()
    clock.now += 100
    other.start()
    beating(paused, lambda: paused.heartbeat.refusal, "the paused one to see it")
    assert not other.problems()
    other.heartbeat.stop()
    wait_until(lambda: not paused.heartbeat.refusal, "the paused one to have its name again")
    assert holder(bucket) == "one"
    paused.heartbeat.stop()
    assert not bucket.objects


@pytest.mark.parametrize(("first_embedded", "second_embedded"), [(True, True), (True, False), (False, True)])
def test_of_two_schedulers_the_one_that_was_there_first_goes_on(
    bucket: Bucket, first_embedded: bool, second_embedded: bool
) -> None:
    first, second = Node(bucket, node="m", embedded=first_embedded), Node(bucket, embedded=second_embedded)
    first.start()
    second.start()
    assert "m is alive on this path too" in second.heartbeat.refusal
    assert "the same --scheduler-url" in second.heartbeat.refusal
    first.turn()
    assert not first.problems()
    first.heartbeat.stop()
    wait_until(lambda: not second.heartbeat.refusal, "it to be alone")
    second.heartbeat.stop()


def test_several_that_are_there_are_named_as_several(bucket: Bucket) -> None:
    others, last = [Node(bucket, node=name) for name in ("a", "b")], Node(bucket, embedded=True)
    for node in (*others, last):
        node.start()
    assert "a, b are alive on this path too, and this agent runs a scheduler of its own" in last.heartbeat.refusal
    for node in (*others, last):
        node.heartbeat.stop()


def test_nodes_with_one_shared_scheduler_do_not_conflict(bucket: Bucket) -> None:
    first, second = Node(bucket, node="m"), Node(bucket)
    for node in (first, second):
        node.start()
        assert not node.heartbeat.refusal
    for node in (first, second):
        node.heartbeat.stop()


def test_of_two_that_start_together_with_schedulers_of_their_own_one_goes_on(bucket: Bucket) -> None:
    nodes = [Node(bucket, node=str(number), embedded=True) for number in range(8)]
    for node in nodes:
        node.heartbeat.start()
    wait_until(lambda: all(node.heartbeat.admitted.is_set() for node in nodes), "every node to have looked")
    assert [bool(node.heartbeat.refusal) for node in nodes].count(False) == 1
    for node in nodes:
        node.heartbeat.stop()
    assert not bucket.objects


def test_a_heartbeat_planted_later_stops_no_node_with_a_scheduler_of_its_own(bucket: Bucket) -> None:
    node = Node(bucket, embedded=True)
    node.start()
    planted = replace(RECORD, node="earlier", instance="x", embedded=True, since=0.0)
    PathState(MemoryStore(bucket), PATH, "earlier").records.save_node(planted)
    before = node.writes
    beating(node, lambda: node.writes >= before + 3, "three beats")
    assert not node.heartbeat.refusal
    node.heartbeat.stop()
