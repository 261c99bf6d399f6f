"""The worker threads: each takes a name from the queue, has it reconciled, and puts it back or is done with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from poltergust.base.agent_log import about
from poltergust.node.heartbeat import Heartbeat
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import Result
from poltergust.workqueue import Item, WorkQueue

REFUSED_RETRY_SECONDS = 5.0
"""Until a name is tried again that came while other nodes keep this one from taking any."""

PASS_IDLE_SECONDS = 0.2
"""Without anything to do or running, after which a polling pass ends."""


class Workers:
    """`count` threads. An exception that a reconcile raises ends its thread, which health reports."""

    def __init__(self, count: int, queue: WorkQueue, reconciler: Reconciler, heartbeat: Heartbeat) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._heartbeat = heartbeat
        self._count = count
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Work until the queue is shut down."""
        self._start(self.work)

    def run_pass(self, go_on: Callable[[], bool]) -> None:
        """Work until nothing is due or being processed any more, or `go_on` says no. Names that are to be reconciled
        again later are left to the next pass."""
        self._start(lambda: self._work_pass(go_on))
        for thread in self._threads:
            thread.join()

    def alive(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def work(self) -> None:
        """What each thread does."""
        while (item := self._queue.get()) is not None:
            result = self._reconcile(item)
            if result.requeue_after is None:
                self._queue.done(item)
            else:
                self._queue.retry(item, result.requeue_after)

    def _work_pass(self, go_on: Callable[[], bool]) -> None:
        while go_on():
            item = self._queue.get(PASS_IDLE_SECONDS)
            if item is not None:
                self._reconcile(item)
                self._queue.done(item)
            elif not self._queue.processing():
                return

    def _reconcile(self, item: Item) -> Result:
        if self._heartbeat.refusal:
            return Result(REFUSED_RETRY_SECONDS)
        self._heartbeat.changed()
        try:
            with about(name=item.name):
                return self._reconciler.reconcile(item)
        finally:
            self._heartbeat.changed()

    def _start(self, target: Callable[[], None]) -> None:
        self._threads = [
            threading.Thread(target=target, name=f"poltergust-worker-{number}", daemon=True)
            for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()
