"""The counts in the record while Luigi runs: fresh enough to watch, few enough writes to pay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from poltergust.base.progress import Progress
from poltergust.luigi_run import Report
from poltergust.path.layout import WatchedPath
from poltergust.path.outcome import Config
from poltergust.path.records import Records, RunRecord
from poltergust.path.state import PathState
from poltergust.runs.journal import Journal
from poltergust.runs.progress_reporter import FIRST_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS, ProgressReporter
from poltergust.runs.run import Run
from poltergust.stores import Stores
from tests.stored_records import record_of

Reporting = tuple["Luigi", ProgressReporter, Records, list[float]]


class Luigi:
    """A run whose counts the test sets."""

    def __init__(self) -> None:
        self.counts = Progress()

    def progress(self) -> Progress:
        return self.counts

    def root_task_id(self) -> str:
        return "Root_1"

    def drain(self) -> None: ...

    def stop(self, grace: float) -> None: ...

    def result(self, timeout: float | None) -> Report | None:
        return None


class Written(ProgressReporter):
    """Whose records are written when it returns."""

    def __init__(self, run: Run, state: PathState, luigi: Luigi, clock: Callable[[], float]) -> None:
        self._background = state.background
        super().__init__(run, state.records, Journal(), luigi, clock)

    def report(self) -> None:
        super().report()
        assert self._background.flush(60)


@pytest.fixture
def reporting(tmp_path: Path) -> Reporting:
    (tmp_path / "p").mkdir()
    path = WatchedPath(str(tmp_path / "p"))
    state = PathState(Stores(path.state_prefix).of(path.root), path, "node-1")
    now = [100.0]
    run = Run(Config("x", "1", b""), RunRecord("x", "1", "node-1"), began=0.0)
    luigi = Luigi()
    return luigi, Written(run, state, luigi, lambda: now[0]), state.records, now


def test_nothing_is_written_before_there_are_counts(
    reporting: Reporting,
) -> None:
    _, reporter, records, _ = reporting
    reporter.report()
    assert record_of(records, "x", "1") is None


def test_the_first_counts_come_at_once_the_next_at_growing_intervals(
    reporting: Reporting,
) -> None:
    luigi, reporter, records, now = reporting
    luigi.counts = Progress(pending=1000)
    reporter.report()
    record = record_of(records, "x", "1")
    assert record is not None
    assert record.progress is not None
    assert (record.progress.pending, record.root_task_id) == (1000, "Root_1")
    written = []
    seen = 1000
    for second in range(200):
        now[0] += 1
        luigi.counts = Progress(done=second + 1, pending=999 - second)
        reporter.report()
        record = record_of(records, "x", "1")
        assert record is not None
        assert record.progress is not None
        if record.progress.pending != seen:
            seen = record.progress.pending
            written.append(second + 1)
    gaps = [later - earlier for earlier, later in zip([0, *written], written, strict=False)]
    assert gaps[0] == FIRST_INTERVAL_SECONDS
    assert gaps == sorted(gaps)
    assert gaps[-1] == MAX_INTERVAL_SECONDS


def test_the_same_counts_are_not_written_again(reporting: Reporting) -> None:
    luigi, reporter, records, now = reporting
    luigi.counts = Progress(running=1)
    reporter.report()
    first = [seen.updated for seen in records.runs("x", "1")]
    now[0] += 1000
    reporter.report()
    assert [seen.updated for seen in records.runs("x", "1")] == first
