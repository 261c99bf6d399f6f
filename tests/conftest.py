"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A shell starts what it puts in the background with SIGINT ignored. A suite started so would hand that on to every
    command it starts, and none of them could be interrupted as a person interrupts it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
