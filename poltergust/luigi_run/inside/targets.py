"""Tasks and their outputs in words: what ran, what it declares, and what of that is not there."""

# mypy: allow-untyped-calls
from typing import Any, List

from .ending import one_line

MAX_NAMED = 5  # tasks, or targets, that one message names
MAX_NAME_CHARACTERS = 150
EVERYWHERE = "outputs must be where every node sees them"


def shown_task(task: Any) -> str:
    """``Family(day=2024-01-31)``: with its significant parameters, private ones left out."""
    params = task.to_str_params(only_significant=True, only_public=True)
    text = ", ".join(f"{name}={value}" for name, value in params.items())
    return one_line(f"{task.task_family}({text})" if text else str(task.task_family), MAX_NAME_CHARACTERS)


def shown_target(target: Any) -> str:
    """Its path, or what it calls itself; its class where that is an address in memory."""
    text = str(getattr(target, "path", None) or target)
    return type(target).__name__ if " object at 0x" in text else one_line(text, MAX_NAME_CHARACTERS)


def missing(task: Any) -> List[str]:
    """The outputs that the task declares and that are not there, as text. Raises what the pipeline's code does."""
    from luigi.task import flatten

    return [shown_target(target) for target in flatten(task.output()) if not target.exists()]


def missing_if_known(task: Any) -> List[str]:
    """The same; empty where the pipeline's code cannot say it."""
    try:
        return missing(task)
    except Exception:  # noqa: BLE001 - whatever output() or exists() raises
        return []


def lacking(task: Any) -> str:
    """The task, and what it declares that is not there."""
    gone = missing_if_known(task)
    return shown_task(task) + (": " + listed(gone) if gone else "")


def listed(names: List[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
