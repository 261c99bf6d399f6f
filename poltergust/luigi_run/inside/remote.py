"""The scheduler as these runs see it: Luigi's own client with a retry budget, a record of the root task
and shorter time-outs.

- Every task that sets no `retry_count` of its own is sent with the run's budget, so that it is tried that often in the
  whole cluster whatever the scheduler is configured with (luigi/worker.py `_get_retry_policy_dict`).
- It remembers whether this process was handed the root task and reported it done.
- `reset_failures` changes what the scheduler remembers, with the calls it has.
"""

import http.client
import importlib
from typing import Any, Dict, List

from .connections import fetcher, without_credentials
from .ending import headline

rpc: Any = importlib.import_module("luigi.rpc")  # untyped on purpose: its methods are made at run time
RemoteScheduler: Any = rpc.RemoteScheduler
RPCError: Any = rpc.RPCError

TEN_YEARS_SECONDS = 10 * 365 * 86400  # a disable_window that no run outlives
UNLIMITED_RETRIES = 10**9


class Remote(RemoteScheduler):  # type: ignore[misc]
    """One per thread. `attempts` and `wait` (seconds) bound how long an unreachable scheduler is tried for."""

    def __init__(self, url: str, budget: int, root_id: str = "", attempts: int = 3, wait: int = 1) -> None:
        super().__init__(without_credentials(url))  # Luigi's messages and those of its libraries show it
        self._fetcher = fetcher(url)
        self.set_retries(attempts, wait)
        self._rpc_log_retries = False  # logs a traceback and the URL with its credentials
        self._budget = budget
        self._policies: Dict[str, Dict[str, Any]] = {}
        self._root_id = root_id
        self._root_handed = False
        self.root_executed = False
        self.events: Any = None  # a `TaskEvents`, for the one that the worker speaks through
        self.scheduling_failures: List[str] = []

    def set_retries(self, attempts: int, wait: int) -> None:
        self._rpc_retry_attempts = attempts
        self._rpc_retry_wait = wait

    def _fetch(self, url_suffix: str, body: Any) -> Any:
        try:
            return super()._fetch(url_suffix, body)
        except (OSError, http.client.HTTPException) as error:  # what urllib lets through (luigi/rpc.py `raises`)
            raise RPCError(f"connection lost: {error}", error) from error

    def add_task(self, *args: Any, **kwargs: Any) -> Any:
        task_id = str(kwargs.get("task_id"))
        policy = kwargs.get("retry_policy_dict") or self._policies.get(task_id) or {}  # a tracking URL sends none
        policy = dict(policy)
        for name, value in (("retry_count", self._budget), ("disable_window", TEN_YEARS_SECONDS)):
            if policy.get(name) is None:
                policy[name] = value
        self._policies[task_id] = kwargs["retry_policy_dict"] = policy
        answer = super().add_task(*args, **kwargs)
        if self.events is not None:
            self.events.added(kwargs)
        if task_id == self._root_id and self._root_handed and kwargs.get("status") == "DONE":
            self.root_executed = True
        return answer

    def get_work(self, *args: Any, **kwargs: Any) -> Any:
        work = super().get_work(*args, **kwargs)
        if self._root_id in (work.get("task_id"), *(work.get("batch_task_ids") or [])):
            self._root_handed = True
        return work

    def announce_scheduling_failure(self, *args: Any, **kwargs: Any) -> Any:
        """Luigi reports a `complete()` or `requires()` that raised to the scheduler; the text is needed here."""
        self.scheduling_failures.append("{}: {}".format(kwargs.get("family"), headline(str(kwargs.get("expl") or ""))))
        return super().announce_scheduling_failure(*args, **kwargs)

    def graph(self, root_id: str) -> Dict[str, Dict[str, Any]]:
        """Every task the root depends on, done ones too, by id."""
        nodes = self.dep_graph(root_id, include_done=True)
        return nodes if isinstance(nodes, dict) else {}

    def reset_failures(self, root_id: str, worker: str) -> List[str]:
        """Clear what earlier runs left on the root's graph: disabled tasks are enabled, counted failures forgotten.

        `re_enable_task` does both for a disabled task. For one that failed within its budget there is no such call:
        its window for counting failures is set to nothing and one more failure reported, which drops them all
        (luigi/scheduler.py `num_failures`); the policy is sent right again when the task is added.
        """
        cleared = []
        for task_id, node in self.graph(root_id).items():
            if node.get("status") == "DISABLED" and node.get("re_enable_able"):
                self.re_enable_task(task_id)
            elif node.get("status") == "FAILED":
                policy = {"retry_count": UNLIMITED_RETRIES, "disable_window": -TEN_YEARS_SECONDS}
                about = {"worker": worker, "task_id": task_id, "runnable": False, "retry_policy_dict": policy}
                about.update(resources=node.get("resources") or {}, accepts_messages=None)
                self.add_task(status="PENDING", **about)
                self.add_task(status="FAILED", **about)
                self._policies.pop(task_id, None)
            else:
                continue
            self.forgive_failures(task_id)
            cleared.append(task_id)
        return cleared
