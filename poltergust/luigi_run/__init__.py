"""The Luigi run: one child process inside the environment that runs the pipeline's root task together with the other
nodes, asks it whether it is complete, and reports what happened as a value.

`launch.py` stands in the agent and starts the child; `inside.py` is the script that runs under the environment's own
Python (any that Luigi serves, 3.6 on) and imports nothing of Poltergust; `scheduler.py` looks after `luigid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poltergust.reasons import Reason


@dataclass(frozen=True)
class Argument:
    """One key below `task:` besides name and module. `name` as written; `text` is the scalar exactly as written, or
    JSON when `json` is set, or None for YAML's null (leave the default)."""

    name: str
    text: str | None
    json: bool = False


@dataclass(frozen=True)
class Request:
    """What to run. `worker` is a prefix for Luigi worker ids, unique per node, run and attempt. `budget` is how often a
    task may fail in the whole cluster before it is failed for good (`--retries` + 1)."""

    module: str
    task: str
    arguments: tuple[Argument, ...]
    scheduler_url: str
    worker: str
    budget: int
    preload: tuple[str, ...] = ()
    forgive: bool = False  # clear what the scheduler remembers of this pipeline's failures first (a new generation)


@dataclass(frozen=True)
class TaskFailure:
    """One failed or disabled Luigi task: its id, family, and its exception's text (the scheduler's `fetch_error`)."""

    task_id: str
    family: str
    error: str


@dataclass(frozen=True)
class Progress:
    """Counts of the root's whole dependency graph as the scheduler sees it, on all nodes."""

    done: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.done + self.running + self.pending + self.failed


@dataclass(frozen=True)
class Report:
    """How a Luigi run on this node ended. `reason.row` decides what happens next; `detail` is one line for people."""

    reason: Reason
    detail: str
    root_task_id: str = ""
    failures: tuple[TaskFailure, ...] = ()
    progress: Progress = Progress()


class LuigiRun(Protocol):
    """A Luigi run in progress."""

    def drain(self) -> None:
        """Finish the tasks that run now, take no more, then end."""
        ...

    def stop(self, grace: float) -> None:
        """Interrupt, after `grace` seconds terminate, then kill. Does not block."""
        ...

    def progress(self) -> Progress: ...

    def result(self, timeout: float | None) -> Report | None:
        """Block until it ended; None on timeout (seconds)."""
        ...


class Launch(Protocol):
    """Start a Luigi run with the environment's `python`. `on_end` is called (from another thread) when it ended."""

    def __call__(
        self,
        request: Request,
        *,
        python: Path,
        env: Mapping[str, str],
        workdir: Path,
        on_line: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> LuigiRun: ...
