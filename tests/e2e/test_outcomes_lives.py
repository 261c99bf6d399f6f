"""The rows of the outcome table that are about the lives of agents and of the scheduler: killed by the same run again
and again, a scheduler that is down, two schedulers where there must be one.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import pytest

from tests.e2e.paths import Folder
from tests.emulators.servers import wait_until

GATED = "  module: waits\n  name: Gate\n  target: {0}/{1}.target\n  gate: {0}/{1}.gate\n"
COUNTED = "  module: outcomes\n  name: NoOutput\n  mark: {0}/{1}.mark\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    place = Folder(tmp_path)
    place.environment("plain")
    return place


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_run_that_takes_the_agent_with_it_again_and_again_is_an_error(
    folder: Folder, shared_cache: Path, scheduler: str
) -> None:
    """Attempts are counted, and written down, before they start."""
    options = ["--retries", "2", "--scheduler-url", scheduler]
    folder.put("fatal", GATED.format(folder.scratch, "fatal"))
    said = folder.scratch / "fatal.target.running"
    for attempt in range(1, 4):
        with folder.agent("here", shared_cache / "one", *options) as node:
            wait_until(lambda: lines(said) == attempt, f"attempt {attempt} to run")  # noqa: B023
            assert folder.records("fatal")["here"]["attempts"] == attempt
            node.signal(signal.SIGKILL)
            node.wait()
    with folder.agent("here", shared_cache / "one", *options):
        folder.until("fatal", "error")
        record = folder.until_records("fatal", "the record to end", state="ended", reason="gave-up")
    assert record["text"] == (
        "no node can run it; on here: agent-died: this node's agent ended 3 times while it ran this; its log says more"
    )
    assert lines(said) == 3


def test_an_agent_that_was_asked_to_stop_has_not_failed(folder: Folder, shared_cache: Path, scheduler: str) -> None:
    """A restart is no attempt: with no retries at all the run still is taken up again."""
    options = ["--retries", "0", "--scheduler-url", scheduler]
    folder.put("restarted", GATED.format(folder.scratch, "restarted"))
    said = folder.scratch / "restarted.target.running"
    for attempt in range(1, 3):
        with folder.agent("here", shared_cache / "one", *options) as node:
            wait_until(lambda: lines(said) == attempt, f"start {attempt}")  # noqa: B023
            node.signal(signal.SIGTERM)
            node.until("draining")
            node.signal(signal.SIGTERM)
            assert node.wait() == 0
        assert folder.standing("restarted") == ["config"]
    (folder.scratch / "restarted.gate").touch()
    with folder.agent("here", shared_cache / "one", *options):
        folder.until("restarted", "done")


def test_of_two_agents_with_schedulers_of_their_own_the_first_goes_on(folder: Folder, shared_cache: Path) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(folder.agent("first", shared_cache / "one"))
        folder.put("before", COUNTED.format(folder.scratch, "before"))
        folder.until("before", "done")
        second = stack.enter_context(folder.agent("second", shared_cache / "one"))
        second.until("first is alive on this path too, and this agent runs a scheduler of its own")
        wait_until(lambda: not folder.heartbeat("second")["taking"], "the second's heartbeat to say so")
        (problem,) = folder.heartbeat("second")["problems"]
        assert "Start all nodes with the same --scheduler-url. Taking nothing until then" in problem
        folder.put("during", COUNTED.format(folder.scratch, "during"))
        folder.until("during", "done")
        assert list(folder.records("during")) == ["first"]
        assert (folder.heartbeat("first")["taking"], folder.heartbeat("first")["problems"]) == (True, [])
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        second.until("alone on this path again, taking runs")
        folder.put("after", COUNTED.format(folder.scratch, "after"))
        folder.until("after", "done")
        assert list(folder.records("after")) == ["second"]
    for name in ("before", "during", "after"):
        assert lines(folder.scratch / f"{name}.mark") == 1
