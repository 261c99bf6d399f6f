"""What a user can set about the runs of one node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunSettings:
    """Durations in seconds, sizes in bytes."""

    retries: int = 3  # attempts after the first, on this node; a task file may say another number
    drain_timeout: float = 600.0  # how long running tasks may go on after a drain was asked for
    allow_environments: tuple[str, ...] = ()  # patterns of environment files' URLs; empty: all are allowed
    log_limit: int = 64 * 1024 * 1024  # where a run log is cut
    redact_variables: tuple[str, ...] = ()  # patterns of names whose values are secrets, beside the known ones
    labels: tuple[str, ...] = ()  # of this node: it runs the configs whose `nodes` are all among them
