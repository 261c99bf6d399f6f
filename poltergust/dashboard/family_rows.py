"""What a name's families did in each of its runs, for the page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poltergust.dashboard.tasks import TaskView
from poltergust.path.tasks import TaskState


@dataclass(frozen=True)
class FamilyRow:
    """A family in all runs: the worst state of its tasks in each, None where nothing is known of it."""

    family: str
    states: tuple[TaskState | None, ...]


def family_rows(tasks: Sequence[Sequence[TaskView]]) -> tuple[FamilyRow, ...]:
    """Every family that is known in any of the runs, by name; the columns are in the order of `tasks`, one for each
    run."""
    names = sorted({task.family for each in tasks for task in each})
    return tuple(FamilyRow(name, tuple(_state_of(name, each) for each in tasks)) for name in names)


def _state_of(family: str, tasks: Sequence[TaskView]) -> TaskState | None:
    states = {task.state for task in tasks if task.family == family}
    return next((state for state in TaskState if state in states), None)
