"""Two runs of one name against each other: the texts that they were made of, and how long their families took."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from poltergust.path.content import Content
from poltergust.path.reading.families import FamilyTimes, family_times
from poltergust.path.reading.history import RunSummary, changes
from poltergust.path.reading.model import PastRun
from poltergust.path.reading.reader import Reader

CONTEXT_LINES = 3  # around a change, as `diff -u` shows


@dataclass(frozen=True)
class TextChange:
    """One text of the two runs. `lines` is a unified diff, empty where nothing changed. `known` is False where one of
    the two is not kept: an older version ran it, or retention removed it."""

    title: str
    known: bool
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class FamilyChange:
    """A family in both runs; None where no task of it was begun."""

    family: str
    before: FamilyTimes | None
    after: FamilyTimes | None


@dataclass(frozen=True)
class RunComparison:
    """`after` against `before`. `texts` are those of config, environment file and locked versions, in this order;
    `changed` is in the words of `history`."""

    before: RunSummary
    after: RunSummary
    texts: tuple[TextChange, ...]
    families: tuple[FamilyChange, ...]
    changed: tuple[str, ...] = ()


def compare(reader: Reader, content: Content, name: str, runs: Sequence[tuple[RunSummary, PastRun]]) -> RunComparison:
    """The second of `runs` against the first. Raises what the store raises."""
    (before, _), (after, _) = runs
    texts = (
        _text(content, "config", before.config_digest, after.config_digest),
        _text(content, "environment", before.environment_digest, after.environment_digest),
        _text(content, "lock", before.lock_digest, after.lock_digest, context=0),
    )
    then, now = (family_times(reader.tasks(name, past.generation, past.runs)) for _, past in runs)
    families = tuple(FamilyChange(family, then.get(family), now.get(family)) for family in {**now, **then})
    return RunComparison(before, after, texts, families, changes(before, after))


def _text(content: Content, title: str, before: str, after: str, *, context: int = CONTEXT_LINES) -> TextChange:
    if before and before == after:
        return TextChange(title, known=True)
    then, now = content.get(before), content.get(after)
    if then is None or now is None:
        return TextChange(title, known=False)
    first, second = (text.decode("utf-8", "replace").splitlines() for text in (then, now))
    changes = difflib.unified_diff(first, second, f"{title} before", f"{title} after", n=context, lineterm="")
    return TextChange(title, known=True, lines=tuple(changes))
