"""One node's life: sources and the scan feed the queue, workers empty it, a signal ends it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Collection, Iterator, Sequence

from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.node.description import Description
from poltergust.node.heartbeat import Heartbeat
from poltergust.node.ranking import Ranking
from poltergust.node.settings import Settings
from poltergust.node.workers import Workers
from poltergust.path import layout
from poltergust.path.records import State
from poltergust.processes.memory import release_free_memory
from poltergust.runs.context import RunContext
from poltergust.runs.first_node import Turns
from poltergust.runs.known_runs import Runs
from poltergust.runs.reconciler import Reconciler
from poltergust.runs.run import Run
from poltergust.sources import Source
from poltergust.sources.scan import Scan
from poltergust.workqueue import WorkQueue

log = logging.getLogger(__name__)

FIRST_SCAN_SECONDS = 2.0
"""For which the first scan is waited for at most before this node takes anything."""

STOP_CHECK_SECONDS = 0.2
"""Between two checks whether an agent is to stop while it waits for the storage or for its name."""


FLUSH_SECONDS, FLUSH_NOW_SECONDS = 10.0, 1.0
"""For which an agent that stops waits for what it has still to write; if it is to stop now, or the storage is away."""


class Agent:
    """Owns the threads. `run` blocks until it was asked to stop, `run_pass` until nothing is left to run."""

    def __init__(
        self,
        settings: Settings,
        context: RunContext,
        *,
        runs: Runs,
        turns: Turns,
        reconciler: Reconciler,
        queue: WorkQueue,
        sources: Sequence[Source],
        ended_instances: Collection[str] = (),
    ) -> None:
        """`sources` tell of changes, besides the scan that every agent has. `ended_instances`: see `Heartbeat`."""
        self.context = context
        self.runs = runs
        self._turns = turns
        self._path = settings.path
        self._slots = settings.parallel
        self._queue = queue
        self._sources = sources
        self._ranking = Ranking(queue, context.state)
        self._scan = Scan(self._list_for_scan, settings.reconcile_interval)
        self._heartbeat = Heartbeat(
            context.state.records,
            lambda: self.description.node_record(),
            embedded=settings.scheduler_url is None,
            ended_instances=ended_instances,
        )
        self.workers = Workers(settings.parallel, queue, reconciler, self._heartbeat)
        self.description = Description(
            settings, context, runs, queue, self.workers, self._heartbeat, self._scan, sources
        )

    def run(self) -> None:
        """Serve until a drain is asked for, then finish what runs. Returns when every thread but daemons is done."""
        node, stopping = self.context.node, self.context.stopping
        self._heartbeat.start()
        started: list[Source] = []
        try:
            if self._wait_for(self._heartbeat.admitted):
                for source in self._sources:
                    started.append(source)
                    source.start(self.changed)
                # The stream is open: what happens from now on is heard, what happened before the scan finds.
                started.append(self._scan)
                self._scan.start(self.changed)
                self._scan.first_done.wait(FIRST_SCAN_SECONDS)
                self._rank()
                self.workers.start()
                self.description.listening = True
                self._heartbeat.changed()
                log.info("%s is listening to %s", node, self._path.prefix)
                stopping.wait()
            log.info("draining: nothing new is taken; stop again to end what runs now")
        finally:
            # However it ends: nothing new, and what runs is brought to an end. The queue first: a source takes its time
            # to stop, and what waits must not be taken meanwhile.
            stopping.request_drain()
            self._queue.shutdown()
            self._heartbeat.changed()
            for source in reversed(started):
                source.stop()
            self._queue.drain()
            self._flush()
            self._heartbeat.stop()
        log.info("%s has stopped", node)

    def run_pass(self) -> None:
        """Reconcile every config there is, run what is to be run, return when nothing runs any more."""
        self._turns.waits = False
        self._heartbeat.start()
        try:
            if self._wait_for(self._heartbeat.admitted):
                self.description.listening = True
                self._scan.start(self.changed)
                self._wait_for(self._scan.first_done)
                self._rank()
                self.workers.run_pass(go_on=lambda: not self.context.stopping.draining)
        finally:
            self._scan.stop()
            self._queue.shutdown()
            self._flush()
            self._heartbeat.stop(gone=False)  # the next pass is this node's too

    def _rank(self) -> None:
        """What stood there before this node is taken in the order of its priorities."""
        if len(self._queue) > self._slots:
            self._ranking.rank_waiting()
        self._ranking.start()

    def _flush(self) -> None:
        """What is still to be written of the runs is written now."""
        in_vain = self.context.stopping.now or bool(self._heartbeat.problem)
        if not self.context.state.background.flush(FLUSH_NOW_SECONDS if in_vain else FLUSH_SECONDS):
            log.warning("the storage did not take all that was to be written about the last runs")

    def _wait_for(self, event: threading.Event) -> bool:
        """Until it is set, or this agent is to stop; whether it goes on."""
        while not event.wait(STOP_CHECK_SECONDS) and not self.context.stopping.draining:
            pass
        return not self.context.stopping.draining

    def changed(self, url: str) -> None:
        """An object may have changed: queue its name if it is a config, or the outcome of a run we still know."""
        name = self._path.name_of(url)
        if name is not None:
            self._queue.add(name)
            return
        for kind in layout.OUTCOMES:
            name = self._path.name_of(url, kind)
            if name is not None and self.runs.knows(name):
                self._queue.add(name)

    def list_configs(self) -> Iterator[str]:
        """For the scan: every config there is. Runs whose config is no longer there are queued as well, those that we
        know and those that an earlier agent left."""
        found = set()
        for entry in self.context.state.store.list(self._path.prefix, suffix=layout.CONFIG_SUFFIX):
            name = self._path.name_of(entry.url)
            if name is not None:
                found.add(name)
                yield entry.url
        for name in (*(run.name for run in self.runs.all()), *self.context.journal.left_names()):
            if name not in found:
                self._queue.add(name)

    def _list_for_scan(self) -> Iterator[str]:
        yield from self.list_configs()
        release_free_memory()

    def shared_work(self) -> dict[str, int]:
        """The runs that this node works on or waits for other nodes to work on: what their worker ids have in common,
        and how often their tasks may fail."""
        return {
            run.worker_part: run.budget
            for run in self.runs.all()
            if run.record.state in (State.PREPARING, State.RUNNING) or _waits_for_others(run)
        }

    def tasks_freed(self, worker_part: str) -> None:
        """Tasks of that run can run again: what waits for them here is reconciled now, and what is about to wait for
        them does not."""
        for run in self.runs.all():
            if run.worker_part == worker_part:
                run.freed.set()
                run.rests_until = 0.0
                if _waits_for_others(run):
                    self._queue.add(run.name)

    def look_at_waiting(self) -> float:
        """Queue the runs that wait here and whose turn has come, by the latest look at the scheduler. In how many
        seconds the next look should follow; infinity: there is no hurry."""
        soon = False
        for run in self.runs.all():
            if _waits_for_others(run):
                if self._turns.has_come(run):
                    self._queue.add(run.name)
                soon = soon or self._turns.is_about_to_come(run)
        return self._turns.hurried_look_seconds() if soon else math.inf

    def progress(self, name: str) -> Progress:
        """Of the run of that name on this node, zeros if there is none under way."""
        run = self.runs.get(name)
        return Progress() if run is None else run.progress()


def _waits_for_others(run: Run) -> bool:
    return run.record.state is State.WAITING and run.record.reason == Reason.OTHERS_RUN.code
