"""The tasks of a run as a graph that stays readable: families as one box each, or what is wrong and what runs with its
neighbours, or one family with its neighbours. Pure; where the boxes stand is the browser's to find out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from poltergust.base.text import plural
from poltergust.dashboard.tasks import TaskView
from poltergust.path.tasks import TaskState

MAX_BOXES = 150
"""More cannot be taken in, and takes long to lay out."""


@dataclass(frozen=True)
class Box:
    """`key` is a family, or a task's id. `counts` by state: of a task it is one."""

    key: str
    label: str
    note: str
    state: TaskState
    counts: Mapping[TaskState, int]
    is_family: bool


@dataclass(frozen=True)
class Boxes:
    """`edges` go from what is required to what requires it, as keys. `hidden` boxes are left out."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]
    hidden: int = 0


@dataclass(frozen=True)
class FamilySummary:
    """All tasks of one family. `longest` in seconds, None where none began."""

    family: str
    counts: Mapping[TaskState, int]
    longest: float | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def families(tasks: Sequence[TaskView]) -> Boxes:
    """One box for each family."""
    found = _by_family(tasks)
    family_of = {task.task_id: task.family for task in tasks}
    edges = {
        (family_of[dep], task.family)
        for task in tasks
        for dep in task.deps
        if dep in family_of and family_of[dep] != task.family
    }
    shown = sorted(found, key=lambda family: (_rank(found[family]), family))[:MAX_BOXES]
    boxes = tuple(
        Box(family, family, plural(sum(found[family].values()), "task"), _worst(found[family]), found[family], True)
        for family in shown
    )
    return Boxes(boxes, tuple(sorted(edge for edge in edges if set(edge) <= set(shown))), len(found) - len(shown))


def focus(tasks: Sequence[TaskView], family: str = "") -> Boxes:
    """The tasks of `family`, or all that failed, were lost or run, each with its direct neighbours. Those that failed
    first."""
    by_id = {task.task_id: task for task in tasks}
    if family:
        chosen = [task for task in tasks if task.family == family]
    else:
        chosen = [task for task in tasks if task.state in (TaskState.FAILED, TaskState.LOST, TaskState.RUNNING)]
    dependents: dict[str, list[str]] = {}
    for task in tasks:
        for dep in task.deps:
            dependents.setdefault(dep, []).append(task.task_id)
    wanted = dict.fromkeys(task.task_id for task in chosen)
    for task in chosen:
        wanted.update(dict.fromkeys(dependents.get(task.task_id, ())))
        wanted.update(dict.fromkeys(dep for dep in task.deps if dep in by_id))
    shown = list(wanted)[:MAX_BOXES]
    inside = set(shown)
    edges = [(dep, key) for key in shown for dep in by_id[key].deps if dep in inside]
    return Boxes(tuple(_box(by_id[key]) for key in shown), tuple(sorted(edges)), len(wanted) - len(shown))


def summaries(tasks: Iterable[TaskView], now: float) -> tuple[FamilySummary, ...]:
    """Each family in numbers, those with failures first."""
    listed = list(tasks)
    counts = _by_family(listed)
    longest: dict[str, float] = {}
    for task in listed:
        seconds = task.seconds(now)
        if seconds is not None:
            longest[task.family] = max(seconds, longest.get(task.family, 0.0))
    order = sorted(counts, key=lambda family: (_rank(counts[family]), family))
    return tuple(FamilySummary(family, counts[family], longest.get(family)) for family in order)


def _box(task: TaskView) -> Box:
    values = ", ".join([value for value in task.params.values() if value][:2]) or task.task_id
    return Box(task.task_id, task.family, values[:60], task.state, {task.state: 1}, False)


def _by_family(tasks: Iterable[TaskView]) -> dict[str, Counter[TaskState]]:
    found: dict[str, Counter[TaskState]] = {}
    for task in tasks:
        found.setdefault(task.family, Counter())[task.state] += 1
    return found


def _worst(counts: Mapping[TaskState, int]) -> TaskState:
    return next(state for state in TaskState if counts.get(state))


def _rank(counts: Mapping[TaskState, int]) -> int:
    return list(TaskState).index(_worst(counts))
