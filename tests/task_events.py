"""What a Luigi process says of its tasks, as tests write it: see `poltergust/luigi_run/inside/task_events.py`."""

from __future__ import annotations


def announced(task: str, **more: object) -> dict[str, object]:
    return {"event": "announced", "task": task, "family": "Part", "params": {"n": task}, **more}


def started(task: str, at: float) -> dict[str, object]:
    return {"event": "started", "task": task, "time": at}


def ended(task: str, at: float, status: str = "DONE", error: str = "") -> dict[str, object]:
    return {"event": "ended", "task": task, "time": at, "status": status, "error": error}
