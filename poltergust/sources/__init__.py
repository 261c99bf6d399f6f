"""Sources report that a name may have changed. A source only ever calls `changed(url)`; the truth is read later.

`pubsub/` listens to notifications, `folder.py` to the file system, `scan.py` lists the path once and then at every
interval. None of them decides anything, and losing any event costs at most one scan interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Changed = Callable[[str], None]
"""Takes the URL of an object that may have changed; returns at once, never raises."""


@dataclass(frozen=True)
class SourceState:
    """For health: whether events can arrive now, when the last came (monotonic seconds, None: never), and what is
    wrong in one line, empty if nothing."""

    alive: bool
    last_event: float | None
    problem: str = ""


class Source(Protocol):
    """Runs in threads of its own between `start` and `stop`."""

    def start(self, changed: Changed) -> None:
        """Returns once events can arrive, or once the first try to connect has failed (it goes on trying)."""
        ...

    def stop(self) -> None:
        """Returns when no more calls of `changed` can come."""
        ...

    def state(self) -> SourceState: ...


@runtime_checkable
class Counting(Protocol):
    """A source that counts what it received."""

    def counts(self) -> Mapping[str, int]:
        """Messages since the start, by what became of them."""
        ...
