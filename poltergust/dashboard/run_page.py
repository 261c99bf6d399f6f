"""One run as a page shows it: which view, which of its tasks. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from poltergust.dashboard.tasks import TaskState, TaskView

PAGE_SIZE = 100
"""Tasks on one page."""


class RunTab(Enum):
    """What of a run is looked at."""

    TASKS = "tasks"
    TIMELINE = "timeline"
    GRAPH = "graph"
    LOGS = "logs"
    FILES = "files"
    NODES = "nodes"


@dataclass(frozen=True)
class RunQuery:
    """`words`: all of them stand in the task's family, parameters, node or failure, in any case. `state` None: all."""

    tab: RunTab = RunTab.TASKS
    words: str = ""
    state: TaskState | None = None
    page: int = 1

    @classmethod
    def of(cls, tab: str, words: str, state: str, page: str) -> RunQuery:
        """From the address of a page; what makes no sense there is left out."""
        tabs = {one.value: one for one in RunTab}
        states = {one.value: one for one in TaskState}
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        return cls(tabs.get(tab, RunTab.TASKS), words.strip()[:200], states.get(state), max(1, number))


@dataclass(frozen=True)
class TaskPage:
    """`counts` by state of all tasks that match the words; `found` in the state asked for."""

    rows: tuple[TaskView, ...]
    counts: Mapping[TaskState, int]
    found: int
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def select_tasks(tasks: Sequence[TaskView], query: RunQuery) -> TaskPage:
    words = query.words.casefold().split()
    matching = [task for task in tasks if _matches(task, words)]
    counts = dict.fromkeys(TaskState, 0)
    for task in matching:
        counts[task.state] += 1
    chosen = [task for task in matching if query.state in (None, task.state)]
    pages = max(1, math.ceil(len(chosen) / PAGE_SIZE))
    page = min(query.page, pages)
    return TaskPage(tuple(chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]), counts, len(chosen), page, pages)


def _matches(task: TaskView, words: Sequence[str]) -> bool:
    if not words:
        return True
    text = " ".join((task.task_id, task.family, task.node, task.failure, *task.params.values())).casefold()
    return all(word in text for word in words)
