"""What each task of this run did in this process, sent to the agent in batches: announced, started, ended.

The scheduler forgets a task some minutes after it is done; what is sent here outlives it. An event is a JSON object:

    {"event": "announced", "task": ID, "family": ..., "params": {...}, "deps": [...], "complete": true or false}
    {"event": "started", "task": ID, "time": ...}
    {"event": "ended", "task": ID, "time": ..., "status": "DONE", "FAILED" or "PENDING", "error": ..., "deps": [...]}

PENDING: it yielded tasks that have to run first, its `deps`. Times are seconds since 1970 by this machine's clock.
"""

import json
import threading
import time
from typing import Any, Callable, Dict, List, Set

from .ending import shortened

BATCH_SECONDS = 0.5  # events wait for others that long, until the next one or the watching thread sends them
BATCH_EVENTS = 200
MAX_PARAMETERS = 50
MAX_VALUE_CHARACTERS = 300
MAX_DEPENDENCIES = 1000
MAX_ERROR_CHARACTERS = 2000  # of the exception's text


class TaskEvents:
    """`send` hands a batch to the agent. Safe to use from several threads."""

    def __init__(self, send: Callable[[List[Dict[str, Any]]], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._waiting: List[Dict[str, Any]] = []
        self._sent = 0.0  # monotonic seconds
        self._announced: Set[str] = set()
        self._started: Dict[str, List[str]] = {}  # what runs here, each with the members of the batch that it is

    def added(self, kwargs: Dict[str, Any]) -> None:
        """A call of `add_task`: an announcement, or the report of a task that ran here. One without a family only
        changes what the scheduler remembers."""
        if not kwargs.get("family"):
            return
        task, status = str(kwargs.get("task_id")), str(kwargs.get("status"))
        # A result says nothing of whether it can run here; an announcement does, and a task that yields one which runs
        # already announces it again (luigi/worker.py `_handle_next_task`, `_add`).
        result = kwargs.get("runnable") is None and status in ("DONE", "FAILED", "PENDING")
        if result and task in self._started:
            event: Dict[str, Any] = {"event": "ended", "time": time.time(), "status": status}
            if status == "FAILED":
                event["error"] = shortened(_text(kwargs.get("expl")), MAX_ERROR_CHARACTERS)
            if kwargs.get("new_deps"):
                event["deps"] = _ids(kwargs["new_deps"])
            for one in [task, *self._started.pop(task)]:
                self._add({**event, "task": one})
        elif task not in self._announced:
            self._announced.add(task)
            params = kwargs.get("params") or {}
            self._add(
                {
                    "event": "announced",
                    "task": task,
                    "family": str(kwargs["family"]),
                    "params": {
                        str(name): str(params[name])[:MAX_VALUE_CHARACTERS] for name in list(params)[:MAX_PARAMETERS]
                    },
                    "deps": _ids(kwargs.get("deps")),
                    "complete": status == "DONE",
                }
            )

    def started(self, task: str, members: List[str]) -> None:
        """This process runs the task now; `members` are the tasks that it stands for, if it is a batch."""
        self._started[task] = members
        for one in [task, *members]:
            self._add({"event": "started", "task": one, "time": time.time()})

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._sent = time.monotonic()
            if batch:
                self._send(batch)

    def _add(self, event: Dict[str, Any]) -> None:
        with self._lock:
            self._waiting.append(event)
            due = len(self._waiting) >= BATCH_EVENTS or time.monotonic() - self._sent > BATCH_SECONDS
        if due:
            self.flush()


def _ids(tasks: Any) -> List[str]:
    return [str(task) for task in list(tasks or ())[:MAX_DEPENDENCIES]]


def _text(explanation: Any) -> str:
    """Luigi's worker sends a traceback as a JSON string."""
    try:
        value = json.loads(explanation)
    except (TypeError, ValueError):
        value = explanation
    return value if isinstance(value, str) else ""
