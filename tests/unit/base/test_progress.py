"""A task's name for people."""

from __future__ import annotations

from poltergust.base.progress import MAX_TASK_NAME_CHARACTERS, TaskFailure, task_name


def test_a_task_is_named_as_people_write_it() -> None:
    reported = {"task_id": "Join_2026_05_01__tmp_x_9b1c", "family": "Join", "error": "KeyError: 1"}
    failure = TaskFailure.decode({**reported, "params": {"date": "2026-05-01", "target": "/tmp/x"}})
    assert failure.name == "Join(date=2026-05-01, target=/tmp/x)"
    assert TaskFailure.decode({**reported, "name": failure.name}) == failure  # as a record has it
    assert TaskFailure.decode(reported).name == ""  # an older version's record
    assert task_name("Count", {}) == "Count()"


def test_a_long_value_is_cut() -> None:
    assert task_name("All", {"files": "x" * 5000, "day": "1"}).endswith("…, day=1)")
    assert len(task_name("All", {f"p{number}": "x" * 50 for number in range(50)})) == MAX_TASK_NAME_CHARACTERS
