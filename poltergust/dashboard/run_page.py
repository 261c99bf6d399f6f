"""One run as a page shows it: which view, which of its tasks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from poltergust.dashboard.logs import LogFile
from poltergust.dashboard.paging import Selection, holds, page_number, search_words, selection
from poltergust.dashboard.tasks import TaskView
from poltergust.path.tasks import TaskState

PAGE_SIZE = 100
"""Tasks on one page."""


class RunTab(Enum):
    """What of a run is looked at."""

    TASKS = "tasks"
    TIMELINE = "timeline"
    GRAPH = "graph"
    LOGS = "logs"
    CHANGES = "changes"
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
        return cls(tabs.get(tab, RunTab.TASKS), search_words(words), states.get(state), page_number(page))


def select_tasks(tasks: Sequence[TaskView], query: RunQuery) -> Selection[TaskView, TaskState]:
    """In the order of `tasks`, which has those first that a person looks for first."""
    groups: dict[TaskState, list[TaskView]] = {state: [] for state in TaskState}
    for task in tasks:
        if holds(_text(task), query.words):
            groups[task.state].append(task)
    return selection(groups, query.state, query.page, PAGE_SIZE)


def log_to_open(files: Sequence[LogFile], tasks: Sequence[TaskView], nodes: Sequence[str]) -> LogFile:
    """Of `files`, of which there is one at least: that of the node on which the first of `tasks` failed or was lost,
    else of the first of `nodes`, those of the run."""
    failed = [task.node for task in tasks if task.state in (TaskState.FAILED, TaskState.LOST)]
    return next((file for node in (*failed, *nodes[:1]) for file in files if file.node == node), files[0])


def _text(task: TaskView) -> str:
    return " ".join((task.task_id, task.family, task.node, task.failure, *task.params.values()))
