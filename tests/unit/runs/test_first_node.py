"""Whose turn it is to start Luigi, from what a node sees."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus
from poltergust.luigi_run.notes import Note, NoteState
from poltergust.luigi_run.run_view import WorkView
from poltergust.path.layout import WatchedPath
from poltergust.path.outcome import Config
from poltergust.path.records import NodeRecord, RunRecord
from poltergust.path.state import PathState
from poltergust.runs import first_node
from poltergust.runs.context import RunContext, SharedScheduler
from poltergust.runs.first_node import LATE_SECONDS, Turn, Turns, order, turn
from poltergust.runs.run import Run
from poltergust.runs.settings import RunSettings
from tests.emulators.memory import Bucket, MemoryStore

NODES = ["a", "b", "c", "d", "e", "f", "g", "h"]


def starters(view: WorkView, seconds: float = 0.0, nodes: list[str] = NODES) -> str:
    """The nodes whose turn it is, `seconds` after all became ready and the run was seen so."""
    return "".join(node for node in nodes if not turn(node, nodes, view, 0.0, seconds).waits_for)


def test_the_order_is_one_for_all_and_moves_only_those_who_come_or_go() -> None:
    every = order(NODES, "name")
    assert order(reversed(NODES), "name") == every
    assert [node for node in every if node != "c"] == order([node for node in NODES if node != "c"], "name")
    firsts = [order(NODES, str(number))[0] for number in range(800)]
    assert all(firsts.count(node) > 50 for node in NODES), "nobody is first much more often than others"


@pytest.mark.parametrize(
    ("late", "who"), [(0.0, "a"), (0.99, "a"), (1.0, "ab"), (2.0, "abcd"), (3.0, "abcdefgh"), (99.0, "abcdefgh")]
)
def test_twice_as_many_begin_for_each_time_that_nothing_is_heard(late: float, who: str) -> None:
    assert starters(WorkView(), late * LATE_SECONDS) == who


def test_a_node_that_was_ready_late_gives_the_first_its_time() -> None:
    late = turn("b", NODES, WorkView(), ready_at=100.0, now=100.0 + LATE_SECONDS - 1)
    assert late.waits_for == "a begins it"


def test_nodes_that_could_not_are_passed_and_more_others_begin_at_once() -> None:
    assert starters(WorkView(failed=frozenset("a"))) == "abc", "its own retries are its own affair"
    assert starters(WorkView(failed=frozenset("ab"))) == "abcdef"


def test_others_join_one_for_each_task_that_nobody_has_taken() -> None:
    working = frozenset("a")
    assert starters(WorkView(working=working)) == "a"
    assert starters(WorkView(working=working, wanted=3)) == "abcd"
    assert starters(WorkView(working=working, wanted=100)) == "abcdefgh"
    assert starters(WorkView(working=working, wanted=2, failed=frozenset("b"))) == "acd", "who failed comes last"
    assert turn("b", NODES, WorkView(working=working, wanted=1), 0.0, 0.0) == Turn(joins=True)
    assert starters(WorkView(working=working, wanted=1), LATE_SECONDS) == "abc", (
        "who is wanted and does not come is passed"
    )


def test_nobody_is_late_before_the_next_look_for_data_is() -> None:
    due = WorkView(silent_since=100.0)
    assert starters(due, 99.0) == "a"
    assert starters(due, 100.0 + LATE_SECONDS) == "ab"
    assert turn("b", NODES, due, 0.0, 50.0).waits_for == "a looks for its data"


PATH = WatchedPath("gs://bucket/pipeline")


class Watch:
    """Shows what a test says, and remembers what it is told."""

    def __init__(self) -> None:
        self.seen: WorkView | None = WorkView()
        self.time = 100.0
        self.told: list[tuple[str, Note]] = []

    def view(self, part: str) -> WorkView | None:
        return self.seen

    def now(self) -> float:
        return self.time

    def tell(self, worker_id: str, note: Note) -> None:
        self.told.append((worker_id, note))


class Ready:
    """A run whose environment is ready on `second`, which is not the first of two nodes."""

    def __init__(self, *, taking: bool = True, labels: tuple[str, ...] = ()) -> None:
        bucket = Bucket(time.time)
        first, self.node = order(["one", "two"], "x")
        self.store = MemoryStore(bucket, lambda call: None)
        for node in (first, self.node):
            state = self.beat(node, taking=taking, labels=labels)
        self.watch = Watch()
        url, unused = "http://head:8082", Path("unused")
        scheduler = SharedScheduler(url, url, lambda root: GraphStatus(0, True), watch=self.watch)
        context = RunContext(RunSettings(), state, scheduler, Stopping(), unused, unused)
        self.turns = Turns(context)
        self.run = Run(Config("x", "1", b""), RunRecord("x", "1", self.node, attempts=1), began=0.0)
        self.first = first

    def beat(self, node: str, *, taking: bool, labels: tuple[str, ...] = ()) -> PathState:
        state = PathState(self.store, PATH, node, "i")
        state.records.save_node(NodeRecord(node, "i", "1", "h", 1, "", False, taking, "ready", labels=labels))
        return state


def test_a_node_waits_for_the_first_one_until_its_turn_comes() -> None:
    ready = Ready()
    assert not ready.turns.has_come(ready.run), "its environment is not ready"
    assert ready.turns.of(ready.run).waits_for == f"{ready.first} begins it"
    assert not ready.turns.has_come(ready.run)
    assert ready.turns.is_about_to_come(ready.run), "the first one may say any moment what there is to do"
    ready.watch.time += LATE_SECONDS
    assert ready.turns.has_come(ready.run)
    assert not ready.turns.is_about_to_come(ready.run)
    assert ready.turns.of(ready.run) == Turn()


def test_before_the_first_look_at_the_scheduler_nobody_is_late() -> None:
    ready = Ready()
    ready.watch.seen = None
    assert ready.turns.of(ready.run).waits_for
    ready.watch.time += LATE_SECONDS
    assert ready.turns.of(ready.run).waits_for


@pytest.mark.parametrize("other", [{"taking": False, "labels": ("gpu",)}, {"labels": ("cpu",)}])
def test_nobody_waits_for_a_node_that_takes_nothing_or_does_not_match(other: dict[str, object]) -> None:
    ready = Ready(**other)  # type: ignore[arg-type]
    ready.run.nodes = ("gpu",)
    assert ready.turns.of(ready.run) == Turn()


def test_a_polling_pass_waits_for_nobody() -> None:
    ready = Ready()
    ready.turns.waits = False
    assert ready.turns.of(ready.run) == Turn()
    assert not ready.turns.has_come(ready.run)


def test_what_thousands_of_runs_wait_for_is_not_found_out_anew_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Ready()
    made: list[str] = []

    def counted(nodes: Iterable[str], name: str) -> list[str]:
        made.append(name)
        return order(nodes, name)

    monkeypatch.setattr(first_node, "order", counted)
    assert ready.turns.of(ready.run).waits_for
    for _ in range(3):
        assert not ready.turns.has_come(ready.run)
        ready.turns.live_nodes.ask(max_age=0.0)  # heartbeats come, and say the same
    assert len(made) == 1
    ready.beat(ready.first, taking=False)
    ready.turns.live_nodes.ask(max_age=0.0)
    assert ready.turns.has_come(ready.run)


def test_what_failed_here_is_tried_again_whoever_is_at_it() -> None:
    ready = Ready()
    ready.watch.seen = WorkView(working=frozenset({ready.first}))
    assert ready.turns.of(ready.run).waits_for
    ready.run.record = RunRecord("x", "1", ready.node, attempts=2)
    assert ready.turns.of(ready.run) == Turn(joins=True)


def test_the_others_are_told_why_it_stopped_here() -> None:
    ready = Ready()
    ready.turns.of(ready.run)
    ready.turns.stopped(ready.run, Reason.OTHERS_RUN, again=5.0)
    assert not ready.watch.told, "Luigi never started"
    ready.turns.stopped(ready.run, Reason.INSTALL_FAILED, again=5.0)
    ready.run.in_luigi = True
    for reason in (Reason.OTHERS_RUN, Reason.DATA_MISSING, Reason.CONFIG_GONE, Reason.DRAINED):
        ready.turns.stopped(ready.run, reason, again=5.0)
    assert [note for _, note in ready.watch.told] == [
        Note(NoteState.CANNOT),
        Note(NoteState.ENDED),
        Note(NoteState.ENDED, again=5.0),
        Note(NoteState.CANNOT),
    ]
    ready.watch.seen = WorkView(working=frozenset({ready.first}), wanted=1)
    assert not ready.turns.has_come(ready.run), "it found nothing here, and rests"
    assert ready.turns.of(ready.run).waits_for, "also when a scan brings it back"
    ready.watch.time += 5.0
    assert ready.turns.has_come(ready.run)
