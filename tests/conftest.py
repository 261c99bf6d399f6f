"""What holds for every test."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator

import pytest

MINUTES = (
    "tests/clusters/test_scripts.py",
    "tests/e2e/test_observability.py",
    "tests/clusters/test_initactions.py",
    "tests/e2e/test_main_job.py",
    "tests/faults/test_repetitions.py",
    "tests/e2e/test_first_node.py",
    "tests/docs/test_commands_page.py",
    "tests/faults/test_machine.py",
    "tests/faults/test_takeover.py",
    "tests/terraform/test_module.py",
    "tests/faults/test_kills.py",
    "tests/faults/test_comings_and_goings.py",
    "tests/integration/test_back_pressure.py",
    "tests/e2e/test_history_commands.py",
    "tests/faults/test_random.py",
    "tests/faults/test_storage.py",
    "tests/dashboard/test_browser_pages.py",
)
"""Files that take a minute and more. They are begun first, so that at the end no core waits for one of them: that needs
xdist's ``--no-loadscope-reorder``, which `make test` gives."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    place = {config.rootpath / name: number for number, name in enumerate(MINUTES)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_configure() -> None:
    """The password of embedded schedulers is kept in the user's own state: these tests' in a folder of theirs.

    A shell starts what it puts in the background with SIGINT ignored. A suite started so would hand that on to every
    command it starts, and none of them could be interrupted as a person interrupts it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="poltergust-tests-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def nothing_stays_open() -> Iterator[None]:
    """What a file's tests leave to the garbage collector, connections of Google's clients above all, is closed before
    the next file. It would add up to more descriptors than select(2) can take, which python-discovery calls."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def no_handler_stays() -> Iterator[None]:
    """A command that a test runs in this process sends warnings to standard error; the next test's are its own."""
    log = logging.getLogger("poltergust")
    before = log.handlers[:]
    yield
    log.handlers[:] = before
