"""The runs of one name side by side: how each ended, how long it took, what its families did, what changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from poltergust.base.progress import Progress
from poltergust.dashboard.tasks import ShownState, TaskView
from poltergust.path.reading import summary
from poltergust.path.reading.model import ConfigView, PastRun, RunView
from poltergust.path.records import RunEnvironment, State


@dataclass(frozen=True)
class RunSummary:
    """One run in a line. `outcome` is done, error, cancelled, or what it does now. `seconds` None before it began."""

    generation: str
    outcome: str
    reason: str
    text: str
    started: float | None
    seconds: float | None
    nodes: tuple[str, ...]
    progress: Progress | None
    environment: RunEnvironment | None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class FamilyRow:
    """A family in all runs: the worst state of its tasks in each, None where nothing is known of it."""

    family: str
    states: tuple[ShownState | None, ...]


def run_summaries(config: ConfigView | None, past: Sequence[PastRun], now: float) -> tuple[RunSummary, ...]:
    """The latest first. What changed is against the run before."""
    found = [_summary(config, run, now) for run in past]
    before = [*found[1:], None]
    return tuple(_with_changes(run, older) for run, older in zip(found, before, strict=True))


def family_rows(tasks: Sequence[Sequence[TaskView]]) -> tuple[FamilyRow, ...]:
    """Every family that is known in any of the runs, by name; the columns are in the order of `tasks`, one for each
    run."""
    names = sorted({task.family for each in tasks for task in each})
    return tuple(FamilyRow(name, tuple(_state_of(name, each) for each in tasks)) for name in names)


def _state_of(family: str, tasks: Sequence[TaskView]) -> ShownState | None:
    states = {task.state for task in tasks if task.family == family}
    return next((state for state in ShownState if state in states), None)


def _summary(config: ConfigView | None, past: PastRun, now: float) -> RunSummary:
    current = config is not None and config.generation == past.generation
    lead = _lead(past.runs)
    ended = all(run.record.state is State.ENDED for run in past.runs)
    started = min((run.record.started for run in past.runs if run.record.started is not None), default=None)
    until = max((run.updated for run in past.runs), default=now) if ended else now
    outcome = lead.record.outcome or lead.record.state.value
    if current and config is not None:
        outcome, until = config.state.value, config.updated if config.state.ended else now
    return RunSummary(
        generation=past.generation,
        outcome=outcome,
        reason=lead.record.reason or "",
        text=lead.record.text,
        started=started,
        seconds=None if started is None else max(0.0, until - started),
        nodes=tuple(run.record.node for run in past.runs),
        progress=summary.progress(past.runs),
        environment=next((run.record.environment for run in past.runs if run.record.environment is not None), None),
    )


def _lead(runs: Sequence[RunView]) -> RunView:
    """The node that renamed; else one that knows an outcome; else the one that wrote last."""
    return max(runs, key=lambda run: (run.record.renamed is True, run.record.outcome is not None, run.updated))


def _with_changes(run: RunSummary, older: RunSummary | None) -> RunSummary:
    if older is None or run.environment is None or older.environment is None:
        return run
    now, then = run.environment, older.environment
    changed = [
        words
        for words, differs in (
            (f"Python {then.python} → {now.python}", now.python != then.python),
            ("environment file's place", now.url != then.url),
            ("installed versions", now.lock != then.lock),
        )
        if differs
    ]
    return replace(run, changed=tuple(changed))
