"""One node's life: sources and the scan feed the queue, workers drain it through the runner, signals end it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from poltergust import __version__
from poltergust.base.agent_log import about
from poltergust.base.errors import RunError, Temporary
from poltergust.base.progress import Progress
from poltergust.base.redaction import Redactor
from poltergust.base.stopping import Stopping
from poltergust.node.heartbeat import Heartbeat
from poltergust.node.settings import Settings
from poltergust.observe.status import RunSeen, SourceSeen, Status
from poltergust.path import layout
from poltergust.path.records import NodeRecord, Records, State
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.retry_policy import RetryPolicy
from poltergust.runs.run import Runs
from poltergust.sources import Counting, Source
from poltergust.sources.scan import Scan
from poltergust.stores import Store
from poltergust.workqueue import Item, WorkQueue

log = logging.getLogger(__name__)

NOT_TAKING_DELAY = 5.0
"""Seconds until a name is looked at again that came while this node must not take any."""


NAMED_REFUSALS = 10
"""Refused renames that a heartbeat names; the rest is a number."""

AT_WORK = (State.PREPARING, State.RUNNING)
"""Where a run takes something of this machine; one that waits is looked at now and then, and not worth a heartbeat."""

PASS_IDLE = 0.2
"""Seconds without anything to do or running after which a polling pass ends."""


class Agent:
    """Owns the threads. Everything it is made of is handed in; `run` blocks until it was asked to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        instance: str,
        scheduler_url: str,
        store: Store,
        records: Records,
        runs: Runs,
        runner: Reconciler,
        retry_policy: RetryPolicy,
        queue: WorkQueue,
        sources: Sequence[Source],
        stopping: Stopping,
        scheduler_problem: Callable[[], str] = str,
    ) -> None:
        """`scheduler_url` is for people, without credentials; `scheduler_problem` says in one line why the scheduler
        cannot be asked, empty while it can."""
        self._settings = settings
        self._instance = instance
        self.scheduler_url = scheduler_url
        self._store = store
        self._runs = runs
        self._runner = runner
        self._retry_policy = retry_policy
        self._queue = queue
        self._sources = sources
        self._stopping = stopping
        self._scheduler_problem = scheduler_problem
        self._redact = Redactor((settings.environ,))
        self._listening = False
        self._workers: list[threading.Thread] = []
        self._scan = Scan(self.list_configs, settings.reconcile_interval)
        self._heartbeat = Heartbeat(records, self.describe, embedded=settings.scheduler_url is None)

    def run(self) -> None:
        """Serve until a drain is asked for, then finish what runs. Returns when every thread but daemons is done."""
        self._workers = [
            threading.Thread(target=self._work, name=f"poltergust-worker-{number}", daemon=True)
            for number in range(self._settings.parallel)
        ]
        self._heartbeat.start()
        try:
            for source in self._sources:
                source.start(self.changed)
            # The stream is open: what happens from now on is heard, what happened before the scan finds.
            self._scan.start(self.changed)
            for worker in self._workers:
                worker.start()
            self._listening = True
            self._heartbeat.changed()
            log.info("%s is listening to %s", self._settings.node, self._settings.path.prefix)
            self._stopping.wait()
            log.info("draining: nothing new is taken; stop again to end what runs now")
        finally:
            # However it ends: nothing new, and what runs is brought to an end. The queue first: a source takes its time
            # to stop, and what waits must not be taken meanwhile.
            self._stopping.request_drain()
            self._queue.shutdown()
            self._heartbeat.changed()
            for source in (self._scan, *self._sources):
                source.stop()
            self._queue.drain()
            self._heartbeat.stop()
        log.info("%s has stopped", self._settings.node)

    def run_pass(self) -> None:
        """Look at every config there is, run what is to be run, return when nothing runs any more."""
        self._listening = True
        self._heartbeat.start()
        self._scan.start(self.changed)
        workers = [
            threading.Thread(target=self._work_pass, name=f"poltergust-worker-{number}", daemon=True)
            for number in range(self._settings.parallel)
        ]
        try:
            while not self._scan.first_done.wait(PASS_IDLE) and not self._stopping.draining:
                pass  # the storage is asked until it answers, or until somebody stops us
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            self._scan.stop()
            self._queue.shutdown()
            self._heartbeat.stop(gone=False)  # the next pass is this node's too

    def changed(self, url: str) -> None:
        """An object may have changed: queue its name if it is a config, or the outcome of a run we still know."""
        path = self._settings.path
        name = path.name_of(url)
        if name is not None:
            self._queue.add(name)
            return
        for kind in layout.OUTCOMES:
            name = path.name_of(url, kind)
            if name is not None and self._runs.knows(name):
                self._queue.add(name)

    def list_configs(self) -> Iterator[str]:
        """For the scan: every config there is; those we know and that are no longer there are looked at as well."""
        found = set()
        path = self._settings.path
        for entry in self._store.list(path.prefix, suffix=layout.CONFIG_SUFFIX):
            name = path.name_of(entry.url)
            if name is not None:
                found.add(name)
                yield entry.url
        for run in self._runs.all():
            if run.name not in found:
                self._queue.add(run.name)

    def progress(self, name: str) -> Progress:
        """Of the run of that name on this node, zeros if there is none under way."""
        run = self._runs.get(name)
        return Progress() if run is None else run.progress()

    def describe(self) -> NodeRecord:
        """This node, for its heartbeat."""
        return NodeRecord(
            node=self._settings.node,
            instance=self._instance,
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            scheduler=self.scheduler_url,
            embedded=self._settings.scheduler_url is None,
            taking=not self._heartbeat.conflicting_nodes and not self._stopping.draining,
            state=self._state(),
            running=tuple(sorted(run.name for run in self._runs.all() if run.record.state in AT_WORK)),
            waiting=len(self._queue) + len(self._queue.delayed()),
            problems=tuple(self._redact(problem) for problem in self.problems()),
        )

    def problems(self) -> Iterable[str]:
        """What is wrong now, a line each."""
        states = (source.state() for source in (self._scan, *self._sources))
        wrong = (
            self._heartbeat.conflicting_nodes,
            self._heartbeat.duplicate_node,
            self._heartbeat.problem,
            self._scheduler_problem(),
        )
        yield from (problem for problem in (*wrong, *(state.problem for state in states)) if problem)
        refused = [run.record for run in self._runs.all() if run.record.refused]
        for record in refused[:NAMED_REFUSALS]:
            yield f"{record.name} is {record.outcome}, but cannot be renamed: {record.refused}"
        if len(refused) > NAMED_REFUSALS:
            yield f"{len(refused) - NAMED_REFUSALS} more cannot be renamed"

    def status(self) -> Status:
        """This node at this moment, for its service face."""
        now, scan, runs = time.monotonic(), self._scan.last(), [run.record for run in self._runs.all()]
        return Status(
            node=self._settings.node,
            instance=self._instance,
            version=__version__,
            path=self._settings.path.root,
            state=self._state(),
            scheduler=self.scheduler_url,
            embedded=self._settings.scheduler_url is None,
            parallel=self._settings.parallel,
            workers=sum(worker.is_alive() for worker in self._workers),
            due=len(self._queue),
            delayed=len(self._queue.delayed()),
            processing=len(self._queue.processing()),
            untaken=self._queue.idle_for(),
            scan=scan,
            scanning=self._scan.scanning(),
            since_scan=None if scan.ended is None else now - scan.ended,
            reconcile_interval=self._settings.reconcile_interval,
            since_beat=now - self._heartbeat.turned,
            sources=tuple(_seen(source, now) for source in self._sources),
            runs=tuple(
                RunSeen(run.name, run.generation, run.state.value, run.reason, run.text, run.attempts, run.refused)
                for run in runs
            ),
            scheduler_problem=self._scheduler_problem(),
            problems=tuple(self._redact(problem) for problem in self.problems()),
        )

    def _state(self) -> str:
        if self._stopping.draining:
            return "draining"
        return "ready" if self._listening else "starting"

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._heartbeat.conflicting_nodes:
                self._queue.retry(item, NOT_TAKING_DELAY)
                continue
            with about(name=item.name):
                delay = self._look(item)
            if delay is None:
                self._queue.done(item)
            else:
                self._queue.retry(item, delay)

    def _work_pass(self) -> None:
        while not self._stopping.draining:
            item = self._queue.get(PASS_IDLE)
            if item is not None:
                if not self._heartbeat.conflicting_nodes:
                    with about(name=item.name):
                        self._look(item)
                self._queue.done(item)
            elif not self._queue.processing():
                return

    def _look(self, item: Item) -> float | None:
        try:
            self._heartbeat.changed()
            return self._runner.look(item)
        except RunError as error:
            least = error.delay if isinstance(error, Temporary) and error.delay is not None else 0.0
            log.warning("%s: %s", item.name, error)
            return max(least, self._retry_policy.failed(item.name))
        except Exception:
            log.exception("%s: unexpected; please report this", item.name)
            return self._retry_policy.failed(item.name)
        finally:
            self._heartbeat.changed()


def _seen(source: Source, now: float) -> SourceSeen:
    state = source.state()
    since = None if state.last_event is None else now - state.last_event
    counts = source.counts() if isinstance(source, Counting) else {}
    kind = type(source).__name__.removesuffix("Source").lower()
    return SourceSeen(kind, state.alive, since, state.problem, dict(counts))
