"""Earlier runs as what rich prints: one line each, and two of them against each other. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poltergust.base.text import exact, plain, span
from poltergust.cli import screens, task_screens, wording
from poltergust.cli.tables import NARROW_COLUMNS, TINY_COLUMNS, cut_line, number_column, plain_table
from poltergust.cli.terminal import safe
from poltergust.path.reading.comparison import FamilyChange, RunComparison, TextChange
from poltergust.path.reading.history import RunSummary, source_key
from poltergust.path.reading.model import PastRun
from poltergust.path.tasks import TaskStory

WIDE_COLUMNS = 120
"""From which on reasons are shown with their texts."""

_OUTCOME_STYLES = {"done": "green", "error": "bold red", "cancelled": "dim"}
_LINE_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_TITLES = {"config": "config", "environment": "environment file", "lock": "installed versions"}


def history(name: str, runs: Sequence[RunSummary], width: int) -> RenderableType:
    """The latest first, numbered from 1."""
    table = plain_table()
    number_column(table, "RUN")
    table.add_column("STARTED", no_wrap=True)
    table.add_column("OUTCOME", no_wrap=True)
    number_column(table, "TOOK")
    if width >= TINY_COLUMNS:
        number_column(table, "TASKS")
    if width >= NARROW_COLUMNS:
        table.add_column("NODES", no_wrap=True, overflow="ellipsis", max_width=max(12, width // 6))
        table.add_column("REASON")
    table.add_column("CHANGED")
    for number, run in enumerate(runs, 1):
        counts = f"{run.progress.done}/{run.progress.total}" if run.progress and run.progress.total else ""
        outcome = Text(safe(run.outcome), _OUTCOME_STYLES.get(run.outcome, ""))
        row = [Text(str(number)), Text(_when(run.started)), outcome, Text(span(run.seconds))]
        row += [Text(counts)] if width >= TINY_COLUMNS else []
        if width >= NARROW_COLUMNS:
            reason = wording.because(run.reason, run.text if width >= WIDE_COLUMNS else "")
            row += [Text(wording.some(run.nodes, 1 if width < WIDE_COLUMNS else 3)), cut_line(reason)]
        table.add_row(*row, cut_line(safe(", ".join(run.changed))))
    return Group(Text(safe(name), "bold"), table)


def run(
    name: str, summary: RunSummary, past: PastRun, found: Sequence[TaskStory], width: int, *, all_tasks: bool
) -> RenderableType:
    """One run by its records and the tasks that were found of it."""
    head = Text.assemble(
        (safe(name), "bold"), "  ", (safe(summary.outcome), _OUTCOME_STYLES.get(summary.outcome, "")), "  "
    )
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in _facts(summary):
        facts.add_row(label, Text(text))
    parts: list[RenderableType] = [head.append(exact(summary.seconds)) if summary.seconds is not None else head, facts]
    parts += [Text(), screens.nodes_of(past.runs, width)]
    if found:
        parts += [Text(), *task_screens.tasks(found, width, all_tasks=all_tasks)]
    return Group(*parts, *task_screens.failures(past.runs, found))


def _facts(summary: RunSummary) -> Iterable[tuple[str, str]]:
    yield "generation", safe(summary.generation)
    if summary.started is not None:
        yield "started", _when(summary.started)
    if summary.environment is not None:
        python = f", Python {safe(summary.environment.python)}" if summary.environment.python else ""
        yield "environment", f"{safe(summary.environment.url)}{python}"
    if summary.progress is not None and summary.progress.total:
        yield "tasks", wording.tasks(summary.progress)
    why = wording.because(summary.reason, summary.text)
    if why:
        yield "status", why


def comparison(found: RunComparison, width: int) -> RenderableType:
    """What differs, text after text, then the families."""
    parts: list[RenderableType] = [_run("before", found.before), _run("after", found.after), Text()]
    for text in found.texts:
        parts += _text(text)
    parts += _code(found)
    if found.families:
        parts += [Text(), _families(found.families, width)]
    return Group(*parts)


def _run(side: str, run: RunSummary) -> Text:
    took = "" if run.seconds is None else f" in {exact(run.seconds)}"
    why = wording.because(run.reason, run.text)
    return Text.assemble(
        (f"{side:<8}", "dim"),
        f"{_when(run.started)}  ",
        (safe(run.outcome), _OUTCOME_STYLES.get(run.outcome, "")),
        f"{took} on {wording.some(run.nodes)}" + (f": {why}" if why else ""),
    )


def _text(text: TextChange) -> Iterable[RenderableType]:
    title = _TITLES[text.title]
    if not text.known:
        yield Text(f"{title}: not kept of both runs", "yellow")
    elif not text.lines:
        yield Text(f"{title}: the same")
    else:
        yield Text(title, "bold")
        for line in text.lines:
            yield Text(f"  {plain(line)}", "" if line.startswith(("+++", "---")) else _LINE_STYLES.get(line[:1], ""))


def _code(found: RunComparison) -> Iterable[RenderableType]:
    before, after = found.before, found.after
    if before.code != after.code:
        yield Text(f"code: {safe(before.code[:12]) or 'none'} → {safe(after.code[:12]) or 'none'}", "bold")
    elif "code" in found.changed:
        keys = f"{safe(source_key(before))} → {safe(source_key(after))}"
        yield Text(f"code: what the environment file's dependencies name has changed, {keys}", "bold")
    elif after.code:
        yield Text("code: the same")


def _families(families: Iterable[FamilyChange], width: int) -> RenderableType:
    table = plain_table("FAMILY")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    headers = ["MEDIAN"] if width < TINY_COLUMNS else ["TASKS", "FAILED", "MEDIAN", "TOGETHER"]
    for header in headers:
        number_column(table, header)
    for one in families:
        cells = {
            "TASKS": _change(*(None if side is None else str(side.tasks) for side in (one.before, one.after))),
            "FAILED": _change(*(None if side is None else str(side.failed) for side in (one.before, one.after))),
            "MEDIAN": _change(*(None if side is None else _seconds(side.median) for side in (one.before, one.after))),
            "TOGETHER": _change(*(None if side is None else _seconds(side.total) for side in (one.before, one.after))),
        }
        table.add_row(Text(safe(one.family)), *(cells[header] for header in headers))
    return table


def _change(before: str | None, after: str | None) -> str:
    """``3 → 4``; one of them where they are the same; ``-`` for a run that has none."""
    return (before or "-") if before == after else f"{before or '-'} → {after or '-'}"


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else exact(seconds)


def _when(seconds: float | None) -> str:
    """In this machine's time zone."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
