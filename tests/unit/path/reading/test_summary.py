"""From records to the state of a config: every combination that matters, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poltergust.base.progress import Progress
from poltergust.path.layout import Kind
from poltergust.path.reading import summary
from poltergust.path.reading.model import ConfigState, ConfigView, NodeView
from poltergust.path.records import NodeRecord, RunRecord, Seen, State

NOW = 10_000.0
URL = "gs://b/p/x.config.yaml"


def heartbeat(node: str, age: float = 10.0, state: str = "ready") -> NodeView:
    record = NodeRecord(node, "i", "1", "host", 1, "http://head:8082", False, state == "ready", state)
    return summary.node(Seen(record, NOW - age), NOW)


def run(node: str, state: State, age: float = 10.0, **fields: object) -> Seen[RunRecord]:
    return Seen(RunRecord("x", "1", node, state=state, **fields), NOW - age)  # type: ignore[arg-type]


def judged(*records: Seen[RunRecord], nodes: tuple[NodeView, ...] = (), kind: Kind = Kind.CONFIG) -> ConfigView:
    found = summary.runs(records, nodes, NOW)
    return summary.config("x", URL, NOW - 100, NOW, kind=kind, generation="1", found=found)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], ConfigState.QUEUED),
        ([State.PREPARING], ConfigState.PREPARING),
        ([State.PREPARING, State.RUNNING], ConfigState.RUNNING),
        ([State.WAITING, State.RUNNING], ConfigState.RUNNING),
        ([State.WAITING, State.RETRYING], ConfigState.RETRYING),
        ([State.WAITING, State.GAVE_UP], ConfigState.WAITING),
        ([State.GAVE_UP, State.GAVE_UP], ConfigState.GAVE_UP),
        ([State.RUNNING, State.FINISHED], ConfigState.FINISHED),
        ([State.ENDED], ConfigState.QUEUED),  # drained: nobody has it any more
        ([State.ENDED, State.RUNNING], ConfigState.RUNNING),
    ],
)
def test_a_config_is_in_the_state_of_its_furthest_node(states: list[State], expected: ConfigState) -> None:
    view = judged(*(run(f"node-{number}", state) for number, state in enumerate(states)))
    assert view.state is expected


def test_a_node_that_is_heard_of_no_more_does_not_count_as_running() -> None:
    records = (run("dead", State.RUNNING, age=1000), run("live", State.WAITING, age=1000, text="for dead"))
    view = judged(*records, nodes=(heartbeat("dead", age=1000), heartbeat("live")))
    assert (view.state, view.nodes, view.silent) == (ConfigState.WAITING, ("live",), ("dead",))
    assert view.text == "for dead"
    view = judged(records[0], nodes=(heartbeat("dead", age=1000),))
    assert (view.state, view.nodes, view.silent) == (ConfigState.STALLED, (), ("dead",))


def test_a_fresh_record_is_a_sign_of_life_where_the_heartbeat_was_deleted() -> None:
    assert judged(run("quiet", State.RUNNING, age=100)).state is ConfigState.RUNNING


def test_an_outcome_names_who_renamed_first_and_why() -> None:
    view = judged(
        run("a", State.ENDED, outcome="done", reason="complete", text="a's view", renamed=False),
        run("b", State.ENDED, outcome="done", reason="executed-root", text="b's view", renamed=True, started=NOW - 150),
        run("c", State.RUNNING),
        kind=Kind.DONE,
    )
    assert (view.state, view.nodes) == (ConfigState.DONE, ("b", "a", "c"))
    assert (view.reason, view.text) == ("executed-root", "b's view")
    assert (view.started, view.took, view.age) == (NOW - 150, 50.0, 100.0)


@pytest.mark.parametrize(
    ("kind", "age", "silent"),
    [(Kind.DONE, 100, ("killed",)), (Kind.CANCELLED, 100, ("killed",)), (Kind.ERROR, 100, ()), (Kind.DONE, 30, ())],
)
def test_who_still_runs_long_after_the_outcome_was_killed(kind: Kind, age: float, silent: tuple[str, ...]) -> None:
    """But after an error a node may go on: its success supersedes it."""
    records = [run("killed", State.RUNNING, age=110), run("gave-up", State.GAVE_UP), run("winner", State.ENDED)]
    found = summary.runs(records, [heartbeat(record.record.node) for record in records], NOW)
    view = summary.config("x", URL, NOW - age, NOW, kind=kind, generation="1", found=found)
    assert view.silent == silent


def test_a_cancelled_run_ended_when_its_nodes_stopped_and_nothing_of_it_runs() -> None:
    """No node renamed it. In a copy the outcome is as old as the copy."""
    counts = Progress(done=41, running=4, pending=18)
    stopped: dict[str, Any] = {"reason": "outcome-stands", "started": NOW - 900, "progress": counts}
    view = judged(
        run("a", State.ENDED, ended=NOW - 700, **stopped),
        run("b", State.ENDED, ended=NOW - 698, **stopped),
        run("drained", State.ENDED, ended=NOW - 800, reason="drained"),
        run("late", State.ENDED, ended=NOW - 50, reason="config-gone"),
        kind=Kind.CANCELLED,
    )
    assert (view.took, view.age, view.updated) == (200.0, 700.0, NOW - 700)
    assert view.progress == Progress(done=41, running=0, pending=22)


def test_what_still_runs_when_the_outcome_comes_is_counted_so() -> None:
    counts = Progress(done=1, running=1)
    at_work = run("a", State.RUNNING, progress=counts)
    found = summary.runs([at_work], [heartbeat("a")], NOW)
    ages = {
        age: summary.config("x", URL, NOW - age, NOW, kind=Kind.CANCELLED, generation="1", found=found)
        for age in (1.0, summary.STOPPED_SECONDS)
    }
    assert ages[1.0].progress == counts
    assert ages[summary.STOPPED_SECONDS].progress == Progress(done=1, pending=1)


def test_what_was_cancelled_before_a_node_had_it_has_no_run() -> None:
    earlier = run("a", State.ENDED, outcome="done", renamed=True, ended=NOW - 5000, started=NOW - 6000)
    view = judged(earlier, kind=Kind.CANCELLED)
    assert (view.generation, view.runs, view.took, view.age) == (None, (), None, 100.0)


def test_the_age_of_an_outcome_is_by_who_renamed_to_it() -> None:
    error = run("a", State.ENDED, outcome="error", renamed=True, ended=NOW - 900)
    done = run("b", State.ENDED, outcome="done", renamed=True, ended=NOW - 800)
    assert judged(error, done, kind=Kind.DONE).age == 800.0
    assert judged(error, done, kind=Kind.DONE).updated == NOW - 800


def test_an_outcome_without_records_is_one_all_the_same() -> None:
    view = judged(kind=Kind.ERROR)
    assert (view.state, view.nodes, view.took, view.reason) == (ConfigState.ERROR, (), None, None)


def test_a_refused_rename_is_what_is_shown() -> None:
    view = judged(run("a", State.FINISHED, reason="complete", text="done", refused="403: a hold"))
    assert (view.state, view.text) == (ConfigState.FINISHED, "403: a hold")


def test_the_counts_written_last_are_shown() -> None:
    view = judged(
        run("a", State.RUNNING, age=5, progress=Progress(done=3, pending=1)),
        run("b", State.RUNNING, age=50, progress=Progress(done=1, pending=3)),
        run("c", State.RUNNING, age=1),
    )
    assert view.progress == Progress(done=3, pending=1)


@pytest.mark.parametrize(
    ("age", "said", "state"),
    [(10, "ready", "ready"), (10, "draining", "draining"), (179, "ready", "ready"), (180, "ready", "silent")],
)
def test_a_node_is_silent_when_its_heartbeat_is_old(age: float, said: str, state: str) -> None:
    assert heartbeat("a", age, said).state == state


def test_a_server_time_behind_the_heartbeat_is_no_negative_age() -> None:
    assert heartbeat("a", age=-5).age == 0


def test_of_nodes_that_wait_the_one_that_looks_for_the_data_says_when() -> None:
    looks = run("a", State.WAITING, age=20, reason="data-missing", text="external data", retry_at=NOW + 30)
    waits = run("b", State.WAITING, age=5, reason="others-run", text="waiting: a looks for its data")
    view = judged(waits, looks)
    assert (view.reason, view.retry_in) == ("data-missing", 30)


@pytest.mark.parametrize(("standing", "waiting"), [(0, 0), (1, 0), (2, 1), (9, 3)])
def test_a_heartbeat_counts_none_that_are_no_longer_there(standing: int, waiting: int) -> None:
    beat = heartbeat("a")
    (seen,) = summary.with_configs([replace(beat, record=replace(beat.record, waiting=3, running=("x",)))], standing)
    assert seen.record.waiting == waiting
