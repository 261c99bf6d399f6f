"""What holds for every test."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """The password of embedded schedulers is kept in the user's own state: these tests' in a folder of theirs.

    A shell starts what it puts in the background with SIGINT ignored. A suite started so would hand that on to every
    command it starts, and none of them could be interrupted as a person interrupts it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="poltergust-tests-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True)
def no_handler_stays() -> Iterator[None]:
    """A command that a test runs in this process sends warnings to standard error; the next test's are its own."""
    log = logging.getLogger("poltergust")
    before = log.handlers[:]
    yield
    log.handlers[:] = before
