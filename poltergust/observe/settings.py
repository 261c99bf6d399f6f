"""What a user can set about how one agent is observed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ObserveSettings:
    """Nothing is shown, posted or removed by default. Durations in seconds."""

    http: tuple[str, int] | None = None  # host and port to serve health and metrics on
    notify_url: str | None = field(default=None, repr=False)  # outcomes are posted there; its path may be a key
    notify_secret: str | None = field(default=None, repr=False)
    keep: float | None = None  # records and logs older than that are deleted; None: none are
    systemd: str | None = None  # NOTIFY_SOCKET
    watchdog: float | None = None  # systemd wants to hear from this process as often as that
