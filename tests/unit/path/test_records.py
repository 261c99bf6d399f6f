"""Records as other versions and other programs find them beside the path: their JSON stays as it is."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest

from poltergust.base.progress import Progress, TaskFailure
from poltergust.path.layout import WatchedPath
from poltergust.path.records import NodeRecord, PhaseTimings, Records, RunEnvironment, RunRecord, State
from poltergust.path.state import PathState
from tests.emulators.memory import Bucket, Call, MemoryStore
from tests.stored_records import record_of

RUN = RunRecord(
    "sub/x",
    "17",
    "node-1",
    state=State.FINISHED,
    outcome="error",
    reason="task-failed",
    text="Report failed",
    attempts=2,
    attempts_made=3,
    started=12.5,
    timings=PhaseTimings(0.25, 28.0),
    environment=RunEnvironment("gs://b/e.yaml", "0a1b", "3.8.20", "9f", built=True),
    scheduler="http://head:8082",
    worker="poltergust-node-1-77-ab-1",
    root_task_id="Report_1",
    failures=(TaskFailure("Report_1", "Report", "KeyError: 'é'", "Report(day=1)"),),
    progress=Progress(done=1, failed=1),
)

WRITTEN = """{
 "format": 1,
 "name": "sub/x",
 "generation": "17",
 "node": "node-1",
 "state": "finished",
 "outcome": "error",
 "reason": "task-failed",
 "text": "Report failed",
 "renamed": null,
 "refused": "",
 "attempts": 2,
 "attempts_made": 3,
 "retry_at": null,
 "started": 12.5,
 "ended": null,
 "timings": {
  "environment": 0.25,
  "luigi": 28.0
 },
 "environment": {
  "url": "gs://b/e.yaml",
  "key": "0a1b",
  "python": "3.8.20",
  "lock": "9f",
  "built": true,
  "size": 0
 },
 "code": "",
 "config_digest": "",
 "environment_digest": "",
 "lock_digest": "",
 "scheduler": "http://head:8082",
 "worker": "poltergust-node-1-77-ab-1",
 "root_task_id": "Report_1",
 "failures": [
  {
   "task_id": "Report_1",
   "family": "Report",
   "error": "KeyError: 'é'",
   "name": "Report(day=1)"
  }
 ],
 "progress": {
  "done": 1,
  "running": 0,
  "pending": 0,
  "failed": 1
 }
}"""

NODE = NodeRecord("node-1", "77", "1.0", "host", 5, "http://head:8082", False, True, "ready", ("x",), 2, ("a problem",))


@pytest.fixture
def state(tmp_path: Path) -> PathState:
    (tmp_path / "p").mkdir()
    return PathState.open(WatchedPath(str(tmp_path / "p")), "node-1")


def put(state: PathState, content: object) -> None:
    """Stand in for whoever wrote this node's record of the run."""
    state.store.write(state.path.run("sub/x", "17", "node-1"), json.dumps(content).encode())


def test_a_run_record_is_written_as_every_version_wrote_it_and_read_back(state: PathState) -> None:
    state.records.save_run(RUN)
    assert Path(state.path.run("sub/x", "17", "node-1")).read_text() == WRITTEN
    assert record_of(state.records, "sub/x", "17") == RUN


def test_a_heartbeat_is_read_back(state: PathState) -> None:
    state.records.save_node(NODE)
    found = state.records.name_holder().seen
    assert found is not None
    assert found.record == NODE


def test_what_a_run_does_not_have_yet_is_an_empty_object(state: PathState) -> None:
    young = replace(RUN, timings=PhaseTimings(0.25), environment=None, failures=(), progress=None)
    state.records.save_run(young)
    found = json.loads(Path(state.path.run("sub/x", "17", "node-1")).read_bytes())
    assert (found["timings"], found["environment"], found["progress"]) == ({"environment": 0.25}, {}, {})
    assert record_of(state.records, "sub/x", "17") == young


def test_counts_of_zero_are_not_the_same_as_none(state: PathState) -> None:
    state.records.save_run(replace(RUN, progress=Progress()))
    found = record_of(state.records, "sub/x", "17")
    assert found is not None
    assert found.progress == Progress()


def test_a_record_of_another_version_is_read_with_what_it_has(state: PathState) -> None:
    older = {"name": "sub/x", "generation": "17", "node": "node-1", "environment": {"url": "e.yaml"}, "started": 12}
    newer = {"format": 2, "mood": [1], "timings": {"luigi": 1, "upload": 2.0}, "progress": {"done": 3, "lost": 1}}
    put(state, {**older, **newer})
    assert record_of(state.records, "sub/x", "17") == RunRecord(
        "sub/x",
        "17",
        "node-1",
        started=12,
        timings=PhaseTimings(luigi=1),
        environment=RunEnvironment("e.yaml"),
        progress=Progress(done=3),
    )


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", None, "name: None"),
        ("state", "unheard-of", "state: 'unheard-of'"),
        ("attempts", "two", "attempts: 'two'"),
        ("attempts", True, "attempts: True"),
        ("renamed", "yes", "renamed: 'yes'"),
        ("environment", {"key": 5}, "environment.key: 5"),
        ("environment", "e.yaml", "environment: 'e.yaml'"),
        ("timings", {"luigi": True}, "timings.luigi: True"),
        ("failures", ["Report_1"], "failures: 'Report_1'"),
        ("failures", None, "failures: None"),
        ("progress", [1], "progress: [1]"),
    ],
)
def test_a_field_of_a_wrong_type_makes_the_record_a_damaged_one_and_is_named(
    state: PathState, caplog: pytest.LogCaptureFixture, field: str, value: object, problem: str
) -> None:
    put(state, {**RUN.content(), field: value})
    with caplog.at_level(logging.WARNING):
        assert record_of(state.records, "sub/x", "17") is None
    (line,) = caplog.messages
    assert line.startswith(f"ignoring the damaged record {state.path.run('sub/x', '17', 'node-1')}: {problem} is not")


def test_phases_of_all_attempts_add_up() -> None:
    timings = PhaseTimings().plus(environment=0.25).plus(luigi=17.5).plus(environment=0.0104).plus(luigi=0.4)
    assert timings == PhaseTimings(0.26, 17.9)


def test_a_heartbeat_that_says_the_same_is_not_read_again() -> None:
    """Of three hundred nodes each writes one a minute."""
    bucket, read = Bucket(time.time), []

    def gate(call: Call) -> None:
        read.extend([call.url] if call.operation == "read" else [])

    def records(node: str) -> Records:
        return PathState(MemoryStore(bucket, gate), WatchedPath("gs://b/p"), node, "i").records

    looks, other = records("looks"), records("other")
    beat = NodeRecord("other", "i", "1", "h", 1, "", False, True, "ready")
    first = other.save_node(beat)
    looks.save_node(replace(beat, node="looks"))
    assert [seen.record for seen in looks.live_nodes()] == [beat]
    read.clear()
    again = other.save_node(beat)
    assert [seen.updated for seen in looks.live_nodes()] == [again]
    assert again != first
    assert not read
    other.save_node(replace(beat, state="draining"))
    assert [seen.record.state for seen in looks.live_nodes()] == ["draining"]
