"""One run as a page shows it: which view, which of its tasks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from poltergust.dashboard.paging import cut_page, holds, page_number, search_words
from poltergust.dashboard.tasks import ShownState, TaskView

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
    state: ShownState | None = None
    page: int = 1

    @classmethod
    def of(cls, tab: str, words: str, state: str, page: str) -> RunQuery:
        """From the address of a page; what makes no sense there is left out."""
        tabs = {one.value: one for one in RunTab}
        states = {one.value: one for one in ShownState}
        return cls(tabs.get(tab, RunTab.TASKS), search_words(words), states.get(state), page_number(page))


@dataclass(frozen=True)
class TaskPage:
    """`counts` by state of all tasks that match the words; `found` in the state asked for."""

    rows: tuple[TaskView, ...]
    counts: Mapping[ShownState, int]
    found: int
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def select_tasks(tasks: Sequence[TaskView], query: RunQuery) -> TaskPage:
    matching = [task for task in tasks if holds(_text(task), query.words)]
    counts = dict.fromkeys(ShownState, 0)
    for task in matching:
        counts[task.state] += 1
    chosen = [task for task in matching if query.state in (None, task.state)]
    cut = cut_page(chosen, query.page, PAGE_SIZE)
    return TaskPage(cut.rows, counts, len(chosen), cut.page, cut.pages)


def _text(task: TaskView) -> str:
    return " ".join((task.task_id, task.family, task.node, task.failure, *task.params.values()))
