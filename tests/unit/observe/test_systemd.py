"""sd_notify against a real datagram socket, by path and by abstract name."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.observe.status import Status
from poltergust.observe.systemd import Systemd, watchdog_seconds
from tests.emulators.servers import wait_until
from tests.unit.observe.parts import status


class Manager:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def has(self, line: str, times: int = 1) -> bool:
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard.count(line) >= times


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    found = Manager(f"@poltergust-{secrets.token_hex(8)}" if request.param == "abstract" else str(tmp_path / "s"))
    yield found
    found.socket.close()


def test_ready_pings_status_and_stopping(manager: Manager) -> None:
    now: list[Status] = [status(state="starting")]
    systemd = Systemd(manager.address, 0.2, lambda: now[0])
    systemd.start()
    wait_until(lambda: manager.has("WATCHDOG=1"), "a ping")
    assert not manager.has("READY=1"), "not before it listens"
    now[0] = status()
    wait_until(lambda: manager.has("READY=1"), "ready")
    wait_until(lambda: manager.has("STATUS=ready: 1 in hand, 0 due, 3 to be looked at again later"), "the status line")
    now[0] = status(state="draining")
    wait_until(lambda: manager.has("STOPPING=1"), "stopping")
    wait_until(lambda: manager.has("EXTEND_TIMEOUT_USEC=60000000"), "a longer time for the drain")
    systemd.stop()
    assert manager.has("READY=1")
    assert (manager.heard.count("READY=1"), manager.heard.count("STOPPING=1")) == (1, 1)


def test_the_watchdog_hears_nothing_while_threads_are_stuck(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    now: list[Status] = [status()]
    systemd = Systemd(manager.address, 0.2, lambda: now[0])
    systemd.start()
    wait_until(lambda: manager.has("WATCHDOG=1", 2), "pings")
    now[0] = status(workers=0)
    wait_until(lambda: "watchdog is no longer answered: 2 of 2 worker threads have ended" in caplog.text, "the log")
    manager.has("")
    before = manager.heard.count("WATCHDOG=1")
    wait_until(
        lambda: manager.has(
            "STATUS=ready: 1 in hand, 0 due, 3 to be looked at again later; not ready: 2 of 2 worker threads have ended"
        ),
        "a look after that",
    )
    assert not manager.has("WATCHDOG=1", before + 1)
    now[0] = status()
    wait_until(lambda: manager.has("WATCHDOG=1", before + 1), "pings again")
    systemd.stop()


def test_a_status_that_cannot_be_had_is_no_ping(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Status:
        raise RuntimeError("broken")

    systemd = Systemd(manager.address, 0.2, broken)
    systemd.start()
    wait_until(lambda: "cannot be sent to systemd" in caplog.text, "the log")
    systemd.stop()
    assert manager.has("STOPPING=1")
    assert not manager.has("WATCHDOG=1")


def test_nobody_listens_is_said_once_and_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    systemd = Systemd(str(tmp_path / "none"), 0.1, status)
    systemd.start()
    wait_until(lambda: "systemd does not take messages" in caplog.text, "the log")
    systemd.stop()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_period(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ, os.getpid()) == seconds
