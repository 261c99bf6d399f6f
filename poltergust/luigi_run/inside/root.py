"""What is known of the root task besides its `complete()`: what it left undone, and whether other nodes have another
one."""

# mypy: allow-untyped-calls
import time
from typing import Any, Callable, Dict, List

from .ending import Ended, one_line
from .targets import listed, missing_if_known, shown_task

LATE_SECONDS = 8.0  # a network file system may show a file that was just written this late
LATE_INTERVAL_SECONDS = 0.5
MAX_VALUE_CHARACTERS = 60


def executed(root: Any, complete: Callable[[], bool]) -> Ended:
    """This process ran the root to its end, and `complete()` was false right after."""
    end = time.monotonic() + LATE_SECONDS
    while True:
        if complete():
            return Ended("complete", "the root task is complete")
        gone = missing_if_known(root)
        if not gone:
            return Ended("executed-root", "this run executed the root task, whose complete() stays false")
        if time.monotonic() >= end:
            text = "{} ran to its end without an error, and what it declares as its output is not there: {}"
            return Ended("output-missing", text.format(shown_task(root), listed(gone)))
        time.sleep(LATE_INTERVAL_SECONDS)


def differing(scheduler: Any, root: Any, run: str) -> str:
    """What distinguishes this root task from that of another node of the same run, as the end of a message; empty where
    they are the same or nothing is known. `run` is what all worker ids of this run have in common."""
    from luigi.rpc import RPCError

    scheduler.set_retries(1, 0)
    try:
        return found_difference(scheduler, root, run)
    except RPCError:
        return ""  # a scheduler that is gone by now takes nothing from a success


def found_difference(scheduler: Any, root: Any, run: str) -> str:
    for worker in scheduler.worker_list(include_running=False):
        other = str(worker.get("first_task") or "")
        if not run or run not in str(worker.get("name")) or other in ("", root.task_id):
            continue
        params = scheduler.graph(other).get(other, {}).get("params") or {}
        text = differences(root.to_str_params(only_significant=True, only_public=True), params)
        if text:
            return text
    return ""


def differences(here: Dict[str, str], there: Dict[str, str]) -> str:
    names: List[str] = [name for name in here if name in there and here[name] != there[name]]
    if not names:
        return ""
    shown = ", ".join(
        "{} ({} here, {} there)".format(
            name.replace("_", "-"),
            one_line(here[name], MAX_VALUE_CHARACTERS),
            one_line(there[name], MAX_VALUE_CHARACTERS),
        )
        for name in names[:3]
    )
    return (
        f"; the root task is another one on another node, and both do the work: they differ in {shown}."
        " Give it a value in the task file"
    )
