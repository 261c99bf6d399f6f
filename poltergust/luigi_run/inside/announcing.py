"""How a worker that joins others announces its tasks: a few at a time, for as long as the scheduler has none for it.

The scheduler hands a worker only what that worker has announced, and each announcement costs it about a millisecond:
fifty workers that announce two thousand tasks each would keep it from everything else for minutes. So a worker that
joins walks the graph as Luigi does, asking each task whether it is complete, but down to one leaf after the other and
at random, so that no two joiners take the same way. The walk rests after some tasks, and goes on when there is no work
for this worker. At its end everything is announced that Luigi would have announced, but for tasks that another worker
completed: that worker says so.
"""

# mypy: allow-untyped-calls
import random
import traceback
from typing import Any, Iterator

from luigi.worker import TracebackWrapper, _is_external

MIN_TASKS, MAX_TASKS = 8, 128  # announced at once: twice as many each time that there was still no work


class Announcing:
    """The walk of one `SharedWorker`, in the thread that runs Luigi. What the tasks raise is reported as Luigi does."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._walk: Iterator[None] = iter(())
        self._tasks = MIN_TASKS

    def begin(self, root: Any) -> None:
        """Announce the first tasks from `root` down."""
        self._walk = self._announcements(root)
        self.more()

    def more(self) -> bool:
        """Announce some more; whether there were any."""
        announced = sum(1 for _ in zip(range(self._tasks), self._walk))
        self._tasks = min(2 * self._tasks, MAX_TASKS)
        return announced > 0

    def rest(self) -> None:
        """There is work: what is announced now others may take before this worker comes to it."""
        self._tasks = MIN_TASKS

    def _announcements(self, root: Any) -> Iterator[None]:
        """One step for each task that is announced; as `luigi.worker.Worker.add`, but depth first."""
        self._worker._validate_task(root)
        seen, left = {root.task_id}, [root]
        while left:
            task = left.pop()
            complete = _complete(task)
            if complete is True and not _is_external(task):
                self._worker.found_complete(task)
                continue
            required = []
            for each in self._worker._add(task, complete):  # announces the task once all it requires are handed out
                if each.task_id not in seen:
                    self._worker._validate_task(each)
                    seen.add(each.task_id)
                    required.append(each)
            random.shuffle(required)
            left += required
            yield


def _complete(task: Any) -> Any:
    """As Luigi's `check_complete`: what `complete()` says, or the traceback of what it raised."""
    try:
        return task.complete()
    except Exception:  # noqa: BLE001 - the pipeline's own code may raise anything
        return TracebackWrapper(traceback.format_exc())
