"""Which of many a person means: tasks of a run, configs of a path. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from poltergust.path.reading.log_lines import is_written
from poltergust.path.tasks import TaskStory


def is_pattern(text: str) -> bool:
    """Whether it has a wildcard of the shell: ``*``, ``?`` or ``[``."""
    return any(wildcard in text for wildcard in "*?[")


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Those that fit it as a shell's pattern; ``*`` crosses slashes."""
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def tasks_called(found: Sequence[TaskStory], text: str) -> list[TaskStory]:
    """Those whose name (here, or in Luigi's own lines) or id is `text`; else those of that family; else those whose
    name fits it as a shell's pattern."""
    called = [task for task in found if text in (task.name, task.task_id) or is_written(task, text)]
    called = called or [task for task in found if text == task.family]
    return called or [task for task in found if fnmatch.fnmatchcase(task.name, text)]
