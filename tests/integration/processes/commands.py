"""Starting misbehaving commands, and finding what is left of them."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from poltergust.processes import Exit
from poltergust.processes.child import SupervisedChild, spawn
from poltergust.processes.supervisor import parents

SCRIPT = Path(__file__).with_name("misbehave.py")
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


def with_token(token: str) -> list[int]:
    """Living processes that carry `token` on their command line (forks share their parent's)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if token.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
    return found


def children_of(process: int) -> set[int]:
    """Direct children, zombies too."""
    return {pid for pid, (parent, _, _) in parents().items() if parent == process}


class Command:
    """One run of misbehave.py in a mode."""

    def __init__(
        self,
        mode: str,
        *,
        on_line: Callable[[str], None] | None = None,
        on_exit: Callable[[], None] | None = None,
        talks: bool = False,
        env: Mapping[str, str] = ENV,
    ) -> None:
        self.token = uuid.uuid4().hex
        self.lines: list[str] = []
        self.messages: list[Mapping[str, object]] = []
        self.child: SupervisedChild = spawn(
            [sys.executable, "-I", "-S", str(SCRIPT), mode, self.token],
            env=env,
            cwd=Path("/"),
            on_line=on_line or self.lines.append,
            on_message=self.messages.append if talks else None,
            on_exit=on_exit,
        )

    def alive(self) -> list[int]:
        return with_token(self.token)

    def end(self, timeout: float = 60.0) -> Exit:
        ended = self.child.wait(timeout)
        assert ended is not None, f"still running after {timeout} s: {self.lines[-5:]}"
        return ended
