"""What all runs of one node share: where they stand, what the user set, the scheduler, time, and who hears of them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from poltergust.base.clock import Clock, SystemClock
from poltergust.base.secret_forms import SecretNames
from poltergust.base.stopping import Stopping
from poltergust.luigi_run import GraphStatus
from poltergust.luigi_run.notes import Note
from poltergust.luigi_run.run_view import WorkView
from poltergust.path.outcome import RenameResult
from poltergust.path.state import PathState
from poltergust.runs.journal import Journal
from poltergust.runs.run import Run, Verdict
from poltergust.runs.settings import RunSettings


class RunObserver:
    """Hears what happens to runs on this node. This one does nothing; who counts or posts overrides what it needs.

    Called from the worker threads: every method returns at once and raises nothing.
    """

    def reconciled(self, verdict: Verdict) -> None:
        """A run was reconciled and came to that."""

    def started(self, seconds: float) -> None:
        """A run's first Luigi process on this node started, so long after its name became due."""

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        """What came of a rename; of a refused one only when the storage's words are new."""

    def task_ended(self, family: str, result: str, seconds: float) -> None:
        """An attempt at a task of that family ended on this node: result is "done" or "failed"."""

    def logged(self, size: int) -> None:
        """So many bytes of a run log were stored."""


class RunWatch(Protocol):
    """Sees at the scheduler who works on the runs of this node."""

    def view(self, part: str) -> WorkView | None:
        """Of the run whose worker ids have `part` in common, at the latest look; None before the first."""
        ...

    def now(self) -> float:
        """By the clock of the views, in seconds."""
        ...

    def tell(self, worker_id: str, note: Note) -> None:
        """The other nodes see that note on the worker. Best effort; raises nothing."""
        ...


@dataclass(frozen=True)
class SharedScheduler:
    """The Luigi scheduler of this node's runs."""

    url: str  # for Luigi processes: with credentials, if it has any
    shown_url: str  # for records and people: without
    graph_status: Callable[[str], GraphStatus]  # by the root task's id; raises `errors.Temporary`
    problem: Callable[[], str] = str  # one line while it does not answer, else empty
    watch: RunWatch | None = None  # None: nobody else uses it, or nobody looks; then this node waits for no other


@dataclass(frozen=True)
class RunContext:
    """One for each agent. `wait` blocks on an event for at most so many seconds."""

    settings: RunSettings
    state: PathState
    scheduler: SharedScheduler
    stopping: Stopping
    scratch: Path  # the folder that runs' private folders are made in
    workdir: Path  # the current directory of all runs
    journal: Journal = field(default_factory=Journal)  # by default in memory only
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # the agent's own, for its runs' processes
    clock: Clock = field(default_factory=SystemClock)
    wait: Callable[[threading.Event, float], object] = threading.Event.wait
    observer: RunObserver = field(default_factory=RunObserver)

    @functools.cached_property
    def names(self) -> SecretNames:
        """The names of variables and arguments whose values are secrets."""
        return SecretNames(self.settings.redact_variables)

    @property
    def node(self) -> str:
        """This node's name."""
        return self.state.node
