"""Output, messages, errors and descriptors of supervised commands, with real ones."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError
from poltergust.base.reasons import Reason
from poltergust.processes import Exit, Spawn
from poltergust.processes.child import spawn
from poltergust.processes.lines import MAX_LINE_BYTES
from tests.emulators.servers import wait_until
from tests.integration.processes.commands import ENV, Command, children_of
from tests.needs import pyenv_python

_IS_SPAWN: Spawn = spawn


def run(code: str, cwd: Path = Path("/"), env: Mapping[str, str] = ENV) -> tuple[Exit, list[str]]:
    lines: list[str] = []
    child = spawn([sys.executable, "-I", "-S", "-c", code], env=env, cwd=cwd, on_line=lines.append)
    ended = child.wait(60)
    assert ended is not None
    return ended, lines


def test_both_outputs_and_the_exit_code() -> None:
    ended, lines = run("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)")
    assert ended == Exit(3)
    assert lines == ["out", "err"]


def test_a_signal_is_told() -> None:
    ended, _ = run("import os; os.kill(os.getpid(), 15)")
    assert ended == Exit(None, signal.SIGTERM)
    assert str(ended) == "signal 15"


def test_the_environment_is_what_was_given_and_the_folder_too(tmp_path: Path) -> None:
    odd = {"EMPTY": "", "LINES": "a\nb=c", "BYTES": "\udcff"}
    _, (shown,) = run("import os, json; print(json.dumps([os.getcwd(), dict(os.environ)]))", tmp_path, {**ENV, **odd})
    folder, env = json.loads(shown)
    assert folder == str(tmp_path)
    marks = {name for name in env if name.startswith("POLTERGUST_")}
    assert marks == {"POLTERGUST_CHILD"}
    assert {name: value for name, value in env.items() if name not in {*marks, "LC_CTYPE"}} == {**ENV, **odd}


def test_no_secret_on_any_command_line() -> None:
    command = Command("linger", env={**ENV, "DB_PASSWORD": "hunter2-secret"})
    for pid in (command.child.pid, command.child.supervisor_pid):
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"hunter2" not in Path(f"/proc/{command.child.supervisor_pid}/environ").read_bytes()
    command.child.kill()
    command.end()


def test_binary_output_and_a_partial_last_line() -> None:
    _, lines = run(r"import os; os.write(1, b'\xff\x00ok\r\nhalf \xe2\x82')")
    assert lines == ["\ufffd\x00ok", "half \ufffd"]


def test_a_long_line_comes_in_pieces() -> None:
    _, lines = run(f"print('x' * {3 * MAX_LINE_BYTES + 5})")
    assert [len(line) for line in lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES, MAX_LINE_BYTES, 5]


def test_fifty_megabytes() -> None:
    count = 0

    def take(line: str) -> None:
        nonlocal count
        count += len(line) == 99

    command = Command("huge", on_line=take)
    assert command.end() == Exit(0)
    assert count == 500_000


def test_a_reader_that_blocks_holds_the_command_and_nothing_is_lost() -> None:
    gate = threading.Event()
    lines = 0

    def take(line: str) -> None:
        nonlocal lines
        gate.wait()
        lines += 1

    command = Command("huge", on_line=take)
    assert command.child.wait(0.5) is None
    gate.set()
    assert command.end() == Exit(0)
    assert lines == 500_000


def test_a_reader_that_raises_is_logged_once_and_the_reading_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def take(line: str) -> None:
        raise RuntimeError("the disk is full")

    with caplog.at_level(logging.ERROR):
        assert Command("huge", on_line=take).end() == Exit(0)
    assert len(caplog.records) == 1
    assert "the disk is full" in caplog.text


def test_messages_both_ways_between_lines() -> None:
    command = Command("talk", talks=True)
    for number in range(100):
        command.child.send({"n": number, "text": "line\n" * number, "last": number == 99})
    assert command.end() == Exit(0)
    assert command.messages == [{"n": number, "size": 5 * number} for number in range(100)]
    assert command.lines == [f"got {number}" for number in range(100)]
    command.child.send({"n": 100})  # gone: nothing happens
    command.child.signal(signal.SIGTERM)
    command.child.kill()


def test_a_message_of_megabytes_does_not_block_the_sender() -> None:
    command = Command("talk", talks=True)
    command.child.signal(signal.SIGSTOP)
    for last in (False, True):
        command.child.send({"n": 1, "text": "x" * 4_000_000, "last": last})
    command.child.signal(signal.SIGCONT)
    assert command.end() == Exit(0)
    assert command.messages == [{"n": 1, "size": 4_000_000}] * 2


def test_without_on_message_there_are_no_message_pipes() -> None:
    command = Command("talk")
    assert command.end() == Exit(1)
    assert any("POLTERGUST_CONTROL_FD" in line for line in command.lines)
    with pytest.raises(ValueError, match="on_message"):
        command.child.send({})


@pytest.mark.parametrize("talks", [False, True])
def test_no_other_descriptor_is_inherited(talks: bool) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        command = Command("descriptors", talks=talks)
        assert command.end() == Exit(0)
    finally:
        os.close(read)
        os.close(write)
    (line,) = command.lines
    listed = 1  # the folder that os.listdir has open
    assert len(json.loads(line)) == 3 + 2 * talks + listed
    assert json.loads(line)[:3] == [0, 1, 2]


def test_the_command_has_the_default_signal_table() -> None:
    old = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        _, (shown,) = run("print({n: int(v, 16) & 0x7fffffff for n, v in"
                          " (l.split(':') for l in open('/proc/self/status')"
                          " if l.startswith(('SigBlk', 'SigIgn')))})")  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR2, old)
    # Signals 1 to 31: 32 and 33 are the C library's own and come as whoever started the tests left them.
    own = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # ignored by every Python itself
    assert shown == f"{{'SigBlk': 0, 'SigIgn': {own}}}"


def test_an_escaped_process_that_holds_the_output_does_not_hold_wait() -> None:
    command = Command("ignore-term")
    wait_until(lambda: command.lines == ["ready"], "it to start")
    with open(f"/proc/{command.child.pid}/fd/1", "wb", buffering=0) as held:  # no descendant of it has this one
        command.child.kill()
        assert command.end() == Exit(None, signal.SIGKILL)
        with pytest.raises(BrokenPipeError):
            held.write(b"too late")


def test_on_exit_is_called_once_when_wait_returns() -> None:
    calls: list[Exit | None] = []
    holder: list[Command] = []
    ready, called = threading.Event(), threading.Event()

    def take() -> None:
        ready.wait()
        calls.append(holder[0].child.wait(0))
        called.set()
        raise RuntimeError("an exit callback that fails")

    command = Command("daemon", on_exit=take)
    holder.append(command)
    ready.set()
    assert called.wait(60)
    assert calls == [Exit(0)]


@pytest.mark.parametrize(
    ("argv", "env", "why"),
    [
        (["no-such-program"], ENV, "cannot start 'no-such-program': not found"),
        (["/no/such/program"], ENV, "cannot start '/no/such/program': not found"),
        (["/etc/passwd"], ENV, "not executable: Permission denied"),
        (["true"], {}, None),
        (["true"], {"PATH": "/no:/usr/bin:/bin"}, None),
        (["true"], {"PATH": "/no"}, "not found"),
        (["tr\0ue"], ENV, "cannot start 'true': argument 0 contains a NUL character"),
        (["true", "a\0b"], ENV, "argument 1 contains a NUL character"),
        (["true"], {"SECRET": "hunter2\0"}, "the value of the environment variable SECRET contains a NUL character"),
        (["true"], {"A=B": "c"}, "'A=B' is no name for an environment variable"),
        (["true"], {"": "c"}, "'' is no name for an environment variable"),
        (["true", "x" * 200_000], ENV, "too long for the kernel"),
        ([], ENV, "the command is empty"),
        (["true", "\ud800"], ENV, "surrogates not allowed"),
    ],
)
def test_what_cannot_be_started(argv: list[str], env: Mapping[str, str], why: str | None) -> None:
    before = descriptors()
    if why is None:
        child = spawn(argv, env=env, cwd=Path("/"), on_line=lambda line: None)
        assert child.wait(60) == Exit(0)
    else:
        with pytest.raises(NodeError) as raised:
            spawn(argv, env=env, cwd=Path("/"), on_line=lambda line: None)
        assert why in str(raised.value)
        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)
        assert raised.value.reason is Reason.START_FAILED
    assert descriptors() == before


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"cannot start 'true': its working directory '.*/gone': No such file"):
        spawn(["true"], env=ENV, cwd=tmp_path / "gone", on_line=lambda line: None)


def test_no_descriptors_left_to_start_with() -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = descriptors()
    taken = {int(name) for name in os.listdir("/proc/self/fd")}
    free = [number for number in range(len(taken) + 4) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[3] + 1, limits[1]))  # a limit of numbers: four are left
    try:
        with pytest.raises(NodeError, match="cannot start 'true': Too many open files"):
            spawn(["true"], env=ENV, cwd=Path("/"), on_line=lambda line: None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert descriptors() == before


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_fifty_commands_leave_no_descriptor_thread_or_process() -> None:
    Command("descriptors", talks=True).end()
    before, threads, processes = descriptors(), threading.active_count(), children_of(os.getpid())
    for start in range(0, 50, 10):
        commands = [Command("descriptors", talks=number % 2 == 0) for number in range(start, start + 10)]
        for command in commands:
            command.end()
    wait_until(lambda: threading.active_count() == threads, "the reading threads to end")
    assert descriptors() == before
    assert children_of(os.getpid()) <= processes


def test_an_out_of_memory_kill_needs_the_kernels_word(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([5, 6, 6, 6, 6, 7])  # before and after each command, as the kernel's counter would read
    monkeypatch.setattr("poltergust.processes.child.oom_kills", lambda: next(counts))
    assert Command("memory").end() == Exit(None, signal.SIGKILL, out_of_memory=True)
    assert Command("memory").end() == Exit(None, signal.SIGKILL, out_of_memory=False)
    command = Command("linger")
    command.child.kill()
    assert command.end() == Exit(None, signal.SIGKILL, out_of_memory=False)


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.12", "3.13"])
def test_the_supervisor_runs_on_other_pythons(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(pyenv_python(version)))
    command = Command("nine-and-end")
    assert command.end() == Exit(7)
    assert command.alive() == []


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A cgroup of 64 MB to join; only root on a machine that lets it can make one."""
    name = f"poltergust-test-{os.getpid()}"
    for controller, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        folder = Path("/sys/fs/cgroup") / controller / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            (folder / limit).write_text(str(64 * 1024 * 1024))
            yield folder
            folder.rmdir()
            return
        folder.rmdir()
    pytest.skip("cannot make a memory cgroup here (needs root and a writable /sys/fs/cgroup)")


def test_a_real_out_of_memory_kill(small_cgroup: Path) -> None:
    fill = f"open('{small_cgroup}/cgroup.procs', 'w').write('0'); x = bytearray(b'x') * 500_000_000"
    ended, _ = run(fill)
    assert ended == Exit(None, signal.SIGKILL, out_of_memory=True)
