"""The history of a name as a page shows it: two runs beside each other, what its squares mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poltergust.dashboard.family_rows import FamilyRow
from poltergust.path.reading.history import RunSummary
from poltergust.path.tasks import TaskState

_WORDS: Mapping[TaskState, str] = {
    TaskState.FAILED: "failed",
    TaskState.LOST: "lost: its process ended before it did",
    TaskState.RUNNING: "running",
    TaskState.PENDING: "pending: not run",
    TaskState.DONE: "done in this run",
    TaskState.COMPLETE: "complete without this run",
}


def lock_cells(one: RunSummary, other: RunSummary) -> tuple[str, str]:
    """Which installed versions each had: the generation of its lock, since all before the @ is the environment's; ""
    where that is not known. "same" for the second where both had the same."""
    first, second = (run.environment.lock if run.environment else "" for run in (one, other))
    digests = one.lock_digest, other.lock_digest
    same = digests[0] == digests[1] if all(digests) else first == second
    return _generation(first), "same" if first and same else _generation(second)


def square_legend(rows: Iterable[FamilyRow]) -> tuple[tuple[TaskState, str], ...]:
    """Each state that has a square in `rows`, in words."""
    shown = {state for row in rows for state in row.states}
    return tuple((state, words) for state, words in _WORDS.items() if state in shown)


def _generation(lock: str) -> str:
    return lock.rpartition("@")[2]
