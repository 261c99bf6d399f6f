"""The Luigi run: one child process inside the environment that runs the pipeline's root task together with the other
nodes, asks it whether it is complete, and reports what happened as a value.

`launch.py` stands in the agent and starts the child; `inside/` is what runs under the environment's own Python (any
that Luigi serves, 3.6 on) and imports nothing of Poltergust; `scheduler.py` looks after `luigid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.reasons import Reason
from poltergust.documents import Argument

__all__ = ["LOOPBACK", "QUICK_TAKE_OVER", "Argument", "GraphStatus", "Launch", "LuigiRun", "Report", "Request"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts of a scheduler that only its own machine reaches, and that no proxy is to be asked for."""

QUICK_TAKE_OVER: Mapping[str, str] = {
    # A worker pings every second, and its agent for it while a task holds the interpreter lock.
    "worker_disconnect_delay": "10",
    "retry_delay": "3",
    "prune_on_get_work": "true",
}
"""The settings by which the tasks of a worker that fell silent are tried again within seconds (Luigi: 17 minutes)."""


@dataclass(frozen=True)
class Request:
    """What to run. `worker` is the Luigi worker id, unique per node, run and attempt. `budget` is how often a
    task may fail in the whole cluster before it is failed for good (`--retries` + 1)."""

    module: str
    task: str
    arguments: tuple[Argument, ...]
    scheduler_url: str
    worker: str
    budget: int
    preload: tuple[str, ...] = ()
    reset_failures: bool = (
        False  # clear what the scheduler remembers of this pipeline's failures first (a new generation)
    )
    dead_workers: tuple[str, ...] = ()  # what they ran goes back to all nodes first, uncharged
    run: str = ""  # what the worker ids of this run have in common on all nodes
    joins: bool = False  # other nodes work on it: announce to the scheduler only what this one needs
    idle: float = 8.0  # seconds to stay with nothing to run here while other nodes' tasks may still free some


@dataclass(frozen=True)
class GraphStatus:
    """How a root task stands at the scheduler, for a node that runs no process of it: `running` tasks on other nodes,
    of these `families`, and whether there is anything a new process could do (also true for a root the scheduler does
    not know)."""

    running: int
    runnable: bool
    progress: Progress = field(default_factory=Progress)
    families: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """How a Luigi run on this node ended. `reason.kind` decides what happens next; `detail` is one line for people."""

    reason: Reason
    detail: str
    root_task_id: str = ""
    failures: tuple[TaskFailure, ...] = ()
    progress: Progress = field(default_factory=Progress)


class LuigiRun(Protocol):
    """A Luigi run in progress."""

    def drain(self) -> None:
        """Finish the tasks that run now, take no more, then end."""
        ...

    def stop(self, grace: float) -> None:
        """Interrupt, after `grace` seconds terminate, then kill. Does not block."""
        ...

    def progress(self) -> Progress: ...

    def root_task_id(self) -> str:
        """Luigi's id of the root task; empty until the first counts are there."""
        ...

    def result(self, timeout: float | None) -> Report | None:
        """Block until it ended; None on timeout (seconds)."""
        ...


class Launch(Protocol):
    """Start a Luigi run with the environment's `python`. `on_end` is called (from another thread) when it ended,
    `on_reset` once what `Request.reset_failures` asks for was done, `on_tasks` with what tasks did
    since the last call (the events of `inside/task_events.py`, unchecked). `shared_env` are the variables that all runs
    in this environment have; None: this one is not started warm."""

    def __call__(
        self,
        request: Request,
        *,
        python: Path,
        env: Mapping[str, str],
        workdir: Path,
        on_line: Callable[[str], None],
        on_end: Callable[[], None],
        on_reset: Callable[[], None] = lambda: None,
        on_tasks: Callable[[Sequence[object]], None] = lambda _: None,
        shared_env: Mapping[str, str] | None = None,
    ) -> LuigiRun: ...
