"""Drawings over time: one lane per node, bars in it, rows where bars overlap. Pure; coordinates from 0 to `WIDTH`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from poltergust.base.text import exact
from poltergust.dashboard.tasks import TaskView
from poltergust.path.reading.model import ConfigState, ConfigView, NodeView, RunView
from poltergust.path.records import State
from poltergust.path.tasks import TaskState

WIDTH = 1000.0
"""Units across a whole drawing; the page stretches them to its width."""

MIN_BAR = 2.0
"""Units; a shorter bar is drawn this wide, so that it can be seen."""

MAX_ROWS = 24
"""Rows of one lane; what overlaps more often is laid over the last one."""

MAX_LANES = 40
MAX_BARS = 600
"""Bars of one lane; more are drawn closer together, the short ones joined."""

TICKS = 6
TIMELINE_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Bar:
    """`kind` is a name from a fixed set, for its colour. `title` says it in words, `name` is what it belongs to."""

    x: float
    width: float
    kind: str
    title: str
    name: str


@dataclass(frozen=True)
class Lane:
    label: str
    rows: tuple[tuple[Bar, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Drawing:
    """`ticks` are times of day, at equal distances from the left edge to the right one. `hidden` lanes are left out."""

    lanes: tuple[Lane, ...]
    ticks: tuple[str, ...]
    hidden: int = 0


@dataclass(frozen=True)
class _Span:
    lane: str
    start: float
    end: float
    kind: str
    title: str
    name: str


def path_timeline(configs: Iterable[ConfigView], nodes: Sequence[NodeView], now: float) -> Drawing:
    """The last hours, one lane per node, the latest run of each config split where the environment was ready and Luigi
    began. Earlier runs of a name would take a listing of each name at each look; its history has them."""
    spans = [span for config in configs for run in config.runs for span in _phases(config, run, now)]
    oldest = now - TIMELINE_SECONDS
    spans = [span for span in spans if span.end > oldest]
    # As much as there is to see, from a minute to all hours.
    first = min((span.start for span in spans), default=now - 60.0)
    begin = max(oldest, min(first, now - 60.0))
    silent = {node.record.node: node.state for node in nodes if node.state != "ready"}
    names = sorted({span.lane for span in spans} | {node.record.node for node in nodes})
    return _draw(spans, names, begin, now, note=lambda name: silent.get(name, ""))


def task_lanes(tasks: Sequence[TaskView], now: float) -> Drawing | None:
    """The tasks of a run by the node that ran them; None where no task is known to have begun."""
    spans = [
        _Span(
            lane=task.node or "unknown node",
            start=task.started,
            end=task.started + (task.seconds(now) or 0.0),
            kind=task.state.value,
            title=f"{task.family}: {task.state.value}, {exact(task.seconds(now) or 0.0)}",
            name=task.task_id,
        )
        for task in tasks
        if task.started is not None and task.state is not TaskState.PENDING
    ]
    if not spans:
        return None
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    return _draw(spans, sorted({span.lane for span in spans}), begin, max(end, begin + 1.0))


def _phases(config: ConfigView, run: RunView, now: float) -> list[_Span]:
    record = run.record
    if record.started is None:
        return []
    over = record.state in (State.ENDED, State.GAVE_UP) or run.silent
    end = max(record.started, run.updated if over else now)
    ready = min(end, record.started + (record.timings.environment or 0.0))
    kind = _KINDS.get(config.state, "running") if over else "running"
    if run.silent:
        kind = "silent"
    preparing = record.state is State.PREPARING
    spans = []
    if preparing or ready > record.started:
        until = end if preparing else ready
        title = f"{config.name}: environment, {exact(until - record.started)}"
        spans.append(_Span(record.node, record.started, until, "environment", title, config.name))
    if not preparing:
        title = f"{config.name}: {kind}, {exact(end - record.started)}"
        spans.append(_Span(record.node, ready, end, kind, title, config.name))
    return spans


_KINDS = {
    ConfigState.DONE: "done",
    ConfigState.ERROR: "failed",
    ConfigState.GAVE_UP: "failed",
    ConfigState.CANCELLED: "cancelled",
}


def _draw(
    spans: Iterable[_Span], names: Sequence[str], begin: float, end: float, note: Callable[[str], str] = lambda _: ""
) -> Drawing:
    by_lane: dict[str, list[_Span]] = {name: [] for name in names}
    for span in spans:
        by_lane[span.lane].append(span)
    scale = WIDTH / (end - begin)
    # The lanes that have something to show, where there are too many.
    shown = sorted(sorted(names, key=lambda name: not by_lane[name])[:MAX_LANES])
    lanes = tuple(Lane(name, _rows(by_lane[name], begin, scale), note(name)) for name in shown)
    moments = (begin + (end - begin) * number / (TICKS - 1) for number in range(TICKS))
    form = "%H:%M" if end - begin > 600 else "%H:%M:%S"
    ticks = tuple(time.strftime(form, time.gmtime(moment)) for moment in moments)
    return Drawing(lanes, ticks, hidden=len(names) - len(shown))


def _rows(spans: list[_Span], begin: float, scale: float) -> tuple[tuple[Bar, ...], ...]:
    rows: list[list[Bar]] = [[]]
    free: list[float] = [0.0]  # where each row's last bar ends
    spans = sorted(spans, key=lambda span: (span.start, span.end))
    crowded = len(spans) > MAX_BARS
    for span in spans:
        x = max(0.0, (span.start - begin) * scale)
        width = max(MIN_BAR, (span.end - begin) * scale - x)
        x = min(x, WIDTH - MIN_BAR)
        bar = Bar(x, min(width, WIDTH - x), span.kind, span.title, span.name)
        row = next((number for number, until in enumerate(free) if until <= x + 0.01), None)
        if row is None and len(rows) < MAX_ROWS:
            row = len(rows)
            rows.append([])
            free.append(0.0)
        row = len(rows) - 1 if row is None else row
        last = rows[row][-1] if rows[row] else None
        joins = last is not None and last.kind == bar.kind and x - (last.x + last.width) < 0.5
        if crowded and last is not None and joins and last.width + bar.width < 4 * MIN_BAR:
            rows[row][-1] = Bar(last.x, x + bar.width - last.x, bar.kind, "several tasks", bar.name)
        else:
            rows[row].append(bar)
        free[row] = x + bar.width
    return tuple(tuple(row) for row in rows)
