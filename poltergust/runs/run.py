"""What one node remembers of one run (a name and a generation) from its first look to its last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.luigi_run import LuigiRun, Report
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config
from poltergust.path.records import PhaseTimings, Records, RunRecord, State

FIRST_TOLD, LAST_TOLD = 2.0, 30.0
"""Seconds between two writes of a record whose counts change: at first, and after long."""


@dataclass(frozen=True)
class Verdict:
    """How one look at a run ended: a reason, one line for people, and for a pipeline what failed in it.

    `delay`: the least number of seconds before the next look, where the row has one.
    """

    reason: Reason
    text: str
    failures: tuple[TaskFailure, ...] = ()
    delay: float | None = None

    @property
    def kind(self) -> ReasonKind:
        return self.reason.kind

    @property
    def outcome(self) -> Kind | None:
        """What the config is renamed to, if this is the end."""
        return {ReasonKind.DONE: Kind.DONE, ReasonKind.INVALID: Kind.ERROR, ReasonKind.FAILED: Kind.ERROR}.get(
            self.kind
        )


@dataclass
class Run:
    """One run on this node. Only the worker thread that holds the name touches it, `progress` aside."""

    config: Config
    record: RunRecord
    began: float  # monotonic seconds of the first look, an earlier life of this agent included
    starts: int = 0  # Luigi processes started for it by this agent
    budget: int = 1  # attempts on this node, the first included
    deadline: float | None = None  # monotonic seconds; from the task file's `timeout`
    absent_since: float | None = None  # the environment object was missing first then, monotonic seconds
    verdict: Verdict | None = None  # the outcome is known, only the rename is left
    progress: Callable[[], Progress] = Progress
    phase_timings: PhaseTimings = field(default_factory=PhaseTimings)

    @property
    def name(self) -> str:
        return self.config.name

    def record_progress(self, report: Report) -> None:
        """Keep what the report says of the pipeline; written with the next note."""
        self.record = replace(
            self.record,
            root_task_id=report.root_task_id or self.record.root_task_id,
            progress=report.progress,
            timings=self.phase_timings,
        )

    def note(self, records: Records, **changes: Any) -> None:
        """Change the record and write it. The first write tells when the run started, by the server's clock."""
        self.record = replace(self.record, **changes)
        written = records.save_run(self.record)
        if self.record.started is None and written is not None:
            self.record = replace(self.record, started=written)


class ProgressReporter:
    """Keeps the counts in the record fresh while Luigi runs, for those who look on: written when they changed, at
    growing intervals (each write is a request, and one object takes about one a second)."""

    def __init__(self, run: Run, records: Records, luigi: LuigiRun, clock: Callable[[], float]) -> None:
        self._run = run
        self._records = records
        self._luigi = luigi
        self._clock = clock
        self._pause = FIRST_TOLD
        self._not_before = 0.0

    def report(self) -> None:
        """Write the counts if there is anything new in them, and the last time is long enough ago."""
        now = self._clock()
        counts = self._luigi.progress()
        if now < self._not_before or counts == self._run.record.progress or not counts.total:
            return
        self._run.note(self._records, progress=counts, root_task_id=self._luigi.root_task_id())
        self._not_before = now + self._pause
        self._pause = min(self._pause * 1.5, LAST_TOLD)


def reason_of(code: str | None) -> Reason | None:
    """The reason of that code; None for a code of a newer version."""
    return next((reason for reason in Reason if reason.code == code), None)


class Runs:
    """The runs this node remembers, by name. An entry leaves when its run has ended here."""

    def __init__(self, records: Records, node: str, scheduler: str, clock: Callable[[], float]) -> None:
        self._records = records
        self._node = node
        self._scheduler = scheduler
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Run] = {}

    def of(self, config: Config) -> Run:
        """The run of this very config: the one known, or a new one, taken up from its record if there is one."""
        with self._lock:
            known = self._known.get(config.name)
        if known is not None and known.config.generation == config.generation:
            return known
        run = self._take_up(config)
        with self._lock:
            self._known[config.name] = run
        return run

    def knows(self, name: str) -> bool:
        with self._lock:
            return name in self._known

    def get(self, name: str) -> Run | None:
        """The run of that name that is known, whichever generation it is of."""
        with self._lock:
            return self._known.get(name)

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def all(self) -> list[Run]:
        with self._lock:
            return list(self._known.values())

    def _take_up(self, config: Config) -> Run:
        record = self._records.load_run(config.name, config.generation)
        if record is None:
            fresh = RunRecord(config.name, config.generation, self._node, scheduler=self._scheduler)
            return Run(config, fresh, began=self._clock())
        run = Run(config, replace(record, node=self._node, scheduler=self._scheduler), began=self._clock())
        now = self._records.server_time()
        if record.started is not None and now is not None:
            run.began -= max(0.0, now - record.started)
        if record.state is State.FINISHED and record.outcome is not None:
            # The outcome was known when the agent died or the storage refused: only the rename is left.
            otherwise = Reason.COMPLETE if record.outcome == Kind.DONE.value else Reason.GAVE_UP
            run.verdict = Verdict(reason_of(record.reason) or otherwise, record.text)
        return run
