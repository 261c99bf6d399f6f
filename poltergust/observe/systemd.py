"""What systemd asks of a service: that it is ready, stopping, alive, and a line of status.

The protocol is one datagram of `KEY=value` lines to the socket in NOTIFY_SOCKET
(https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html), small enough to need no library. The address
comes from the command line's room, which also takes it out of the environment: no task may speak in this node's name.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping

from poltergust.base.backoff import Backoff
from poltergust.base.loops import Loop
from poltergust.base.text import one_line
from poltergust.observe.status import Status, summary, unhealthy

log = logging.getLogger(__name__)

MAX_INTERVAL_SECONDS = 1.0
"""Between two messages about the agent, at most; also the longest time that one may take."""

EXTENSION_SECONDS = 60
"""By so much a drain asks systemd to wait longer than TimeoutStopSec, again and again while it goes on."""


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """How often systemd wants to hear of this process, None: not at all.

    WATCHDOG_PID names whom it means (https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html).
    """
    wanted, whom = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID") or str(pid)
    if not wanted.isdecimal() or int(wanted) == 0 or whom != str(pid):
        return None
    return int(wanted) / 1e6


def notify(address: str, line: str) -> None:
    """One message to the socket `address` (a path, or an abstract name after ``@``; nothing happens if it is empty).
    Raises `OSError`."""
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(MAX_INTERVAL_SECONDS)
            sender.sendto(line.encode(), "\0" + address[1:] if address.startswith("@") else address)


class Systemd:
    """Sends systemd, in a thread, what `status` says. `address` is a socket's path, or an abstract name after ``@``."""

    def __init__(self, address: str, watchdog: float | None, status: Callable[[], Status]) -> None:
        self._address = address
        self._watchdog = watchdog
        self._step = MAX_INTERVAL_SECONDS if watchdog is None else min(MAX_INTERVAL_SECONDS, watchdog / 4)
        self._status = status
        self._loop = Loop("systemd", self._turn, failed=self._failed, backoff=Backoff(self._step, self._step, jitter=0))
        self._sent: set[str] = set()
        self._text = ""
        self._pinged = float("-inf")
        self._extended = float("-inf")

    def start(self) -> None:
        self._loop.start(self._step)

    def stop(self) -> None:
        """Send that it stops, if that was not sent: the agent may have failed before it drained."""
        self._loop.stop(MAX_INTERVAL_SECONDS * 5)
        self._once("STOPPING=1")

    def _failed(self, error: Exception) -> None:
        """No ping then, so that systemd sees that something is wrong."""
        log.error("this node's status cannot be sent to systemd", exc_info=error)

    def _turn(self) -> float:
        self._send_changes(self._status())
        return self._step

    def _send_changes(self, status: Status) -> None:
        if status.state == "ready":
            self._once("READY=1")
        now = time.monotonic()
        if status.state == "draining":
            self._once("STOPPING=1")
            if now - self._extended >= EXTENSION_SECONDS / 4:
                self._extended = now
                self._send(f"EXTEND_TIMEOUT_USEC={EXTENSION_SECONDS * 1_000_000}")
        text = summary(status)
        if text != self._text:
            self._text = text
            self._send(f"STATUS={one_line(text)}")  # a line break would begin another message
        if self._watchdog is not None and now - self._pinged >= self._watchdog / 2 - self._step:
            self._ping(now, unhealthy(status))

    def _ping(self, now: float, wrong: list[str]) -> None:
        """Only while all is well: systemd restarts what it does not hear of in time."""
        if not wrong:
            self._pinged = now
            self._sent.discard("stuck")
            self._send("WATCHDOG=1")
        elif "stuck" not in self._sent:
            self._sent.add("stuck")
            log.error("systemd's watchdog is no longer answered: %s", "; ".join(wrong))

    def _once(self, line: str) -> None:
        if line not in self._sent:
            self._sent.add(line)
            self._send(line)

    def _send(self, line: str) -> None:
        try:
            notify(self._address, line)
        except OSError as error:
            level = logging.DEBUG if "not taken" in self._sent else logging.WARNING
            self._sent.add("not taken")
            log.log(level, "systemd does not take messages: %s", error.strerror or error)
