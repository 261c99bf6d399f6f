"""What each task of a run did: the one typed input of the run page's table, drawing by node and graph.

`task_views` fills it from what there is: the scheduler's graph while it still knows the run, and the failures that the
nodes' records keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from poltergust.luigi_run.scheduler import Graph, GraphTask
from poltergust.path.reading.model import ConfigView, PastRun, RunView


class TaskState(Enum):
    """In the order in which a person wants to see them."""

    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    DONE = "done"


@dataclass(frozen=True)
class TaskView:
    """One task of one run. `node` and `worker` are "" while nobody has it. Times in seconds since 1970: `started` None
    before it ran, `ended` None until it ended. `attempts` None where nobody counted. `failure` is the text of its last
    failure, "" if there is none. `deps` are the ids of the tasks it requires."""

    task_id: str
    family: str
    state: TaskState
    params: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    worker: str = ""
    started: float | None = None
    ended: float | None = None
    attempts: int | None = None
    failure: str = ""
    deps: tuple[str, ...] = ()

    def seconds(self, now: float) -> float | None:
        """How long it ran, or has run until `now`; None before it ran."""
        if self.started is None:
            return None
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


_STATES = {
    "DONE": TaskState.DONE,
    "FAILED": TaskState.FAILED,
    "DISABLED": TaskState.FAILED,
    "RUNNING": TaskState.RUNNING,
    "BATCH_RUNNING": TaskState.RUNNING,
}
"""Luigi's word to ours; PENDING, UNKNOWN and whatever else is pending."""


def task_views(config: ConfigView, graph: Graph | None) -> tuple[TaskView, ...]:
    """Every task that is known of the run, those first that a person looks for first."""
    nodes = {run.record.worker: run.record.node for run in config.runs if run.record.worker}
    found = {task.task_id: _of_graph(task, nodes) for task in (graph.tasks.values() if graph is not None else ())}
    return _with_failures(found, config.runs)


def past_task_views(past: PastRun) -> tuple[TaskView, ...]:
    """What is known of the tasks of an earlier run: the failures that its records keep."""
    return _with_failures({}, past.runs)


def ordered(tasks: Iterable[TaskView]) -> tuple[TaskView, ...]:
    """Failed, running, pending, done; in each the latest first. Of each one's parameters those come first that tell it
    from others of its family."""
    listed = list(tasks)
    values: dict[tuple[str, str], set[str]] = {}
    for task in listed:
        for key, value in task.params.items():
            values.setdefault((task.family, key), set()).add(value)

    def with_order(task: TaskView) -> TaskView:
        order = sorted(task.params, key=lambda key: -len(values[task.family, key]))
        return replace(task, params={key: task.params[key] for key in order})

    rank = {state: number for number, state in enumerate(TaskState)}
    listed.sort(key=lambda task: (rank[task.state], -(task.started or 0.0), task.task_id))
    return tuple(with_order(task) for task in listed)


def _with_failures(found: dict[str, TaskView], runs: Iterable[RunView]) -> tuple[TaskView, ...]:
    for run in runs:
        for failure in run.record.failures:
            known = found.get(failure.task_id) or TaskView(failure.task_id, failure.family, TaskState.FAILED)
            found[failure.task_id] = replace(known, failure=failure.error, node=known.node or run.record.node)
    return ordered(found.values())


def _of_graph(task: GraphTask, nodes: Mapping[str, str]) -> TaskView:
    state = _STATES.get(task.status, TaskState.PENDING)
    worker = task.running_on or ""
    return TaskView(
        task_id=task.task_id,
        family=task.family,
        state=state,
        params=task.params,
        node=nodes.get(worker, ""),
        worker=worker,
        started=task.started if state is not TaskState.PENDING else None,
        ended=task.updated if state in (TaskState.DONE, TaskState.FAILED) and task.started is not None else None,
        deps=task.deps,
    )
