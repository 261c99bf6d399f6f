"""What one node remembers of one run."""

from __future__ import annotations

import weakref

from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.luigi_run import Report
from poltergust.path.outcome import Config
from poltergust.path.records import RunRecord
from poltergust.runs.run import Run


class Luigi:
    def progress(self) -> Progress:
        return Progress(running=1)


def test_of_a_luigi_process_that_ended_only_its_counts_are_kept() -> None:
    """Thousands of runs may wait, and the process's object has its log, its pipes and its files behind it."""
    run, luigi = Run(Config("x", "1", b""), RunRecord("x", "1", "here"), began=0.0), Luigi()
    run.progress = luigi.progress
    kept = weakref.ref(luigi)
    run.record_progress(Report(Reason.DATA_MISSING, "", progress=Progress(pending=2)))
    del luigi
    assert kept() is None
    assert run.progress() == Progress(pending=2)
