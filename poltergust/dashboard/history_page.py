"""Two runs of a name beside each other, as the history shows them. Pure."""

from __future__ import annotations

from poltergust.path.reading.history import RunSummary


def lock_cells(one: RunSummary, other: RunSummary) -> tuple[str, str]:
    """Which installed versions each had: the generation of its lock, since all before the @ is the environment's; ""
    where that is not known. "same" for the second where both had the same."""
    first, second = (run.environment.lock if run.environment else "" for run in (one, other))
    digests = one.lock_digest, other.lock_digest
    same = digests[0] == digests[1] if all(digests) else first == second
    return _generation(first), "same" if first and same else _generation(second)


def _generation(lock: str) -> str:
    return lock.rpartition("@")[2]
