"""What a look at this node's surroundings found: the value that every probe of `poltergust doctor` yields.

Here, below the rooms, because what talks to Google is examined in the rooms that may: `stores.gs.examine`,
`sources.pubsub.examine`; the rest of the probes, and who runs them, are in `doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much it matters. SKIP: it could not be looked at, which by itself is nothing wrong."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding. `name` is stable (documented in docs/commands.md), `text` one line that says what was found,
    `remedy` one line that says what to do about it, empty where there is nothing to do."""

    name: str
    verdict: Severity
    text: str
    remedy: str = ""


def ok(name: str, text: str) -> Check:
    return Check(name, Severity.OK, text)


def skip(name: str, text: str, remedy: str = "") -> Check:
    return Check(name, Severity.SKIP, text, remedy)


def warn(name: str, text: str, remedy: str) -> Check:
    return Check(name, Severity.WARN, text, remedy)


def fail(name: str, text: str, remedy: str) -> Check:
    return Check(name, Severity.FAIL, text, remedy)
