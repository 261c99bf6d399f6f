"""What a running node shows to operators, as options of `listen`; see `poltergust.observe`."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from poltergust.base.errors import UsageError
from poltergust.cli.options import Duration, Size, option
from poltergust.node.settings import Settings
from poltergust.observe.settings import ObserveSettings

F = TypeVar("F", bound=Callable[..., Any])

SECRET = "POLTERGUST_NOTIFY_SECRET"  # noqa: S105  # a variable's name
"""Only ever in the environment: a command line can be read by everybody on the machine."""

MIN_KEEP_SECONDS = 3600.0
"""With less, retention would remove records that live nodes still read."""

MIN_LOG_LIMIT_BYTES = 1024

NOT_INHERITED = (
    SECRET,
    "POLTERGUST_NOTIFY",
    "POLTERGUST_SCHEDULER_URL",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)
"""What is for this process alone: no task may sign, post or speak to systemd in the node's name."""

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    option("--http", metavar="HOST:PORT", help="Serve /healthz, /readyz, /status.json and /metrics there."),
    option(
        "--notify",
        metavar="URL",
        help=f"Post each outcome to that address once, as JSON, signed with the secret in {SECRET}.",
    ),
    option("--keep", type=Duration(), default="30d", metavar="TIME", help="Older records and logs go; 0: none do."),
    option("--log-limit", type=Size(), default="64M", metavar="SIZE", help="Where the log of a run is cut."),
)


def observe_options(function: F) -> F:
    """All of them; `with_observability` takes their values."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def with_observability(settings: Settings, options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """`settings` with what the options and systemd's variables say. Raises `UsageError`."""
    # Imported here: what they need is not needed by `--help`.
    from poltergust.observe.posts import check_url
    from poltergust.observe.systemd import watchdog_seconds

    keep = options["keep"]
    if 0 < keep < MIN_KEEP_SECONDS:
        raise UsageError(f"--keep: at least {MIN_KEEP_SECONDS / 3600:g}h, or 0 to remove nothing")
    if options["log_limit"] < MIN_LOG_LIMIT_BYTES:
        raise UsageError("--log-limit: at least 1K")
    return replace(
        settings,
        runs=replace(settings.runs, log_limit=options["log_limit"]),
        environ={name: value for name, value in settings.environ.items() if name not in NOT_INHERITED},
        observe=ObserveSettings(
            http=address(options["http"]) if options.get("http") else None,
            notify_url=check_url(options["notify"]) if options.get("notify") else None,
            notify_secret=environ.get(SECRET) or None,
            keep=keep or None,
            systemd=environ.get("NOTIFY_SOCKET") or None,
            watchdog=watchdog_seconds(environ, os.getpid()),
        ),
    )


def address(text: str) -> tuple[str, int]:
    """Host and port. A port alone is one on loopback: what others can reach has to be asked for by its address.

    Raises `UsageError`.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535 or (colon and ":" in host and "[" not in text):
        raise UsageError(f"--http {text!r}: write for example 127.0.0.1:8089")
    if host == "localhost":
        return "127.0.0.1", int(port)
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        raise UsageError(f"--http {text!r}: name an address of this machine, for example 127.0.0.1:8089") from None
