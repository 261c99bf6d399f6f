"""How things stand, from the scheduler's graph of the root: the counts, and the verdict when there is nothing to do.

`luigi_run.scheduler.judge` judges the same graph for a node that runs no process. It cannot be shared: this folder runs
without Poltergust. Who changes one looks at the other.

The order of the questions is the outcome table's: going on counts before failure, a failure that will be tried again
before one for good (each task has its own number of tries), that before data which is not there.
"""

import json
from typing import Any, Dict, List, NamedTuple, Set

from .ending import Ended, headline, one_line, shortened
from .targets import EVERYWHERE, MAX_NAMED, lacking, listed, missing_if_known

MAX_FAILURES = 20
MAX_ERROR_CHARACTERS = 4000  # of one exception's text; as many as a record keeps (poltergust/runs/attempt.py)

Graph = Dict[str, Dict[str, Any]]


class GraphState:
    """The graph, sorted. `runnable`: PENDING, everything it needs is DONE, and some worker has offered to run it."""

    def __init__(self, graph: Graph, root_id: str) -> None:
        self.graph = graph
        self.root_id = root_id
        self.root_done = graph.get(root_id, {}).get("status") == "DONE"
        self.done = self.of("DONE")
        self.running = self.of("RUNNING", "BATCH_RUNNING")
        self.failed = self.of("FAILED")
        self.disabled = self.of("DISABLED")
        pending = self.of("PENDING", "SUSPENDED")
        done = set(self.done)
        # A task that is just being given back names itself for a moment (`luigi_run/give_back.py`).
        ready = [task for task in pending if done.issuperset(set(graph[task].get("deps", [])) - {task})]
        self.runnable = [task for task in ready if graph[task].get("workers")]
        self.missing = [task for task in ready if not graph[task].get("workers")]
        known = self.running or self.runnable or self.missing or self.failed or self.disabled or self.root_done
        self.forgotten = not known  # a restart, or `remove_delay`: all of it has to be announced again

    def of(self, *statuses: str) -> List[str]:
        return [task_id for task_id, node in self.graph.items() if node.get("status") in statuses]

    @property
    def workers(self) -> Set[str]:
        """All that have offered to run any of it."""
        return {worker for node in self.graph.values() for worker in node.get("workers", ())}

    @property
    def moving(self) -> bool:
        """Something runs somewhere, or could: staying may be useful."""
        return not self.root_done and bool(self.running or self.runnable)

    def progress(self) -> Dict[str, int]:
        failed = len(self.failed) + len(self.disabled)
        done, running = len(self.done), len(self.running)
        return {
            "done": done,
            "running": running,
            "failed": failed,
            "pending": len(self.graph) - done - running - failed,
        }


class Failure(NamedTuple):
    """A failed task, with its parameters as the scheduler has them, and its exception's text."""

    task_id: str
    family: str
    params: Dict[str, str]
    error: str

    @property
    def headline(self) -> str:
        return headline(self.error)


def failures(scheduler: Any, standing: GraphState, task_ids: List[str]) -> List[Failure]:
    found = []
    for task_id in task_ids[:MAX_FAILURES]:
        text = scheduler.fetch_error(task_id).get("error") or ""
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        error = value if isinstance(value, str) else json.dumps(value)
        task = standing.graph[task_id]
        family, params = str(task.get("name", "")), task.get("params") or {}
        found.append(Failure(task_id, family, params, shortened(error, MAX_ERROR_CHARACTERS)))
    return found


def run_elsewhere(standing: GraphState) -> str:
    """Empty if nothing runs."""
    names = ", ".join(sorted({str(standing.graph[task].get("name")) for task in standing.running}))
    return f"other nodes run {len(standing.running)} task(s): {names}" if names else ""


def verdict(scheduler: Any, standing: GraphState, scheduling_failures: List[str], tasks: Dict[str, Any]) -> Ended:
    """Why the root is not complete although this node has nothing to do. `tasks` are those scheduled here, by id."""
    if standing.root_done:
        gone = missing_if_known(tasks[standing.root_id])
        if gone:
            text = "another node ran the root task, and this node does not see its output: {}; {}"
            return Ended("others-run", text.format(listed(gone), EVERYWHERE))
        return Ended("others-run", "another node ran the root task; its complete() does not say so here")
    if standing.running:
        return Ended("others-run", run_elsewhere(standing))
    if standing.runnable:
        text = "{} task(s) wait for resources or for a paused scheduler"
        return Ended("others-run", text.format(len(standing.runnable)))
    if standing.failed:
        failed = failures(scheduler, standing, standing.failed)
        text = f"{failed[0].family} failed and will be tried again: {failed[0].headline}"
        return Ended("task-retry", text, [failure._asdict() for failure in failed])
    if standing.disabled:
        return failed_for_good(scheduler, standing)
    if scheduling_failures:
        return Ended("scheduling-failed", "complete() or requires() raised in " + "; ".join(scheduling_failures))
    if standing.missing:
        missing = sorted(standing.missing)
        named = [lacking(tasks[task_id]) if task_id in tasks else task_id for task_id in missing[:MAX_NAMED]]
        named += missing[MAX_NAMED:]
        return Ended("data-missing", "external data is not there yet: " + listed(named))
    left_out = len(standing.of("UNKNOWN"))
    if left_out:  # luigi/worker.py `_add`
        why = "they are more than worker-task-limit, or their complete() or requires() raised on another node"
        return Ended("scheduling-failed", f"{left_out} task(s) cannot be scheduled: {why}")
    return Ended("scheduling-failed", "the scheduler forgot tasks of this pipeline as soon as they were announced")


def failed_for_good(scheduler: Any, standing: GraphState) -> Ended:
    spent = [task for task in standing.disabled if standing.graph[task].get("re_enable_able")]
    ended = spent or standing.disabled
    failed = failures(scheduler, standing, ended)
    more = f" (and {len(ended) - 1} more)" if len(ended) > 1 else ""
    encoded = [failure._asdict() for failure in failed]
    if spent:
        text = f"{failed[0].family} failed as often as it may: {one_line(failed[0].headline, 300)}{more}"
        return Ended("task-failed", text, encoded)
    return Ended("task-disabled", f"{failed[0].family} is disabled in its code{more}", encoded)
