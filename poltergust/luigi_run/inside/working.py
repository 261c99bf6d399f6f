"""Luigi's worker as a shared run needs it: stays while other nodes' work may free some, leaves when that cannot be.

Luigi's own `keep_alive` counts PENDING and FAILED tasks but not RUNNING ones, so a node would leave while others run
the very task it waits for, and stay for a failure that nobody will retry.
"""

# mypy: allow-untyped-calls
import contextlib
import json
import os
import random
import re
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, Set

from luigi.worker import Worker

from . import circles
from .announcing import Announcing
from .targets import EVERYWHERE, listed, missing, shown_task

SETTINGS = {
    "keep_alive": True,
    "wait_interval": 0.1,  # seconds between two looks at the task processes
    "wait_jitter": 0.0,
    "count_uniques": False,
    "count_last_scheduled": False,
    "retry_external_tasks": False,  # would count missing data as failures of a task
    "no_install_shutdown_handler": True,  # drains arrive on the control pipe
}
UNFULFILLED = re.compile(r"(RuntimeError: )Unfulfilled dependenc.*")  # luigi/worker.py, TaskProcess.run
JOINED_PING_SECONDS = 3.0  # of a process that joined: there may be many. The other nodes suspect who is silent for 9 s
MAX_SLEEP_SECONDS = 1.0  # an idle worker asks ten times a second first, then more and more rarely
MISSING_RESULT_SECONDS = 5.0  # after which a task process that exited with 0 and sent no result has failed


@contextlib.contextmanager
def where_it_is() -> Iterator[None]:
    """A task that changes the current directory does so for itself only: relative outputs of the others, and its own
    when it is asked whether they are there, are looked for where they would be in a process of each task's own."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(here)


class SharedWorker(Worker):
    """`useful()` says whether anything runs or could run on any node; `idle` bounds the wait for it (seconds). `known`
    are tasks that earlier workers of this process reached, by id; `refused(task_id)` is called for each task that the
    scheduler hands out and this run has not reached. `joins`: tasks are announced a few at a time (`announcing.py`).
    `announced()` is called when it begins to ask for work."""

    def __init__(
        self,
        scheduler: Any,
        worker_id: str,
        processes: int,
        useful: Callable[[], bool],
        idle: float,
        known: Dict[str, Any],
        refused: Callable[[str], None],
        joins: bool = False,
        announced: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(scheduler=scheduler, worker_id=worker_id, worker_processes=processes, **SETTINGS)
        if joins:
            self._config.ping_interval = max(self._config.ping_interval, JOINED_PING_SECONDS)
        self._useful = useful
        self._idle = idle
        self._known = known
        self._refused = refused
        self._announcing = Announcing(self) if joins else None
        self._announced = announced
        self._idle_from = 0.0
        self.waited_enough = False  # it left because of `idle`
        self.ended = False  # `run` did, by itself
        self._died_at: Dict[str, float] = {}
        self.before_run: Any = None
        self._ran: Set[str] = set()
        self._ran_in_batches: Set[str] = set()  # the members
        self._found_complete: Set[str] = set()
        self.requirements: Dict[str, Set[str]] = {}  # what each task that was scheduled here requires, by their ids

    def drain(self) -> None:
        """Finish what runs, take nothing more. From any thread."""
        self.handle_interrupt(signal.SIGUSR1, None)

    def run(self) -> bool:
        circles.refuse(self.requirements, self._scheduled_tasks)
        if self.before_run is not None:
            self.before_run()
        self._announced()
        succeeded = bool(super().run())
        self.ended = True
        return succeeded

    def add(self, task: Any, *args: Any, **kwargs: Any) -> bool:
        if self._announcing is None:
            return bool(super().add(task, *args, **kwargs))
        self._first_task = self._first_task or task.task_id
        self.add_succeeded = True
        self._announcing.begin(task)
        return bool(self.add_succeeded)

    def _get_work(self) -> Any:
        if self._scheduler.root_executed:
            self._stop_requesting_work = True  # nothing of this run is left
        work = super()._get_work()
        while work.task_id is None and not self._stop_requesting_work and self._announce_more():
            work = super()._get_work()
        if work.task_id in self._batch_running_tasks:  # Luigi has an iterator there, which only one could read
            self._batch_running_tasks[work.task_id] = list(self._batch_running_tasks[work.task_id])
        if self._announcing is not None and work.task_id is not None:
            self._announcing.rest()
        return work

    def _announce_more(self) -> bool:
        return self._announcing is not None and self._announcing.more()

    def found_complete(self, task: Any) -> None:
        """A task that need not be announced."""
        self._scheduled_tasks[task.task_id] = task
        self._found_complete.add(task.task_id)

    @property
    def idle(self) -> bool:
        """Whether the scheduler had nothing for it when it last asked."""
        return bool(self._idle_from) and not self._running_tasks

    @property
    def about_to_take(self) -> int:
        """At most so many tasks, the next time it asks."""
        return 0 if self._stop_requesting_work else max(0, self.worker_processes - len(self._running_tasks))

    @property
    def did_everything(self) -> bool:
        """Whether each task that was scheduled here ran here to its end, or was complete before."""
        return self._ran.union(self._found_complete).issuperset(self._scheduled_tasks)

    @property
    def tasks(self) -> Dict[str, Any]:
        """Every task that was scheduled here, by its id."""
        return dict(self._scheduled_tasks)

    @property
    def running(self) -> List[Any]:
        """The tasks that run here now."""
        return [self._scheduled_tasks[task_id] for task_id in list(self._running_tasks)]

    def _add_task(self, *args: Any, **kwargs: Any) -> None:
        task_id = kwargs["task_id"]
        found = self.requirements.setdefault(task_id, set())
        found.update(kwargs.get("deps") or (), kwargs.get("new_deps") or ())
        if kwargs.get("status") == "DONE":
            (self._ran if task_id in self._running_tasks else self._found_complete).add(task_id)
            self._ran_in_batches.update(task.task_id for task in self._batch_running_tasks.get(task_id, ()))
        elif kwargs.get("status") == "FAILED" and task_id in self._scheduled_tasks:
            kwargs["expl"] = self._explained(self._scheduled_tasks[task_id], kwargs.get("expl"))
        super()._add_task(*args, **kwargs)

    def _explained(self, task: Any, explanation: Any) -> Any:
        """Instead of Luigi's "unfulfilled dependency" with ids: which task left which target undone, and where."""
        try:
            text = json.loads(explanation)
            if not isinstance(text, str) or not UNFULFILLED.search(text):
                return explanation
            lost = [self._lost(each) for each in task.deps() if not each.complete()]
        except Exception:  # noqa: BLE001 - the pipeline's code may fail at this as at anything
            return explanation
        return (
            json.dumps(UNFULFILLED.sub(lambda found: found.group(1) + "; ".join(lost), text)) if lost else explanation
        )

    def _lost(self, task: Any) -> str:
        name, gone = shown_task(task), listed(missing(task)) or "its complete() is false"
        if task.task_id in self._ran or task.task_id in self._ran_in_batches:
            return f"{name} ran to its end without an error, and its output is not there: {gone}"
        if task.task_id in self._found_complete:
            return f"{name} was complete before, and its output is gone: {gone}"
        return f"{name} ran on another node, and this node does not see its output: {gone}; {EVERYWHERE}"

    def reached(self) -> Dict[str, Any]:
        """Every task from the root down, and what tasks yielded while they ran, by id."""
        return {**self._known, **self.tasks}

    def _get_work_task_id(self, response: Dict[str, Any]) -> Any:
        """Luigi imports the module and makes the task that the scheduler names, whatever it is, and a batch before it
        looks at its members (luigi/worker.py `_get_work`). So whoever reaches the scheduler could have any code run:
        only tasks that this run has reached itself count, and only what it knows of them."""
        handed = response.get("batch_task_ids") if "batch_id" in response else [response.get("task_id")]
        members = [task_id for task_id in handed or [] if task_id is not None]
        strangers = [task_id for task_id in members if task_id not in self._scheduled_tasks]
        for task_id in [task_id for task_id in strangers if task_id in self._known]:
            self._scheduled_tasks[task_id] = self._known[task_id]
            strangers.remove(task_id)
        for task_id in strangers:
            self._give_back_as_failed(task_id)
        if strangers or ("batch_id" in response and not self._describe_batch(response, members)):
            return None
        return super()._get_work_task_id(response)

    def _give_back_as_failed(self, task_id: str) -> None:
        self._refused(task_id)
        text = json.dumps("Refused: it is no part of the run that was asked for it.")
        for _ in range(2):  # the first brings the budget, which the second then exceeds: it is not handed out again
            self._scheduler.add_task(
                worker=self._id,
                task_id=task_id,
                status="FAILED",
                expl=text,
                runnable=False,
                retry_policy_dict={"retry_count": 1},
            )

    def _describe_batch(self, response: Dict[str, Any], members: List[str]) -> bool:
        """Say in the words of the members, which this run knows, what their batch is. False: they are no batch, and the
        scheduler has them back at the next question (luigi/scheduler.py `_reset_orphaned_batch_running_tasks`)."""
        tasks = [self._scheduled_tasks[task_id] for task_id in members]
        if not tasks or len({type(task) for task in tasks}) > 1:
            return False
        each = [task.to_str_params() for task in tasks]
        batched = set(tasks[0].batch_param_names())
        if any(params[name] != value for params in each for name, value in each[0].items() if name not in batched):
            return False
        response["task_module"] = None  # it is imported
        response["task_family"] = tasks[0].task_family
        response["task_params"] = {
            name: [params[name] for params in each] if name in batched else value for name, value in each[0].items()
        }
        return True

    def _run_task(self, task_id: str) -> None:
        self._idle_from = 0.0
        if self._scheduler.events is not None:
            self._scheduler.events.started(
                task_id, [task.task_id for task in self._batch_running_tasks.get(task_id, ())]
            )
        with where_it_is():
            super()._run_task(task_id)

    def _keep_alive(self, get_work_response: Any) -> bool:
        if self._stop_requesting_work:  # drained, done, or disabled at the scheduler: somebody took this node for dead
            return False
        self._idle_from = self._idle_from or time.monotonic()
        if time.monotonic() - self._idle_from > self._idle:
            self.waited_enough = True
            return False
        return bool(get_work_response.running_tasks) or self._useful()

    def _sleeper(self) -> Iterator[None]:
        while True:
            idle = time.monotonic() - self._idle_from if self._idle_from else 0.0
            time.sleep(min(MAX_SLEEP_SECONDS, max(0.1, idle / 10)) * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load, hides nothing
            yield

    def _purge_children(self) -> None:
        """Luigi sees a task process that died, unless it exited with 0 and left no result (`os._exit(0)`): it would
        wait for that result for ever (luigi/worker.py `_handle_next_task`)."""
        super()._purge_children()
        now = time.monotonic()
        for task_id, process in self._running_tasks.items():
            if process.use_multiprocessing and process.exitcode == 0:
                if now - self._died_at.setdefault(task_id, now) > MISSING_RESULT_SECONDS:
                    text = f"Task {task_id} ended its process with exit code 0 and no result (os._exit?)"
                    self._task_result_queue.put((task_id, "FAILED", text, [], []))
                    self._died_at[task_id] = now
            else:
                self._died_at.pop(task_id, None)
