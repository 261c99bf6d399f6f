"""What a Luigi process that died was running goes back to the other nodes at once: its agent tells the scheduler.

Otherwise a task stays RUNNING for all nodes until the scheduler takes the worker for gone, a minute and more later.
So does the supervisor of an agent that died (`last_word.py`), and another node for a machine that is gone
(`worker_watch.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from poltergust.base.errors import Temporary
from poltergust.luigi_run.scheduler import RUNNING, SchedulerClient

log = logging.getLogger(__name__)

RETRY_WINDOW_SECONDS = 10 * 365 * 86400
"""The time in which Luigi counts a task's failures: longer than any run."""


def give_back(client: SchedulerClient, worker: str, budget: int) -> tuple[str, ...]:
    """Make PENDING what the dead `worker` ran, uncharged; those tasks as people write them, sorted. The scheduler gives
    it nothing more, and what it reports late, should it live after all, changes nothing.

    `budget`: how often a task may fail in the whole cluster. Empty as well while the scheduler does not answer: the
    next attempt gives them back then.
    """
    try:
        tasks = tuple(sorted(_return(client, task_id, worker, budget) for task_id in _running(client, worker)))
        client.call("disable_worker", worker=worker)  # last: of a disabled worker nothing of this would be believed
        return tasks
    except Temporary as error:
        log.warning("cannot give back what %s ran: %s", worker, error)
        return ()


def _running(client: SchedulerClient, worker: str) -> list[str]:
    found = []
    for status in RUNNING:
        tasks = client.call("task_list", status=status, upstream_status="", limit=False)
        if isinstance(tasks, dict):
            found += [task for task, node in tasks.items() if _is_on(node, worker)]
    return found


def _is_on(node: object, worker: str) -> bool:
    return isinstance(node, dict) and node.get("status") in RUNNING and node.get("worker_running") == worker


def _return(client: SchedulerClient, task_id: str, worker: str, budget: int) -> str:
    """A task that yields new requirements goes from RUNNING to PENDING uncounted (luigi/scheduler.py, `add_task`): it
    is named as its own requirement, and the second call sends what it did require."""
    graph = client.call("dep_graph", task_id=task_id, include_done=True)
    node = graph.get(task_id) if isinstance(graph, dict) else None
    if not isinstance(node, dict) or not _is_on(node, worker):
        return task_id
    same = {
        "task_id": task_id,
        "worker": worker,
        "status": "PENDING",
        "runnable": False,
        "resources": node.get("resources") or {},
        "priority": node.get("priority") or 0,
        "accepts_messages": None,
        "retry_policy_dict": {"retry_count": budget, "disable_window": RETRY_WINDOW_SECONDS},
    }
    client.call("add_task", new_deps=[task_id], **same)
    client.call("add_task", deps=list(node.get("deps") or ()), **same)
    return _shown(node)


def _shown(node: Mapping[str, object]) -> str:
    params = node.get("params")
    shown = ", ".join(f"{name}={value}" for name, value in params.items()) if isinstance(params, dict) else ""
    return f"{node.get('name')}({shown})" if shown else str(node.get("name"))
