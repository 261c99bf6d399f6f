"""What the machine says about the processes a test started: who is left, how many descriptors, how much memory."""

from __future__ import annotations

import os
from pathlib import Path


def marked(mark: str) -> dict[int, str]:
    """Process id to command line of every process that has `mark` in its environment, this one aside."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # ended meanwhile, or not ours
        if mark.encode() in environment and command:  # a zombie has no command
            found[int(folder.name)] = command.replace(bytes(1), b" ").decode(errors="replace").strip()
    return found


def variables(pid: int) -> frozenset[bytes]:
    """Names of those that it shows; none if it ended."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return frozenset()
    return frozenset(entry.partition(b"=")[0] for entry in entries)


def is_luigi(pid: int, command: str) -> bool:
    """Whether this is a Luigi process of an agent, or one of its tasks (forked, with the same command line). An
    environment's fork server and the supervisors forked from it have that command line too, but no mark."""
    return "luigi_run/inside" in command and b"POLTERGUST_CHILD" in variables(pid)


def is_fork_server(pid: int) -> bool:
    return b"POLTERGUST_FORK_SERVER" in variables(pid)


def parent(pid: int) -> int:
    """0 where there is none any more."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def connections(pid: int) -> int:
    """How many of its descriptors are TCP sockets: proc_pid_net(5)."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    sockets = {f"socket:[{line.split()[9]}]" for line in lines}
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(each) in sockets
        except OSError:
            continue  # closed meanwhile
    return found


def memory(pid: int, field: str = "VmRSS") -> int:
    """Bytes: `VmRSS` is resident now, `VmHWM` was so at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise AssertionError(f"/proc/{pid}/status has no {field}")
