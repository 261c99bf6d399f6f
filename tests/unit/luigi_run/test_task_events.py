"""What a Luigi process says of its tasks, from the calls that Luigi's worker makes."""

from __future__ import annotations

from typing import Any

from poltergust.luigi_run.inside.task_events import TaskEvents


def test_a_task_that_another_one_yields_while_it_runs_has_not_ended() -> None:
    sent: list[dict[str, Any]] = []
    events = TaskEvents(sent.extend)
    announced = {"task_id": "L", "family": "Load", "status": "PENDING", "runnable": True, "params": {}}
    events.added(announced)
    events.started("L", [])
    events.added(announced)
    events.added({"task_id": "L", "family": "Load", "status": "DONE", "runnable": None, "new_deps": []})
    events.flush()
    assert [(each["event"], each.get("status")) for each in sent] == [
        ("announced", None),
        ("started", None),
        ("ended", "DONE"),
    ]
