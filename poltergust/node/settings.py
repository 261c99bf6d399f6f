"""One frozen value with everything a user can set for one agent. Made by the command line, read by everybody else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poltergust.path import layout


@dataclass(frozen=True)
class ServiceSettings:
    """What an agent shows to operators (`poltergust.observe`); nothing by default."""

    http: tuple[str, int] | None = None  # host and port to serve health and metrics on
    notify_url: str | None = field(default=None, repr=False)  # outcomes are posted there; its path may be a key
    notify_secret: str | None = field(default=None, repr=False)
    keep: float | None = None  # records and logs older than that go; None: none do
    systemd: str | None = None  # NOTIFY_SOCKET
    watchdog: float | None = None  # systemd wants to hear from this process as often as that


@dataclass(frozen=True)
class Settings:
    """All durations in seconds, all sizes in bytes."""

    path: layout.WatchedPath
    node: str
    scheduler_url: str | None = None  # None: an embedded luigid
    subscription: str | None = None  # full name, projects/P/subscriptions/S
    topic: str | None = None  # full name, projects/P/topics/T: the node makes its own subscription
    reconcile_interval: float = 300.0
    parallel: int = 8
    retries: int = 3
    drain_timeout: float = 600.0
    cache: Path = Path("~/.cache/poltergust")
    env_cache_size: int | None = 20 * 1024**3  # None: no limit
    env_max_age: float | None = 30 * 86400.0  # since last use; None: no limit
    build_parallel: int = 2
    allow_environments: tuple[str, ...] = ()
    log_limit: int = 64 * 1024 * 1024
    service: ServiceSettings = ServiceSettings()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  # the node's own environment

    @property
    def digest(self) -> str:
        """Of the path: tells agents that share a cache folder apart."""
        return hashlib.sha256(self.path.root.encode()).hexdigest()[:16]

    @property
    def work(self) -> Path:
        """Where this agent, and no other, makes the working directories of its runs."""
        return self.cache / "work" / f"{self.digest}-{self.node}"
