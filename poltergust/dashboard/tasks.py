"""What each task of a run did: the one typed input of the run page's table, drawing by node and graph.

`task_views` fills it from what lies beside the path, and from the scheduler's graph while it still knows the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.luigi_run.run_view import run_of
from poltergust.luigi_run.scheduler import Graph, GraphTask
from poltergust.path.reading.model import ConfigView, PastRun, RunView
from poltergust.path.tasks import TaskState, TaskStory, shown_parameters


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
        """How long it ran, or has run until `now`; None before it ran, and where nobody saw it end."""
        if self.started is None or (self.ended is None and self.state is not TaskState.RUNNING):
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


LOST = "the process that ran it ended before it did"


def without_secrets(graph: Graph, redact: Redactor, names: SecretNames) -> Graph:
    """As the nodes write what they record, so that a task has the same id here and there: the scheduler has all as the
    pipeline gave it."""

    def shown(task: GraphTask) -> GraphTask:
        return replace(
            task,
            task_id=redact(task.task_id),
            family=redact(task.family),
            deps=tuple(map(redact, task.deps)),
            workers=tuple(map(redact, task.workers)),
            running_on=None if task.running_on is None else redact(task.running_on),
            params=shown_parameters(task.params, redact, names),
        )

    tasks = [shown(task) for task in graph.tasks.values()]
    return Graph(redact(graph.root), {task.task_id: task for task in tasks})


def task_views(config: ConfigView, graph: Graph | None, stories: Iterable[TaskStory]) -> tuple[TaskView, ...]:
    """Every task that is known of the run, those first that a person looks for first. `graph` is one that has no
    secrets any more."""
    nodes = {run.record.worker: run.record.node for run in config.runs if run.record.worker}
    found = {story.task_id: _of_story(story) for story in stories}
    for task in graph.tasks.values() if graph is not None else ():
        known = found.get(task.task_id)
        live = _of_graph(task, nodes)
        # What a node wrote has times and attempts; what the scheduler says is younger where they differ.
        same = known is not None and (known.state is live.state or (known.state.ended_well and live.state.ended_well))
        if known is None or not (same or live.state is TaskState.PENDING):
            found[task.task_id] = (
                live if known is None else replace(known, state=live.state, node=live.node or known.node)
            )
    return _with_failures(found, config.runs)


def past_task_views(past: PastRun, stories: Iterable[TaskStory]) -> tuple[TaskView, ...]:
    """What is known of the tasks of an earlier run."""
    return _with_failures({story.task_id: _of_story(story) for story in stories}, past.runs)


def ordered(tasks: Iterable[TaskView]) -> tuple[TaskView, ...]:
    """In the order of states; in each the latest first. Of each one's parameters those come first that tell it
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
            found[failure.task_id] = replace(
                known, failure=known.failure or failure.error, node=known.node or run.record.node
            )
    return ordered(found.values())


def _of_story(story: TaskStory) -> TaskView:
    return TaskView(
        task_id=story.task_id,
        family=story.family,
        state=story.state,
        params=story.parameters,
        node=story.node,
        worker=story.worker,
        started=story.started,
        ended=story.ended,
        attempts=story.attempts or None,
        failure=LOST if story.state is TaskState.LOST else story.failure,
        deps=story.dependencies,
    )


def _node_of(worker: str) -> str:
    """Where another config's worker ran a task that both need; "" for a worker of nobody's that we know."""
    made_by_us = run_of(worker)
    return "" if made_by_us is None else made_by_us[0]


def _of_graph(task: GraphTask, nodes: Mapping[str, str]) -> TaskView:
    state = _STATES.get(task.status, TaskState.PENDING)
    worker = task.running_on or ""
    return TaskView(
        task_id=task.task_id,
        family=task.family,
        state=state,
        params=task.params,
        node=nodes.get(worker) or _node_of(worker),
        worker=worker,
        started=task.started if state is not TaskState.PENDING else None,
        ended=task.updated if state in (TaskState.DONE, TaskState.FAILED) and task.started is not None else None,
        deps=task.deps,
    )
