"""What holds for every test."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile


def pytest_configure() -> None:
    """The password of embedded schedulers is kept in the user's own state: these tests' in a folder of theirs.

    A shell starts what it puts in the background with SIGINT ignored. A suite started so would hand that on to every
    command it starts, and none of them could be interrupted as a person interrupts it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="poltergust-tests-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)
