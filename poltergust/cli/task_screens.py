"""The tasks of a run as what rich prints: those that a person looks for first, and why they failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from poltergust.base.text import exact, plain
from poltergust.cli.tables import NARROW_COLUMNS, TINY_COLUMNS, number_column, plain_table
from poltergust.cli.terminal import safe
from poltergust.path.reading.model import RunView
from poltergust.path.tasks import TaskState, TaskStory, by_interest

MAX_TASKS_SHOWN = 20
"""Rows without --all."""

MAX_FAILURES_SHOWN = 10
"""Failed tasks whose exceptions are shown."""

MAX_NODES_SHOWN = 8
FAILURE_LINES = 6  # the end of an exception

_STYLES = {
    TaskState.FAILED: "bold red",
    TaskState.LOST: "red",
    TaskState.RUNNING: "cyan",
    TaskState.DONE: "green",
}
_NOT_BEGUN = (TaskState.PENDING, TaskState.COMPLETE)


def hidden(found: Sequence[TaskStory]) -> bool:
    """Whether a screen without --all leaves some out."""
    return len(found) > len(_shown(found, all_tasks=False))


def tasks(found: Sequence[TaskStory], width: int, *, all_tasks: bool = False) -> Iterable[RenderableType]:
    """Failed, lost, running, then those that took longest; `all_tasks`: also those that nobody has begun."""
    yield Text("tasks", "bold")
    yield Text(f"  {', '.join(counts(found))}")
    yield from (Text(f"  {line}", "dim") for line in _by_node(found))
    shown = _shown(found, all_tasks=all_tasks)
    if shown:
        table = plain_table("STATE", "TASK")
        table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"
        if width >= NARROW_COLUMNS:
            table.add_column("NODE", no_wrap=True, overflow="ellipsis", max_width=max(12, width // 5))
        if width >= TINY_COLUMNS:
            number_column(table, "ATTEMPTS")
        number_column(table, "TOOK")
        for task in shown:
            row = [Text(task.state.value, _STYLES.get(task.state, "")), Text(safe(task.name))]
            row += [Text(safe(task.node))] if width >= NARROW_COLUMNS else []
            row += [Text(str(task.attempts))] if width >= TINY_COLUMNS else []
            table.add_row(*row, Text("" if task.seconds is None else exact(task.seconds)))
        yield table
    if len(found) > len(shown):
        yield Text(f"and {len(found) - len(shown)} more", "dim")


def failures(runs: Iterable[RunView], found_tasks: Iterable[TaskStory]) -> Iterable[RenderableType]:
    """Each failed task once, with the end of its exception: by the records, and by what the tasks did where no record
    says it yet."""
    found = {
        failure.task_id: (failure.name or failure.task_id, failure.error)
        for run in runs
        for failure in run.record.failures
    }
    for task in found_tasks:
        if task.state is TaskState.FAILED and task.failure:
            found.setdefault(task.task_id, (task.name, task.failure))
    if found:
        yield Text("\nfailed tasks", "bold")
    for name, error in list(found.values())[:MAX_FAILURES_SHOWN]:
        yield Text(f"  {safe(name)}", "red")
        lines = [plain(line) for line in error.splitlines() if line.strip()]
        for line in lines[-FAILURE_LINES:]:
            yield Text(f"    {line}", "dim", no_wrap=False)
    if len(found) > MAX_FAILURES_SHOWN:
        yield Text(f"  and {len(found) - MAX_FAILURES_SHOWN} more failed tasks", "dim")


def counts(found: Iterable[TaskStory]) -> list[str]:
    """``1 failed``, ``38 done``: of each state that there is."""
    states = [task.state for task in found]
    return [f"{states.count(state)} {state.value}" for state in TaskState if state in states]


def _shown(found: Sequence[TaskStory], *, all_tasks: bool) -> list[TaskStory]:
    ordered = by_interest(found)
    return ordered if all_tasks else [task for task in ordered if task.state not in _NOT_BEGUN][:MAX_TASKS_SHOWN]


def _by_node(found: Sequence[TaskStory]) -> Iterable[str]:
    """``node-1: 1 failed, 20 done in 8.1 s``; the seconds are those of its tasks together."""
    nodes: dict[str, list[TaskStory]] = {}
    for task in found:
        if task.node:
            nodes.setdefault(task.node, []).append(task)
    for node, ran in sorted(nodes.items())[:MAX_NODES_SHOWN]:
        yield f"{safe(node)}: {', '.join(counts(ran))} in {exact(sum(task.seconds or 0.0 for task in ran))}"
    if len(nodes) > MAX_NODES_SHOWN:
        yield f"and {len(nodes) - MAX_NODES_SHOWN} more nodes"
