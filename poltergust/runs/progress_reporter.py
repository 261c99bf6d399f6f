"""Reports how far a run is, while Luigi runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from poltergust.luigi_run import LuigiRun
from poltergust.path.records import Records
from poltergust.runs.journal import Journal
from poltergust.runs.run import Run

FIRST_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 2.0, 30.0
"""Between two writes of a record whose counts change: at first, and after long. Each write is a request, and Cloud
Storage takes about one a second for one object."""

INTERVAL_GROWTH = 1.5


class ProgressReporter:
    """Keeps the counts in the record of `run` fresh. They are written when they changed, at growing intervals."""

    def __init__(
        self, run: Run, records: Records, journal: Journal, luigi: LuigiRun, clock: Callable[[], float]
    ) -> None:
        self._run = run
        self._records = records
        self._journal = journal
        self._luigi = luigi
        self._clock = clock
        self._interval = FIRST_INTERVAL_SECONDS
        self._not_before = 0.0

    def report(self) -> None:
        """Write the counts if there is anything new in them, and the last time is long enough ago."""
        now = self._clock()
        counts = self._luigi.progress()
        if now < self._not_before or counts == self._run.record.progress or not counts.total:
            return
        self._run.root_task_id = self._luigi.root_task_id()
        root_task_id = self._run.redact(self._run.root_task_id)
        record = replace(self._run.record, progress=counts, root_task_id=root_task_id)
        self._run.save(self._records, self._journal, record)
        self._not_before = now + self._interval
        self._interval = min(self._interval * INTERVAL_GROWTH, MAX_INTERVAL_SECONDS)
