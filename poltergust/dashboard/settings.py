"""What the page is told when it starts, as one checked value."""

from __future__ import annotations

from dataclasses import dataclass

from poltergust.base.errors import UsageError
from poltergust.observe.http import loopback, shown

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""As a browser on this machine writes them in the Host header, without the port."""

MIN_TOKEN_LENGTH = 16
"""Characters; fewer can be guessed."""


@dataclass(frozen=True)
class DashboardSettings:
    """`address` is (host, port; 0 for any free one). `allowed_hosts` are further names, without a port, that the page
    may be asked under. `token` None: nobody can act."""

    address: tuple[str, int]
    allowed_hosts: frozenset[str] = frozenset()
    token: str | None = None
    allow_remote_actions: bool = False
    scheduler_url: str | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            return
        if len(self.token) < MIN_TOKEN_LENGTH:
            raise UsageError(f"the token is shorter than {MIN_TOKEN_LENGTH} characters; leave --token-file out for one")
        if not loopback(self.address[0]) and not self.allow_remote_actions:
            raise UsageError(
                f"--allow-actions on {shown(self.address)}: whoever reaches that address could try tokens, and they"
                " would travel in the clear; use a loopback address and a tunnel, or add --force-remote-actions"
            )

    @property
    def hosts(self) -> frozenset[str]:
        """Every name the page answers under, as in the Host header without its port."""
        host = self.address[0]
        own = f"[{host}]" if ":" in host else host
        return LOOPBACK_NAMES | self.allowed_hosts | ({own} if host not in ("", "0.0.0.0", "::") else frozenset())  # noqa: S104  # compared with, never bound to
