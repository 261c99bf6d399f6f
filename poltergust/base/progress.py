"""How far a pipeline is, and what failed in it: the values that a Luigi run reports and a run record keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from poltergust.base.json_text import is_plausible
from poltergust.base.redaction import KNOWN_NAMES, MASK
from poltergust.base.text import cut

MAX_VALUE_CHARACTERS = 60
"""Of one parameter in a task's name for people: a list of a thousand files says no more than its beginning."""

MAX_TASK_NAME_CHARACTERS = 300


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
        """From the JSON object that `asdict` makes of it. What is missing or no count counts 0."""
        counts = value if isinstance(value, Mapping) else {}
        known = (counts.get(name) for name in ("done", "running", "pending", "failed"))
        return cls(*(count if isinstance(count, int) and is_plausible(count) else 0 for count in known))


@dataclass(frozen=True)
class TaskFailure:
    """One failed or disabled Luigi task: its id, family, its exception's text (the scheduler's `fetch_error`), and its
    name for people (see `task_name`), empty where it is not known."""

    task_id: str
    family: str
    error: str
    name: str = ""

    @classmethod
    def decode(cls, value: object) -> TaskFailure:
        """From the JSON object that `asdict` makes of it, or that a Luigi process reports, which has `params` in place
        of `name`. What is missing is empty."""
        fields = value if isinstance(value, Mapping) else {}
        failure = cls(*(str(fields.get(name, "")) for name in ("task_id", "family", "error", "name")))
        return replace(failure, name=failure.name or task_name(failure.family, fields.get("params")))


def task_name(family: str, params: object) -> str:
    """A task as people write it: ``Join(date=2026-05-01, table=sales)``. Empty where its parameters are not known. The
    value of a parameter with a secret's name is masked."""
    if not family or not isinstance(params, Mapping):
        return ""
    shown = ", ".join(
        f"{key}={MASK if str(key) in KNOWN_NAMES else cut(str(value), MAX_VALUE_CHARACTERS)}"
        for key, value in params.items()
    )
    return cut(f"{family}({shown})", MAX_TASK_NAME_CHARACTERS)
