"""Tasks that require each other in a circle. Luigi schedules them, and none of them can ever run."""

# mypy: allow-untyped-calls
from typing import Any, Dict, Iterable, List, Mapping, Set

from .ending import Ended
from .targets import shown_task

MAX_ASKED = 10000  # tasks whose requires() is called to find a circle


def find(requirements: Mapping[str, Iterable[str]]) -> List[str]:
    """The ids of one circle, the first of them again at the end; empty if there is none."""
    finished: Set[str] = set()
    for start in requirements:
        path: List[str] = []
        stack = [(start, False)]
        on_path: Set[str] = set()
        while stack:
            task_id, leaving = stack.pop()
            if leaving:
                on_path.discard(path.pop())
                finished.add(task_id)
            elif task_id in on_path:
                return [*path[path.index(task_id) :], task_id]
            elif task_id not in finished:
                path.append(task_id)
                on_path.add(task_id)
                stack.append((task_id, True))
                stack.extend((each, False) for each in requirements.get(task_id, ()))
    return []


def refuse(requirements: Mapping[str, Iterable[str]], tasks: Mapping[str, Any]) -> None:
    """Raises `Ended`, circular-requirement, that names the tasks of a circle in `requirements`."""
    circle = find(requirements)
    if circle:
        names = " → ".join(shown_task(tasks[task_id]) if task_id in tasks else task_id for task_id in circle)
        raise Ended("circular-requirement", f"tasks require each other in a circle: {names}")


def refuse_below(root: Any) -> None:
    """The same by asking the tasks themselves: a `complete()` that asks what it requires never comes to its end."""
    tasks, waiting = {root.task_id: root}, [root]
    requirements: Dict[str, List[str]] = {}
    while waiting and len(requirements) < MAX_ASKED:
        task = waiting.pop()
        requires = task.deps()
        requirements[task.task_id] = [each.task_id for each in requires]
        for each in requires:
            if each.task_id not in tasks:
                tasks[each.task_id] = each
                waiting.append(each)
    refuse(requirements, tasks)
