"""Processes: the only room that starts any. Every child runs under a supervisor that outlives nobody.

`Child` is one supervised command: an argv list (never a shell), a session and process group of its own, its output
(stdout and stderr together) handed over line by line, two framed message pipes for those who speak them, and the
promise that no descendant survives the agent, a kill or the end of the command itself: see `supervisor.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Exit:
    """How a command ended. Exactly one of `code` and `signal` is set; `out_of_memory` if the kernel says so."""

    code: int | None
    signal: int | None = None
    out_of_memory: bool = False

    def __str__(self) -> str:
        return f"exit code {self.code}" if self.signal is None else f"signal {self.signal}"


@dataclass(frozen=True)
class LastWord:
    """A command that the supervisor becomes when its agent is dead and everything below it has ended, with `text` (at
    most 60,000 bytes, and no NUL) on its standard input. It has the agent's environment, and no other descriptor."""

    argv: tuple[str, ...]
    text: str = field(repr=False)


class Child(Protocol):
    """A running supervised command. All methods may be called from any thread; none blocks unless it says so."""

    @property
    def pid(self) -> int: ...

    def send(self, message: Mapping[str, object]) -> None:
        """One framed JSON message to the command's control pipe; nothing happens if it is gone already."""
        ...

    def signal(self, number: int) -> None:
        """To the command's whole process group."""
        ...

    def kill(self) -> None:
        """SIGKILL to the command and every descendant, also those in sessions of their own."""
        ...

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Block until the command and all its descendants are gone and all output was handed over (bounded, even if
        somebody holds the pipe). None on timeout. Seconds."""
        ...


class Spawn(Protocol):
    """Start a command. `env` is the whole environment. Raises `errors.NodeError` if it cannot be started."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None],
        on_message: Callable[[Mapping[str, object]], None] | None = None,
        on_exit: Callable[[], None] | None = None,
        last_word: LastWord | None = None,
    ) -> Child: ...
