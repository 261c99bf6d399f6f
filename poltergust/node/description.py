"""How one node describes itself at a moment: for its heartbeat, for operators, and what is wrong with it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poltergust import __version__
from poltergust.base.loops import dead_threads
from poltergust.base.redaction import Redactor
from poltergust.node.heartbeat import Heartbeat
from poltergust.node.settings import Settings
from poltergust.node.workers import Workers
from poltergust.observe.status import RunSeen, SourceSeen, Status
from poltergust.path.records import MAX_QUEUE_NAMES, NodeRecord, State
from poltergust.runs.context import RunContext
from poltergust.runs.known_runs import Runs
from poltergust.sources import Counting, Source
from poltergust.sources.scan import Scan
from poltergust.workqueue import WorkQueue

MAX_NAMED_REFUSALS = 10
"""Refused renames that a heartbeat names; the others are a number."""

ACTIVE_STATES = (State.PREPARING, State.RUNNING)
"""Where a run uses this machine. One that waits costs a question now and then, and its changes no heartbeat."""


@dataclass
class Description:
    """Reads the parts of a running agent; safe to use from several threads."""

    settings: Settings
    context: RunContext
    runs: Runs
    queue: WorkQueue
    workers: Workers
    heartbeat: Heartbeat
    scan: Scan
    sources: Sequence[Source]
    listening: bool = False  # set once sources and scan are on: before that the node is starting
    redact: Redactor = field(init=False)

    def __post_init__(self) -> None:
        self.redact = Redactor((self.context.variables,), names=self.context.names)

    def node_record(self) -> NodeRecord:
        """For the heartbeat."""
        return NodeRecord(
            node=self.context.node,
            instance=self.context.state.instance,
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            scheduler=self.context.scheduler.shown_url,
            embedded=self.settings.scheduler_url is None,
            taking=not self.heartbeat.refusal and not self.context.stopping.draining,
            state=self._state(),
            running=tuple(sorted(run.name for run in self.runs.all() if run.record.state in ACTIVE_STATES)),
            slots=self.settings.parallel,
            queue=self._in_line(),
            waiting=len(self.queue) + len(self.queue.delayed()),
            problems=self._problems(),
            labels=self.settings.runs.labels,
            since=self.heartbeat.since,
        )

    def _in_line(self) -> tuple[str, ...]:
        """Who waits for a slot. While one is free nobody does: a name in the queue is then taken at this moment."""
        if len(self.queue.processing()) < self.settings.parallel:
            return ()
        return self.queue.waiting()[:MAX_QUEUE_NAMES]

    def status(self) -> Status:
        """For operators (`poltergust.observe`)."""
        now, scan = self.context.clock.monotonic(), self.scan.last()
        return Status(
            node=self.context.node,
            instance=self.context.state.instance,
            version=__version__,
            path=self.settings.path.root,
            state=self._state(),
            scheduler=self.context.scheduler.shown_url,
            embedded=self.settings.scheduler_url is None,
            parallel=self.settings.parallel,
            workers=self.workers.alive(),
            due=len(self.queue),
            delayed=len(self.queue.delayed()),
            processing=len(self.queue.processing()),
            untaken=self.queue.idle_for(),
            scan=scan,
            scanning=self.scan.scanning(),
            since_scan=None if scan.ended is None else now - scan.ended,
            since_oldest=None if scan.oldest is None else now - scan.oldest,
            cache_free=_free_bytes(self.settings.cache),
            reconcile_interval=self.settings.reconcile_interval,
            since_beat=now - self.heartbeat.turned,
            sources=tuple(_seen(source, now) for source in self.sources),
            runs=tuple(
                RunSeen(run.name, run.generation, run.state.value, run.reason, run.text, run.attempts, run.refused)
                for run in (known.record for known in self.runs.all())
            ),
            scheduler_problem=self.context.scheduler.problem(),
            problems=self._problems(),
            dead_threads=dead_threads(),
        )

    def _problems(self) -> tuple[str, ...]:
        return tuple(self.redact(problem) for problem in self._all_problems())

    def _all_problems(self) -> Iterator[str]:
        """What is wrong now, a line each."""
        states = (source.state() for source in (self.scan, *self.sources))
        problems = (
            self.heartbeat.conflicting_nodes,
            self.heartbeat.duplicate_node,
            self.heartbeat.problem,
            self.context.scheduler.problem(),
        )
        yield from (problem for problem in (*problems, *(state.problem for state in states)) if problem)
        refused = [run.record for run in self.runs.all() if run.record.refused]
        for record in refused[:MAX_NAMED_REFUSALS]:
            yield f"{record.name} is {record.outcome}, but cannot be renamed: {record.refused}"
        if len(refused) > MAX_NAMED_REFUSALS:
            yield f"{len(refused) - MAX_NAMED_REFUSALS} more cannot be renamed"

    def _state(self) -> str:
        if self.context.stopping.draining:
            return "draining"
        return "ready" if self.listening else "starting"


def _seen(source: Source, now: float) -> SourceSeen:
    state = source.state()
    since = None if state.last_event is None else now - state.last_event
    counts = source.counts() if isinstance(source, Counting) else {}
    kind = type(source).__name__.removesuffix("Source").lower()
    return SourceSeen(kind, state.alive, since, state.problem, dict(counts))


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # not there yet, or not to be looked at
        return None
