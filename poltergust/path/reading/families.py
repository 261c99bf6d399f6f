"""How long the tasks of each family took in one run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from poltergust.path.tasks import TaskState, TaskStory


@dataclass(frozen=True)
class FamilyTimes:
    """Of one family in one run: `tasks` that were begun, how many `failed` (or were lost) at their last attempt, and
    the `attempts` of all. Seconds of the last attempts: their `median` and the `longest`, None where none ended, and
    all of them together."""

    family: str
    tasks: int
    failed: int
    attempts: int
    median: float | None
    longest: float | None
    total: float


def family_times(found: Iterable[TaskStory]) -> dict[str, FamilyTimes]:
    """By family, the one that took longest first. A family of which no task was begun is left out."""
    families: dict[str, list[TaskStory]] = {}
    for story in found:
        if story.attempts:
            families.setdefault(story.family, []).append(story)
    times = [_times(family, begun) for family, begun in families.items()]
    return {one.family: one for one in sorted(times, key=lambda one: (-one.total, one.family))}


def _times(family: str, begun: list[TaskStory]) -> FamilyTimes:
    seconds = [story.seconds for story in begun if story.seconds is not None]
    return FamilyTimes(
        family=family,
        tasks=len(begun),
        failed=sum(story.state in (TaskState.FAILED, TaskState.LOST) for story in begun),
        attempts=sum(story.attempts for story in begun),
        median=round(median(seconds), 3) if seconds else None,
        longest=round(max(seconds), 3) if seconds else None,
        total=round(sum(seconds), 3),
    )
