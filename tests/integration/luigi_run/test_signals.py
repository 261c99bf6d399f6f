"""Drain, stop, and the death of either side."""

from __future__ import annotations

import os
import signal

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run.warm_starts import WarmStarts
from tests.emulators.servers import wait_until
from tests.integration.luigi_run.conftest import Node


@pytest.fixture(params=["warm", "plain"])
def starts(request: pytest.FixtureRequest, warm: WarmStarts) -> WarmStarts | None:
    return warm if request.param == "warm" else None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_drain_finishes_what_runs_and_takes_nothing_more(node: Node, workers: str) -> None:
    started = node.start("NeedsHeld", arguments={"workers": workers})
    wait_until((node.shared / "held").exists, "the task to run")
    started.run.drain()
    (node.shared / "go").touch()
    report = started.report()
    assert (report.reason, report.detail) == (
        Reason.DRAINED,
        "drained: what ran was finished, nothing more was taken",
    )
    assert node.executions("NeedsHeld") == 0
    assert (node.shared / "Held").exists()
    assert node.report("NeedsHeld").reason is Reason.COMPLETE


def test_drain_right_after_the_start(node: Node) -> None:
    started = node.start("Tree")
    started.run.drain()
    assert started.report().reason is Reason.DRAINED
    assert node.executions("Leaf") <= 1


def test_draining_the_last_task_is_a_success(node: Node) -> None:
    started = node.start("Held")
    wait_until((node.shared / "held").exists, "the task to run")
    started.run.drain()
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stop_interrupts_and_gives_back_what_ran(node: Node, workers: str) -> None:
    started = node.start("NeedsHeld", arguments={"workers": workers})
    wait_until((node.shared / "held").exists, "the task to run")
    started.run.stop(grace=60)
    report = started.report()
    assert (report.reason, report.detail) == (Reason.DRAINED, f"it ran Held(mark={node.shared.name})")
    (node.shared / "go").touch()
    assert node.report("NeedsHeld").reason is Reason.COMPLETE, "not RUNNING for ever at the scheduler"


def test_stop_kills_what_does_not_listen(node: Node) -> None:
    started = node.start("Deaf")
    wait_until((node.shared / "held").exists, "the task to run")
    started.run.stop(grace=0.2)
    assert started.report().reason is Reason.DRAINED
    with pytest.raises(ProcessLookupError):
        os.kill(started.run.pid, 0)


def test_sigterm_to_the_process_is_an_interrupt(node: Node) -> None:
    started = node.start("Held")
    wait_until((node.shared / "held").exists, "the task to run")
    os.kill(started.run.pid, signal.SIGTERM)
    assert started.report().reason is Reason.DRAINED


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_a_process_that_a_task_has_just_forked(node: Node, workers: str) -> None:
    report = node.report("EndsForks", arguments={"workers": workers})
    assert report.reason is Reason.COMPLETE, report.detail


def test_stop_while_the_module_is_imported(node: Node) -> None:
    slow = "import pathlib, time\npathlib.Path(r'{}', 'importing').touch()\ntime.sleep(300)\n"
    started = node.start("Tree", module="slow", files={"slow.py": slow.format(node.shared)})
    wait_until((node.shared / "importing").exists, "the import to begin")
    started.run.stop(grace=60)
    assert started.report().reason is Reason.DRAINED
