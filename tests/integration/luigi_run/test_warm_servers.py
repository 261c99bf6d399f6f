"""How long a fork server is kept, and that it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason
from poltergust.luigi_run import warm_starts
from poltergust.luigi_run.launch import INSIDE
from poltergust.luigi_run.warm_starts import IDLE_SECONDS, WarmStarts
from tests.emulators.servers import wait_until
from tests.integration.luigi_run.conftest import Node

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


class HandClock:
    """Time passes when the test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        raise AssertionError("nobody waits in these tests")


class Machine:
    memory_left = 0.5


def run(node: Node, **more: object) -> bool:
    """Whether it was a warm start."""
    report = node.report("Marked", **more)
    assert report.reason is Reason.COMPLETE, report.detail
    return node.started[-1].forked


def gone(pid: int) -> None:
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server to be gone")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def starts(clock: HandClock, machine: Machine) -> Iterator[WarmStarts]:
    made = WarmStarts(clock, left=lambda: machine.memory_left)
    yield made
    made.stop()


def test_a_server_that_nobody_needs_is_retired(node: Node, starts: WarmStarts, clock: HandClock) -> None:
    assert run(node)
    (first,) = starts.servers
    clock.now += IDLE_SECONDS - 1
    starts.retire()
    assert first in starts.servers
    clock.now += 1
    starts.retire()
    assert not starts.servers
    gone(first)
    assert run(node)


def test_no_server_is_kept_when_memory_is_short(node: Node, starts: WarmStarts, machine: Machine) -> None:
    assert run(node)
    (first,) = starts.servers
    machine.memory_left = 0.09
    starts.retire()
    gone(first)
    assert not run(node)
    assert starts.servers == ()


def test_a_server_is_replaced_after_many_runs(node: Node, starts: WarmStarts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_starts, "MAX_RUNS", 2)
    servers: list[int] = []
    for _ in range(3):
        assert run(node)
        servers += starts.servers
    assert servers[0] == servers[1] != servers[2]
    gone(servers[0])


def test_the_least_recently_used_server_makes_room(
    node: Node, starts: WarmStarts, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_starts, "MAX_SERVERS", 2)
    seen = []
    for name in ("first", "second", "first", "third"):
        clock.now += 1
        assert run(node, shared_env={"NAME": name})
        seen.append(set(starts.servers))
    first, second = seen[0], seen[1] - seen[0]
    assert seen[2] == first | second
    assert first < seen[3]
    assert not second & seen[3]


def test_an_environment_that_was_built_again_has_another_server(
    node: Node, starts: WarmStarts, with_modules: Path, tmp_path: Path
) -> None:
    node.python = tmp_path / "env" / "bin" / "python"
    (tmp_path / "env").symlink_to(with_modules.parent.parent)
    assert run(node)
    (first,) = starts.servers
    built_again = with_modules.with_name("python-again")
    built_again.symlink_to(os.readlink(with_modules))
    built_again.replace(with_modules)
    assert run(node)
    assert first not in starts.servers[1:]
    assert len(starts.servers) == 2


def test_all_servers_end_with_the_agents_own_end(node: Node, starts: WarmStarts) -> None:
    started = node.start("Held")
    wait_until((node.shared / "held").exists, "the task to run")
    (server,) = starts.servers
    starts.stop()
    assert not Path(f"/proc/{server}").exists()
    (node.shared / "go").touch()
    assert started.report().reason is Reason.COMPLETE
    assert not run(node), "none is started any more"


AGENT = """\
import sys, time
from pathlib import Path
from poltergust.processes.fork_server import ForkServer
python, inside, notes, *preload = sys.argv[1:]
server = ForkServer([python, inside], env={"NOTES": notes}, preload=preload)
print(server.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("preload", [[], ["forever"]], ids=["ready", "while-it-imports"])
def test_a_server_ends_with_its_agent(with_modules: Path, tmp_path: Path, preload: list[str]) -> None:
    notes = tmp_path / "notes"
    argv = [sys.executable, "-c", AGENT, str(with_modules), str(INSIDE), str(notes), *preload]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        if preload:
            wait_until(notes.exists, "the import to begin")
        agent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server to be gone")
