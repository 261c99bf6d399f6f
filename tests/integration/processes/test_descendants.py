"""Nobody survives: the command's own end, a kill, the agent's SIGKILL, the supervisor's SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.processes import Exit
from poltergust.processes.orphans import become_reaper
from poltergust.processes.supervisor import parents, prctl
from tests.emulators.servers import wait_until
from tests.integration.processes.commands import Command, children_of, with_token

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="child subreapers are Linux's")


@pytest.fixture
def reaper() -> Iterator[None]:
    assert become_reaper()
    yield
    prctl(36, 0)  # PR_SET_CHILD_SUBREAPER: the other tests run without


def test_a_kill_leaves_none_of_nine() -> None:
    before = children_of(os.getpid())
    command = Command("nine-and-wait")
    wait_until(lambda: len(command.alive()) == 10, "all nine descendants")
    command.child.kill()
    assert command.end() == Exit(None, signal.SIGKILL)
    assert command.alive() == []
    assert children_of(os.getpid()) <= before


def test_the_end_of_the_command_leaves_none_of_nine() -> None:
    command = Command("nine-and-end")
    assert command.end() == Exit(7)
    assert command.alive() == []


def test_a_daemon_that_holds_the_output_is_ended_and_its_line_kept() -> None:
    command = Command("daemon")
    assert command.end() == Exit(0)
    assert command.lines == ["the daemon runs"]
    assert command.alive() == []


def test_a_signal_reaches_the_whole_group() -> None:
    command = Command("group")
    wait_until(lambda: command.lines == ["ready"], "its handlers")
    command.child.signal(signal.SIGUSR1)
    assert command.end() == Exit(5)


def test_ignoring_sigterm_does_not_help() -> None:
    command = Command("ignore-term")
    wait_until(lambda: command.lines == ["ready"], "its handlers")
    command.child.signal(signal.SIGTERM)
    assert command.child.wait(0.2) is None
    command.child.kill()
    assert command.end() == Exit(None, signal.SIGKILL)


def test_a_stopped_command_can_be_killed() -> None:
    command = Command("linger")
    command.child.signal(signal.SIGSTOP)
    wait_until(lambda: parents()[command.child.pid][2] == b"T", "it to stop")
    command.child.kill()
    assert command.end() == Exit(None, signal.SIGKILL)


@pytest.mark.parametrize("seen", [1, 2, 3, 7, 11])
def test_an_agent_killed_at_any_moment_leaves_nobody(seen: int) -> None:
    """`seen` processes are there when it happens: the agent with a supervisor, then the command, then all."""
    token = f"agent-{os.urandom(8).hex()}"
    script = Path(__file__).with_name("small_agent.py")
    argv = [sys.executable, "-S", str(script), str(ROOT), "nine-and-wait", token]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as agent:
        wait_until(lambda: children_of(agent.pid), "the supervisor", every=0.001)
        (supervisor,) = children_of(agent.pid)
        wait_until(lambda: len(with_token(token)) >= seen, f"{seen} processes", every=0.001)
        agent.kill()
    wait_until(lambda: not Path(f"/proc/{supervisor}").exists(), "the supervisor to be gone")
    assert with_token(token) == []


@pytest.mark.parametrize("command_first", [False, True])
def test_the_supervisor_of_a_dead_agent_says_the_last_word(tmp_path: Path, command_first: bool) -> None:
    """Also where the command ends by itself, and the supervisor hears of that at the same moment."""
    token, said = f"agent-{os.urandom(8).hex()}", tmp_path / "said"
    script = Path(__file__).with_name("small_agent.py")
    argv = [sys.executable, "-S", str(script), str(ROOT), "linger", token, str(said)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True) as agent:
        wait_until(lambda: len(with_token(token)) >= 2, "the command")
        (supervisor,) = children_of(agent.pid)
        for pid in (agent.pid, supervisor):
            assert b"a secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not said.exists()
        if command_first:
            os.kill(supervisor, signal.SIGSTOP)
            for pid in children_of(supervisor):
                os.kill(pid, signal.SIGKILL)
        agent.kill()
        agent.wait()
        os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: said.exists() and said.read_text() == "a secret", "the last word")
    wait_until(lambda: with_token(token) == [], "the process that said it to end as well")


@pytest.mark.usefixtures("reaper")
def test_a_supervisor_killed_leaves_nobody_and_takes_no_other_exit_status() -> None:
    before = children_of(os.getpid())
    waits = [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(42)"]
    bystander = subprocess.Popen(waits, stdin=subprocess.PIPE, start_new_session=True)
    neighbour = Command("linger")
    command = Command("nine-and-wait")
    wait_until(lambda: len(command.alive()) == 10, "all nine descendants")
    os.kill(command.child.supervisor_pid, signal.SIGKILL)
    assert command.end() == Exit(None, signal.SIGKILL)
    assert command.alive() == []
    assert len(neighbour.alive()) == 1
    assert neighbour.child.wait(0) is None
    bystander.communicate(timeout=30)
    assert bystander.returncode == 42
    neighbour.child.kill()
    neighbour.end()
    assert children_of(os.getpid()) <= before


def test_a_supervisor_killed_where_the_agent_is_no_reaper() -> None:
    command = Command("nine-and-wait")
    wait_until(lambda: len(command.alive()) == 10, "all nine descendants")
    os.kill(command.child.supervisor_pid, signal.SIGKILL)
    command.end()
    assert command.alive() == []


def test_a_supervisor_does_not_fall_to_a_signal_for_everybody() -> None:
    """systemd's default KillMode sends SIGTERM to all processes of a unit: the drain must go on all the same."""
    command = Command("ignore-term")
    wait_until(lambda: command.lines == ["ready"], "its handlers")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(command.child.supervisor_pid, number)
    command.child.signal(signal.SIGKILL)
    assert command.end() == Exit(None, signal.SIGKILL)
    assert not command.child.supervisor_died
