"""What the nodes tell each other at the scheduler, one note on each worker of a run.

Luigi lets a worker say what it likes about itself (`add_worker`, luigi/scheduler.py), and shows it to whoever lists the
workers. What is read here may be anybody's: at worst a Luigi process starts too many, or seconds late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

NOTE = "poltergust"
"""The name of a note among what a worker says about itself; `inside/` writes it too."""

MAX_AGAIN_SECONDS = 7 * 86400.0
"""A look that is said to come later than this is not waited for."""


class NoteState(Enum):
    """What the worker of a note is up to."""

    SILENT = ""  # it has said nothing yet: it announces tasks, or is of an older version
    WORKS = "works"
    ENDED = "ended"  # without failing: others run the tasks, or data is not there yet
    CANNOT = "cannot"  # its node cannot run it


@dataclass(frozen=True)
class Note:
    """`ready`: so many tasks could run at once that nobody has taken. `again`: the node comes back by itself so many
    seconds after the note, to look for external data; None: it does not. A process that runs tasks also says how the
    whole run stands, for other such processes (`inside/watching.py`)."""

    state: NoteState = NoteState.SILENT
    ready: int = 0
    again: float | None = None

    def content(self) -> dict[str, object]:
        """As JSON has it."""
        return {"state": self.state.value, "ready": self.ready, "again": self.again}

    @classmethod
    def of(cls, value: object) -> Note:
        """From JSON; what cannot be read says nothing."""
        if not isinstance(value, Mapping):
            return cls()
        state = next((state for state in NoteState if state.value == value.get("state")), NoteState.SILENT)
        ready, again = value.get("ready"), value.get("again")
        return cls(
            state,
            ready if type(ready) is int and ready > 0 else 0,
            float(again) if isinstance(again, (int, float)) and 0 <= again <= MAX_AGAIN_SECONDS else None,
        )
