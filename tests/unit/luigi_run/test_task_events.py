"""What a Luigi process says of its tasks, from the calls that Luigi's worker makes."""

from __future__ import annotations

from typing import Any

import pytest

from poltergust.luigi_run.inside.ending import headline, shortened
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


@pytest.mark.parametrize("message", ["x" * 9000, "no such row\n" + "a line of the statement\n" * 500])
def test_an_exception_with_a_long_message_keeps_its_type(message: str) -> None:
    text = f'Traceback (most recent call last):\n  File "a.py", line 1, in run\n    work()\nValueError: {message}'
    short = shortened(text, 2000)
    assert len(short) <= 2000
    assert headline(short) == headline(text)
    assert short.splitlines()[0].startswith("ValueError: ")
    assert short.endswith(text[-100:])


def test_of_a_long_traceback_the_end_is_kept() -> None:
    frames = '  File "a.py", line 1, in run\n    work()\n' * 200
    text = f"Traceback (most recent call last):\n{frames}ValueError: no such row"
    short = shortened(text, 2000)
    assert short.splitlines()[0] == "ValueError: no such row"
    assert short.splitlines()[1] in frames.splitlines()
    assert short.endswith(text[-1500:])
