"""What every task of a run did, beside the path: a file of JSON lines for each node, appended while the run goes on.

The scheduler forgets a task some minutes after it is done; these files tell a run's story when the scheduler has
forgotten it and every node is gone. One event a line, as `luigi_run/inside/task_events.py` sends them, and a line
``{"event": "process", "worker": ..., "format": 1}`` before those of each Luigi process.

A line that is no such event (torn at the end, of a newer version, written by somebody else) is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from poltergust.base.json_text import json_bytes, plausible_number, read_json
from poltergust.base.progress import task_name
from poltergust.base.redaction import KNOWN_NAMES, MASK, Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.text import cut
from poltergust.path.appended import AppendedLines
from poltergust.path.background import Background
from poltergust.stores import Store

MAX_FILE_BYTES = 32 * 1024 * 1024
"""What is written for one run and node, and what is read of it: about fifty thousand tasks."""

MAX_LINE_BYTES = 256 * 1024
"""A longer line is none of ours."""

MAX_TEXT_CHARACTERS = 2000
"""Of one failure, and of any other text."""


class TaskState(Enum):
    """Where a task is in its run, over all nodes. In the order in which a person wants to see them."""

    FAILED = "failed"  # its last attempt did; the scheduler may yet try it again
    LOST = "lost"  # the process that ran it ended before the task did
    RUNNING = "running"
    PENDING = "pending"
    DONE = "done"
    COMPLETE = "complete"  # without this run: it was there before, or the run of another config made it

    @property
    def ended_well(self) -> bool:
        return self in (TaskState.DONE, TaskState.COMPLETE)


@dataclass(frozen=True)
class TaskStory:
    """One task of one run. Its texts are redacted and bounded.

    `node` and `worker` are who ran it last, "" while nobody did. `started` and `ended` are those of its last attempt,
    in seconds since 1970 by that node's clock: None before it started, and until it ended. `attempts` counts those on
    all nodes; one that yielded other tasks and went on when they had run is the same attempt. `failure` is the text of
    its latest failure, "" without one. `dependencies` are task ids.
    """

    task_id: str
    family: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    state: TaskState = TaskState.PENDING
    node: str = ""
    worker: str = ""
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    failure: str = ""
    dependencies: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people write it, ``Join(date=2026-05-01)``; the id where its parameters are not known."""
        return task_name(self.family, self.parameters) or self.task_id

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took; None until it ended."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)


class TaskLog(AppendedLines):
    """Writes one node's events of one run. May be used from any thread."""

    def __init__(self, store: Store, url: str, *, redact: Redactor, background: Background, limit: int) -> None:
        super().__init__(store, url, background=background, limit=limit)
        self._redact = redact

    def process(self, worker: str) -> None:
        """The events from now on are those of a new Luigi process."""
        self._write({"event": "process", "worker": worker, "format": 1})

    def events(self, events: Iterable[object]) -> None:
        """What the process sent. Anything that is no event is left out: a task may write to the pipe as well."""
        for event in events:
            if isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("task"), str):
                self._write({str(key): self._fit(key, value) for key, value in event.items()})

    def _write(self, line: Mapping[str, object]) -> None:
        self.add(json_bytes(line).decode())

    def _fit(self, key: object, value: object) -> object:
        """Redacted, and nothing deeper than an event needs."""
        if isinstance(value, str):
            return cut(self._redact(value), MAX_TEXT_CHARACTERS)
        if isinstance(value, list):
            return [self._redact(one) for one in value if isinstance(one, str)]
        if isinstance(value, dict):
            return shown_parameters(value, self._redact, self._redact.names)
        return value if isinstance(value, (bool, int, float)) else None


def shown_parameters(
    parameters: Mapping[Any, object], redact: Redactor, names: SecretNames = KNOWN_NAMES
) -> dict[str, str]:
    """A task's parameters as the records have them: redacted, and masked whole where `names` has the name."""
    return {str(name): MASK if str(name) in names else redact(str(value)) for name, value in parameters.items()}


class TaskTimer:
    """How long tasks take, from the events of one Luigi process as they come."""

    def __init__(self) -> None:
        self._families: dict[str, str] = {}
        self._started: dict[str, float] = {}

    def attempts(self, events: Iterable[object]) -> Iterator[tuple[str, str, float]]:
        """Family, result ("done" or "failed") and seconds of each attempt that ended in these events. One that yielded
        other tasks goes on when they have run."""
        for event in events:
            if not isinstance(event, dict):
                continue
            kind, task, at = event.get("event"), _text(event.get("task")), plausible_number(event.get("time"))
            if kind == "announced":
                self._families[task] = _text(event.get("family"))
            elif kind == "started" and at is not None:
                self._started.setdefault(task, at)
            elif kind == "ended" and at is not None:
                result = {"DONE": "done", "FAILED": "failed"}.get(_text(event.get("status")))
                if result is not None and (started := self._started.pop(task, None)) is not None:
                    yield self._families.get(task, ""), result, max(0.0, at - started)


def stories(files: Mapping[str, bytes], ended: frozenset[str] = frozenset(), *, done: bool = False) -> list[TaskStory]:
    """Every task in those files (by node), one story each, in no order. `ended`: nodes on which nothing of the run goes
    on any more: what has no end there is lost. `done`: the root task is complete, so that what this run left pending
    was made by another."""
    found: dict[str, _Merged] = {}
    for node, data in files.items():
        worker = ""
        running: dict[str, None] = {}
        for event in _lines(data):
            kind, task = event.get("event"), event.get("task")
            if kind == "process":
                for lost in running:
                    found[lost].lose(node)
                running.clear()
                worker = _text(event.get("worker"))
            elif isinstance(task, str):
                merged = found.setdefault(task, _Merged(TaskStory(task)))
                if kind == "announced":
                    merged.announce(event)
                elif kind == "started":
                    running[task] = None
                    merged.start(node, worker, plausible_number(event.get("time")))
                elif kind == "ended":
                    running.pop(task, None)
                    merged.end(node, event)
        if node in ended:
            for lost in running:
                found[lost].lose(node)
    told = [merged.told() for merged in found.values()]
    if not done:
        return told
    return [replace(one, state=TaskState.COMPLETE) if one.state is TaskState.PENDING else one for one in told]


@dataclass
class _Leg:
    """From one start of a task to its end. `yielded`: it ended because other tasks have to run first."""

    node: str
    started: float
    yielded: bool = False


class _Merged:
    """One task's story while the events of all nodes are put together: what happened last, by the nodes' clocks, is
    where it stands."""

    def __init__(self, story: TaskStory) -> None:
        self.story = story
        self._latest = float("-inf")  # the start of the leg that the story shows
        self._legs: list[_Leg] = []
        self._undated = 0  # starts of which nobody knows when

    def told(self) -> TaskStory:
        """The story, its attempts counted: a leg after one that yielded goes on with that attempt, on whatever node."""
        attempts, began, goes_on = self._undated, self.story.started, False
        for leg in sorted(self._legs, key=lambda leg: leg.started):
            if not goes_on:
                attempts, began = attempts + 1, leg.started
            goes_on = leg.yielded
        return replace(self.story, attempts=attempts, started=began)

    def announce(self, event: Mapping[str, object]) -> None:
        parameters = event.get("params")
        self.story = replace(
            self.story,
            family=self.story.family or _text(event.get("family")),
            parameters=self.story.parameters
            or (
                {str(name): _text(value) for name, value in parameters.items()} if isinstance(parameters, dict) else {}
            ),
        )
        self._require(event)
        if event.get("complete") is True and self.story.state is TaskState.PENDING:
            self.story = replace(self.story, state=TaskState.COMPLETE)

    def start(self, node: str, worker: str, at: float | None) -> None:
        if at is None:
            self._undated += 1
            return
        self._legs.append(_Leg(node, at))
        if at >= self._latest:
            self._latest = at
            self.story = replace(self.story, state=TaskState.RUNNING, node=node, worker=worker, started=at, ended=None)

    def _require(self, event: Mapping[str, object]) -> None:
        """What it requires by this event, besides what is known: those that it yielded come when it did."""
        dependencies = event.get("deps")
        if isinstance(dependencies, list):
            every = dict.fromkeys((*self.story.dependencies, *map(_text, dependencies)))
            self.story = replace(self.story, dependencies=tuple(every))

    def end(self, node: str, event: Mapping[str, object]) -> None:
        self._require(event)
        status, at = event.get("status"), plausible_number(event.get("time"))
        leg = next((leg for leg in reversed(self._legs) if leg.node == node), None)
        if leg is not None and status == "PENDING" and event.get("deps"):
            leg.yielded = True
        failure = _text(event.get("error")) if status == "FAILED" else ""
        if self.story.node != node or self.story.ended is not None:
            self.story = replace(self.story, failure=self.story.failure or failure)
            return  # of an earlier attempt than the one that the story shows
        states = {"DONE": TaskState.DONE, "FAILED": TaskState.FAILED}
        state = states.get(status if isinstance(status, str) else "", TaskState.PENDING)
        self.story = replace(self.story, state=state, ended=at, failure=failure or self.story.failure)

    def lose(self, node: str) -> None:
        if self.story.node == node and self.story.state is TaskState.RUNNING:
            self.story = replace(self.story, state=TaskState.LOST)


def _lines(data: bytes) -> Iterable[Mapping[str, object]]:
    for line in data.split(b"\n"):
        if not line.startswith(b"{") or len(line) > MAX_LINE_BYTES:
            continue
        try:
            event = read_json(line) if b"\\ud" in line else json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def _text(value: object) -> str:
    return cut(value, MAX_TEXT_CHARACTERS) if isinstance(value, str) else ""


def by_interest(found: Sequence[TaskStory]) -> list[TaskStory]:
    """Those first that a person looks for first: failed, lost, running, pending, done; of each state the longest
    first."""
    rank = {state: number for number, state in enumerate(TaskState)}
    return sorted(found, key=lambda story: (rank[story.state], -(story.seconds or 0.0), story.name))
