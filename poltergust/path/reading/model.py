"""The values a reader gets. Times in seconds since 1970, ages and durations in seconds, by the storage server's clock.

Text that comes from the bucket is here as it was found; whoever shows it takes terminal codes out (`redact.plain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from poltergust.base.progress import Progress
from poltergust.path.records import NodeRecord, RunEnvironment, RunRecord
from poltergust.path.tasks import TaskStory


class ConfigState(Enum):
    """Where a config is in the whole cluster; `docs/commands.md` explains each."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    GAVE_UP = "gave-up"
    FINISHED = "finished"
    STALLED = "stalled"
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (ConfigState.DONE, ConfigState.ERROR, ConfigState.CANCELLED)


@dataclass(frozen=True)
class By:
    """Who did it, and when."""

    by: str
    at: float


@dataclass(frozen=True)
class RunView:
    """One node's record of a run. `silent`: neither its heartbeat nor this record is fresh, and it had not ended."""

    record: RunRecord
    updated: float
    silent: bool = False


@dataclass(frozen=True)
class PastRun:
    """The records of one run of a name, by node. `cancelled`: who did that, where it is known."""

    generation: str
    runs: tuple[RunView, ...]
    cancelled: By | None = None


@dataclass(frozen=True)
class NodeView:
    """One node by its heartbeat. `age` of the heartbeat; `state` is ready, draining, or silent."""

    record: NodeRecord
    updated: float
    age: float
    state: str


@dataclass(frozen=True)
class ConfigView:
    """One config, or the outcome that took its place, with the nodes' records of its run.

    `nodes` are those that work on it, or for an outcome those that did, the one that renamed first; `silent` are nodes
    that worked on it and no longer write. `updated` is when the config was written, or its outcome came. `generation`
    is that of the run; None for an outcome whose records are gone, and where no node had begun what was cancelled.
    `attempt` is how many were made on the node whose reason is shown, 0 where none is; `retry_in` the seconds until the
    next one there, None where no attempt failed and no external data is looked for.
    """

    name: str
    state: ConfigState
    url: str
    updated: float
    age: float
    generation: str | None = None
    started: float | None = None
    took: float | None = None
    nodes: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    reason: str | None = None
    text: str = ""
    progress: Progress | None = None
    runs: tuple[RunView, ...] = ()
    attempt: int = 0
    retry_in: float | None = None

    @property
    def path(self) -> str:
        """The watched path that it stands on."""
        return self.url.rpartition(f"/{self.name}.")[0]


@dataclass(frozen=True)
class TaskFileSummary:
    """What the task file itself says; `problem` instead where it cannot be read as one."""

    task: str = ""
    environment: str = ""
    timeout: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Detail:
    """One config in full. `submitted`: these very bytes; `cancelled`: the run whose outcome stands there."""

    config: ConfigView
    document: TaskFileSummary
    submitted: By | None = None
    cancelled: By | None = None
    nodes: tuple[NodeView, ...] = ()  # all of the path
    tasks: tuple[TaskStory, ...] = ()  # of the run; empty where they were not asked for


@dataclass(frozen=True)
class PathView:
    """Everything below a path at `time`. `counts` are of all configs by state, shown or not; `hidden` outcomes are
    not among `configs`."""

    path: str
    time: float
    configs: tuple[ConfigView, ...]
    nodes: tuple[NodeView, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0


def environment_of(view: ConfigView) -> RunEnvironment | None:
    """The environment by the first record that knows it; None if none does."""
    return next((run.record.environment for run in view.runs if run.record.environment is not None), None)
