"""What an agent is doing at this moment, and two questions about it: is it alive, is it ready? Pure.

*Alive* is about this process: its threads make progress, or starting it again is the only help. *Ready* is about its
work: a config that lands now would be noticed, run and renamed. A node that is alive and not ready needs somebody to
repair what the reasons name; starting it again would not help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from poltergust.sources.scan import ScanState

MAX_DUE_SECONDS = 120.0
"""How long a name may be due while a worker is free, before the workers count as stuck."""

MAX_TURN_SECONDS = 600.0
"""How long the heartbeat's thread may take for a turn: one is a minute and some bounded storage calls."""

SCAN_GRACE_SECONDS = 60.0
"""How late a scan may be beyond two intervals."""


@dataclass(frozen=True)
class SourceSeen:
    """One source. `since_event` in seconds, None: nothing came yet; `counts` of what came, by what became of it."""

    kind: str
    alive: bool
    since_event: float | None
    problem: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSeen:
    """One run this node remembers. `state` and `reason` as in its record."""

    name: str
    generation: str
    state: str
    reason: str | None = None
    text: str = ""
    attempts: int = 0
    refused: str = ""


@dataclass(frozen=True)
class Status:
    """All durations in seconds. `state`: starting, ready, draining."""

    node: str
    instance: str
    version: str
    path: str
    state: str
    scheduler: str  # its URL, without credentials
    embedded: bool
    parallel: int
    workers: int  # worker threads that are alive
    due: int  # names that could be taken now
    delayed: int  # names to be looked at again later
    processing: int
    untaken: float  # how long a name has been due and none was taken
    scan: ScanState
    scanning: bool  # the scan's thread is alive
    since_scan: float | None  # None: none went through yet
    since_oldest: float | None  # since a scan found the config that is there the longest; None: there is none
    cache_free: int | None  # bytes that are left where environments are kept; None: nobody can say
    reconcile_interval: float
    since_beat: float  # since the heartbeat's thread made a turn
    sources: tuple[SourceSeen, ...] = ()
    runs: tuple[RunSeen, ...] = ()
    scheduler_problem: str = ""
    problems: tuple[str, ...] = ()  # everything that is wrong, as in the heartbeat
    dead_threads: tuple[str, ...] = ()  # threads that an exception ended, each with the exception's class

    @property
    def refused(self) -> tuple[RunSeen, ...]:
        """Runs whose outcome is known and whose config cannot be renamed."""
        return tuple(run for run in self.runs if run.refused)

    @property
    def since_event(self) -> float | None:
        """Of the source that heard something last."""
        return min((source.since_event for source in self.sources if source.since_event is not None), default=None)


def unhealthy(status: Status) -> list[str]:
    """Why this process should be started again, a line each; empty while it is alive."""
    reasons = []
    if status.state == "ready":
        if status.workers < status.parallel:
            reasons.append(f"{status.parallel - status.workers} of {status.parallel} worker threads have ended")
        if status.untaken > MAX_DUE_SECONDS and status.processing < status.parallel:
            reasons.append(f"names have been due for {status.untaken:.0f} s and no free worker takes one")
        if not status.scanning:
            reasons.append("the scan's thread has ended")
    if status.since_beat > MAX_TURN_SECONDS:
        reasons.append(f"the heartbeat's thread made no turn for {status.since_beat:.0f} s")
    return reasons + [f"the thread {thread} has died" for thread in status.dead_threads]


def unready(status: Status) -> list[str]:
    """Why a config that lands now would not be served as it should, a line each; empty when ready."""
    reasons = unhealthy(status)
    if status.state != "ready":
        reasons.append(f"this node is {status.state}")
    if status.since_scan is None:
        reasons.append("no scan of the path went through yet")
    elif status.since_scan > 2 * status.reconcile_interval + SCAN_GRACE_SECONDS:
        reasons.append(f"the last whole scan of the path ended {status.since_scan:.0f} s ago")
    reasons += [
        f"{source.kind}: no events arrive" for source in status.sources if not source.alive and not source.problem
    ]
    return reasons + [problem for problem in status.problems if problem not in reasons]


def summary(status: Status) -> str:
    """One line for `systemctl status`."""
    wrong = unready(status)
    work = f"{status.processing} in hand, {status.due} due, {status.delayed} to be looked at again later"
    return f"{status.state}: {work}" + (f"; not ready: {wrong[0]}" if wrong else "")
