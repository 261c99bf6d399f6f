"""How far a pipeline is, and what failed in it: the values that a Luigi run reports and a run record keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Counts of tasks in the root's whole dependency graph as the scheduler sees it, on all nodes."""

    done: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.done + self.running + self.pending + self.failed

    @classmethod
    def decode(cls, value: object) -> Progress:
        """From the JSON object that `asdict` makes of it. What is missing or no whole number counts 0."""
        counts = value if isinstance(value, Mapping) else {}
        known = (counts.get(name) for name in ("done", "running", "pending", "failed"))
        return cls(*(count if isinstance(count, int) else 0 for count in known))


@dataclass(frozen=True)
class TaskFailure:
    """One failed or disabled Luigi task: its id, family, and its exception's text (the scheduler's `fetch_error`)."""

    task_id: str
    family: str
    error: str

    @classmethod
    def decode(cls, value: object) -> TaskFailure:
        """From the JSON object that `asdict` makes of it. What is missing is empty."""
        fields = value if isinstance(value, Mapping) else {}
        return cls(*(str(fields.get(name, "")) for name in ("task_id", "family", "error")))
