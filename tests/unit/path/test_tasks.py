"""Every task's story, put together from what the nodes of a run wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poltergust.base.redaction import MASK, Redactor
from poltergust.path.background import Background
from poltergust.path.tasks import TaskLog, TaskState, TaskStory, TaskTimer, by_interest, stories
from poltergust.stores.folder import FolderStore
from tests.task_events import announced, ended, started


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def process(worker: str) -> dict[str, object]:
    return {"event": "process", "worker": worker, "format": 1}


def story(files: dict[str, bytes], *nodes_ended: str) -> TaskStory:
    (found,) = stories(files, frozenset(nodes_ended))
    return found


def test_a_task_from_its_announcement_to_its_end() -> None:
    data = lines(process("w1"), announced("a", deps=["b"]), started("a", 10.0), ended("a", 12.5))
    assert story({"n1": data}) == TaskStory(
        "a", "Part", {"n": "a"}, TaskState.DONE, "n1", "w1", 10.0, 12.5, 1, "", ("b",)
    )
    assert story({"n1": data}).name == "Part(n=a)"
    assert story({"n1": data}).seconds == 2.5


def test_it_requires_what_it_yielded_besides_what_it_said_before() -> None:
    yielded = {**ended("a", 11.0, "PENDING"), "deps": ["c", "b"]}
    data = lines(process("w1"), announced("a", deps=["b"]), started("a", 10.0), yielded)
    assert story({"n1": data}).dependencies == ("b", "c")


def test_one_that_nobody_ran_is_pending_or_was_complete_before() -> None:
    assert story({"n1": lines(announced("a"))}).state is TaskState.PENDING
    assert story({"n1": lines(announced("a", complete=True))}).state is TaskState.COMPLETE


def test_what_a_run_that_is_done_left_pending_another_one_made() -> None:
    data = lines(process("w1"), announced("a"), started("b", 10.0), ended("b", 11.0, "FAILED"), started("c", 10.0))
    states = {each.task_id: each.state for each in stories({"n1": data}, frozenset({"n1"}), done=True)}
    assert states == {"a": TaskState.COMPLETE, "b": TaskState.FAILED, "c": TaskState.LOST}


def test_a_failure_on_one_node_and_the_success_on_another() -> None:
    first = lines(process("w1"), announced("a"), started("a", 10.0), ended("a", 11.0, "FAILED", "ValueError: no"))
    second = lines(process("w2"), announced("a"), started("a", 20.0), ended("a", 21.0))
    for files in ({"n1": first, "n2": second}, {"n2": second, "n1": first}):
        found = story(files)
        assert (found.state, found.node, found.attempts, found.failure) == (TaskState.DONE, "n2", 2, "ValueError: no")


def test_what_had_no_end_is_running_until_its_process_or_node_ended() -> None:
    data = lines(process("w1"), started("a", 10.0))
    assert story({"n1": data}).state is TaskState.RUNNING
    assert story({"n1": data}, "n1").state is TaskState.LOST
    assert story({"n1": data + lines(process("w2"))}).state is TaskState.LOST
    again = data + lines(process("w2"), started("a", 20.0))
    assert story({"n1": again}).state is TaskState.RUNNING


def test_one_that_yielded_others_and_went_on_is_one_attempt() -> None:
    def leg(start: float, end: float, **more: object) -> list[dict[str, object]]:
        return [started("a", start), {**ended("a", end, "PENDING"), **more}]

    one = lines(process("w"), *leg(1.0, 2.0, deps=["b"]), *leg(5.0, 6.0, deps=["c"]))
    other = lines(process("v"), started("a", 9.0), ended("a", 10.0))  # by then its leg was that of another node
    for files in ({"n": one, "m": other}, {"m": other, "n": one}):
        found = story(files)
        assert (found.state, found.node, found.attempts) == (TaskState.DONE, "m", 1)
        assert (found.started, found.ended, found.seconds) == (1.0, 10.0, 9.0)
    failed = lines(process("v"), started("a", 9.0), ended("a", 10.0, "FAILED"), started("a", 20.0), ended("a", 22.0))
    found = story({"n": one, "m": failed})
    assert (found.attempts, found.started, found.seconds) == (2, 20.0, 2.0)


def test_one_that_is_given_back_runs_again() -> None:
    data = lines(process("w"), started("a", 1.0), ended("a", 2.0, "PENDING"), started("a", 5.0), ended("a", 6.0))
    found = story({"n": data})
    assert (found.state, found.attempts, found.started) == (TaskState.DONE, 2, 5.0)


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"event": "started", "ta',
        b"[poltergust: 3 lines lost]",
        b"[" * 100_000,
        b"\xff\xfe\n",
        b'{"event": "started", "task": 7, "time": "soon"}',
        b'{"event": "started", "task": "a", "time": [1]}',
        b'{"event": "announced", "task": "a", "params": 5, "deps": {}, "family": []}',
        b'{"event": "ended", "task": "a", "status": {}}',
        b'{"event": "invented later", "task": "a"}',
        b'{"event": "process", "worker": null}',
    ],
)
def test_lines_that_are_no_events_change_nothing_else(damaged: bytes) -> None:
    data = lines(process("w"), announced("x"), started("x", 1.0), ended("x", 2.0)) + damaged
    found = {each.task_id: each for each in stories({"n": data})}
    assert found["x"].state is TaskState.DONE


def test_what_is_written_is_redacted_and_read_again(tmp_path: Path) -> None:
    store, url = FolderStore(tmp_path), str(tmp_path / "runs" / "n.tasks.jsonl")
    redact = Redactor([{"MY_TOKEN": "s3cr3t-value"}])
    background = Background()
    with TaskLog(store, url, redact=redact, background=background, limit=10_000_000) as log:
        log.process("w")
        log.events(
            [
                announced("a") | {"params": {"where": "s3cr3t-value", "db_password": "other", "text": "caf\udce9"}},
                started("a", 1.0),
                ended("a", 2.0, "FAILED", "ValueError: s3cr3t-value"),
                "no event",
                {"event": "started"},
            ]
        )
    assert background.flush(60)
    assert "s3cr3t-value" not in Path(url).read_text()
    found = story({"n": Path(url).read_bytes()})
    assert found.parameters == {"where": MASK, "db_password": MASK, "text": "caf\\udce9"}
    assert (found.state, found.failure) == (TaskState.FAILED, f"ValueError: {MASK}")


def test_failed_come_first_and_then_the_longest() -> None:
    found = stories(
        {
            "n": lines(
                *(started(task, 0.0) for task in "abc"), ended("a", 1.0), ended("b", 9.0), ended("c", 1.0, "FAILED")
            )
        }
    )
    assert [each.task_id for each in by_interest(found)] == ["c", "b", "a"]


def test_each_attempt_that_ended_is_timed_however_the_events_were_cut() -> None:
    timer = TaskTimer()
    events: list[object] = [announced("a"), started("a", 1.0), ended("a", 3.0, "FAILED"), started("a", 4.0)]
    assert list(timer.attempts(events)) == [("Part", "failed", 2.0)]
    more: list[object] = [ended("a", 4.5), started("b", 0.0), ended("b", 1.0, "PENDING"), "no event", {"event": 7}]
    assert list(timer.attempts(more)) == [("Part", "done", 0.5)]
    resumed: list[object] = [started("b", 5.0), ended("b", 6.0)]
    assert list(timer.attempts(resumed)) == [("", "done", 6.0)]
