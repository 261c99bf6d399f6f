"""Views as what rich prints: tables that leave out what a narrow terminal has no room for. Pure but for the width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from poltergust.base import hints
from poltergust.base.text import exact, span
from poltergust.cli import task_screens, wording
from poltergust.cli.tables import NARROW_COLUMNS, TINY_COLUMNS, cut_line, fold_column, number_column, plain_table
from poltergust.cli.terminal import safe
from poltergust.observe.scheduler_view import Now
from poltergust.path.reading.model import ConfigState, ConfigView, Detail, NodeView, PathView, RunView, environment_of

STYLES = {
    ConfigState.QUEUED: "",
    ConfigState.PREPARING: "cyan",
    ConfigState.RUNNING: "cyan",
    ConfigState.WAITING: "yellow",
    ConfigState.RETRYING: "yellow",
    ConfigState.GAVE_UP: "red",
    ConfigState.FINISHED: "yellow",
    ConfigState.STALLED: "red",
    ConfigState.DONE: "green",
    ConfigState.ERROR: "bold red",
    ConfigState.CANCELLED: "dim",
}
_NODE_STYLES = {"ready": "green", "draining": "yellow", "silent": "bold red"}
_ORDER = list(STYLES)


def path(view: PathView, width: int, note: str = "") -> RenderableType:
    """All configs and nodes of a path. `note` is a last line, of what went wrong while looking."""
    parts: list[RenderableType] = [_headline(view), Text()]
    if view.configs:
        parts += [_configs(view.configs, view.nodes, width), Text()]
        if view.hidden:
            parts += [Text(f"and {view.hidden} older outcomes; to see them: --all", "dim"), Text()]
    else:
        parts += [Text("No configs."), Text()]
    if view.nodes:
        parts.append(_nodes(view.nodes, width))
        problems = [(node.record.node, problem) for node in view.nodes for problem in node.record.problems]
        parts += [Text(f"{safe(name)}: {safe(problem)}", "red") for name, problem in problems]
    else:
        parts.append(Text("No node listens to this path.", "red"))
    if note:
        parts.append(Text(safe(note), "yellow"))
    return Group(*parts)


def waiting_list(view: PathView, note: str = "") -> RenderableType:
    """What waits on a path, and why: the configs of `view`, all of whose nodes are named in it."""
    table = plain_table("STATE", "NAME")
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"
    number_column(table, "AGE")
    table.add_column("WHY", overflow="fold")
    for config in sorted(view.configs, key=lambda config: -config.age):
        state = Text(config.state.value, STYLES[config.state])
        table.add_row(state, safe(config.name), span(config.age), wording.stands(config, view.nodes))
    parts: list[RenderableType] = [table if view.configs else Text("Nothing waits.")]
    return Group(*parts, Text(safe(note), "yellow")) if note else Group(*parts)


def detail(view: Detail, now: Now | None, width: int, note: str = "", *, all_tasks: bool = False) -> RenderableType:
    """One config in full; `now` is what the scheduler says of it. `all_tasks`: not only those that one looks for."""
    config, document = view.config, view.document
    head = Text.assemble((safe(config.name), "bold"), "  ", (config.state.value, STYLES[config.state]))
    if config.took is not None:
        head.append(f"  {exact(config.took)}")
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in _facts(view, now):
        facts.add_row(label, Text(safe(text)))
    parts: list[RenderableType] = [head, facts]
    if document.problem:
        parts.append(Text(safe(document.problem), "red"))
    if config.runs:
        parts += [Text(), nodes_of(config.runs, width)]
    if now is not None and now.running:
        parts.append(Text("\nrunning now", "bold"))
        names = {task.task_id: task.name for task in view.tasks}
        parts += [
            Text(f"  {safe(names.get(task.task_id, task.family))}" + (f"  on {safe(task.node)}" if task.node else ""))
            for task in now.running
        ]
    if view.tasks:
        parts += [Text(), *task_screens.tasks(view.tasks, width, all_tasks=all_tasks)]
    parts += task_screens.failures(config.runs, view.tasks)
    if note:
        parts.append(Text(safe(note), "yellow"))
    return Group(*parts)


def path_hints(view: PathView) -> list[str]:
    """What to type next, below `path`. Not in the screen: that is broken at the terminal's width, a command may not."""
    found = [] if view.configs else [f"to submit a config: {hints.command('submit', 'FILE', path=view.path)}"]
    return found if view.nodes else [*found, f"to start a node: {hints.command('listen', path=view.path)}"]


def detail_hints(view: Detail) -> list[str]:
    """The same below `detail`."""
    config = view.config
    found = [f"its logs: {hints.command('logs', config.name, path=config.path)}"] if config.runs else []
    if task_screens.hidden(view.tasks):
        every = hints.command("status", config.name, path=config.path, flags=("--all",))
        found.append(f"all its tasks: {every}")
    if config.state is ConfigState.ERROR:
        again = hints.command("retry", config.name, path=config.path)
        found.append(f"to run it again when the cause is corrected: {again}")
    return found


def waiting(
    view: ConfigView, nodes: Sequence[NodeView], now: Now | None, elapsed: float, width: int, note: str = ""
) -> RenderableType:
    """A run on its way, to be drawn again and again: which nodes have it, what they do, how many tasks are done."""
    head = Text.assemble(
        (f"{view.state.value:<10}", STYLES[view.state]), (safe(view.name), "bold"), f"  {exact(elapsed)}"
    )
    parts: list[RenderableType] = [head]
    if not view.runs or view.state in (ConfigState.QUEUED, ConfigState.STALLED):
        parts.append(Text(f"  {wording.stands(view, nodes)}"))
    if view.runs:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for run in view.runs:
            record = run.record
            phases = ", ".join(f"{safe(name)} {exact(seconds)}" for name, seconds in record.timings.items())
            said = wording.because(record.reason, record.refused or record.text) or phases
            table.add_row(f"  {safe(record.node)}", wording.doing(record, run.silent), cut_line(said))
        parts.append(table)
    progress = now.progress if now is not None else view.progress
    if progress is not None and progress.total:
        bar = Table.grid(padding=(0, 2, 0, 0))
        bars = [] if width < NARROW_COLUMNS else [ProgressBar(progress.total, progress.done, width=16)]
        bar.add_row("", *bars, wording.tasks(progress))
        parts.append(bar)
    if note:
        parts.append(Text(f"  {safe(note)}", "yellow"))
    return Group(*parts)


def _headline(view: PathView) -> Text:
    text = Text.assemble((f"{safe(view.path)}", "bold"))
    found = [(view.counts[one.value], one) for one in _ORDER if view.counts.get(one.value)]
    for number, (count, one) in enumerate(found):
        text.append(": " if number == 0 else ", ").append(f"{count} {one.value}", STYLES[one])
    return text


def _configs(configs: Iterable[ConfigView], nodes: Sequence[NodeView], width: int) -> Table:
    narrow, tiny = width < NARROW_COLUMNS, width < TINY_COLUMNS
    table = plain_table("STATE", "NAME")
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"
    number_column(table, "AGE")
    if not narrow:
        number_column(table, "TOOK")
    if not tiny:
        number_column(table, "TASKS")
    if not narrow:
        table.add_column("NODES", no_wrap=True, overflow="ellipsis", max_width=max(12, width // 5))
    if not tiny:
        table.add_column("REASON")
    for view in configs:
        counts = f"{view.progress.done}/{view.progress.total}" if view.progress and view.progress.total else ""
        stands = view.state in (ConfigState.STALLED, ConfigState.QUEUED)
        reason = wording.stands(view, nodes) if stands else wording.because(view.reason, view.text)
        row = [Text(view.state.value, STYLES[view.state]), Text(safe(view.name)), Text(span(view.age))]
        row += [] if narrow else [Text(span(view.took))]
        row += [] if tiny else [Text(counts)]
        row += [] if narrow else [Text(wording.some(view.nodes or view.silent, 1 if width < 120 else 3))]
        row += [] if tiny else [cut_line(reason)]
        table.add_row(*row)
    return table


def _nodes(nodes: Iterable[NodeView], width: int) -> Table:
    table = plain_table("NODE", "STATE")
    fold_column(table, 0, width)
    for header in ("HEARTBEAT", "RUNS") if width < TINY_COLUMNS else ("HEARTBEAT", "RUNS", "WAITING"):
        number_column(table, header)
    if width >= NARROW_COLUMNS:
        table.add_column("VERSION", no_wrap=True)
        table.add_column("RUNNING")
    for view in nodes:
        record = view.record
        state = Text(view.state, _NODE_STYLES[view.state])
        if view.state == "ready" and not record.taking:
            state = Text("refusing", "bold red")
        row = [Text(safe(record.node)), state, Text(f"{span(view.age)} ago"), Text(str(len(record.running)))]
        row += [] if width < TINY_COLUMNS else [Text(str(record.waiting))]
        row += [] if width < NARROW_COLUMNS else [Text(safe(record.version)), cut_line(wording.some(record.running))]
        table.add_row(*row)
    return table


def _facts(view: Detail, now: Now | None) -> Iterable[tuple[str, str]]:
    config = view.config
    yield "config", config.url
    if view.document.task:
        yield "task", view.document.task
    environment = environment_of(config)
    known = view.document.environment if environment is None else environment.url or view.document.environment
    if known:
        python = f", Python {environment.python}" if environment is not None and environment.python else ""
        yield "environment", f"{known}{python}"
    yield ("ended" if config.state.ended else "uploaded"), f"{exact(config.age)} ago"
    if view.submitted is not None:
        yield "submitted", f"by {view.submitted.by}"
    if view.cancelled is not None:
        yield "cancelled", f"by {view.cancelled.by}"
    if config.generation:
        yield "generation", config.generation
    scheduler = next((run.record.scheduler for run in config.runs if run.record.scheduler), "")
    if scheduler:
        yield "scheduler", scheduler
    progress = now.progress if now is not None else config.progress
    if progress is not None and progress.total:
        yield "tasks", wording.tasks(progress)
    if config.state not in (ConfigState.RUNNING, ConfigState.PREPARING):  # the table of nodes and the counts show it
        yield "status", wording.stands(config, view.nodes)
    if config.state in (ConfigState.RETRYING, ConfigState.WAITING):
        timeout = view.document.timeout
        yield "until", "it ends; the task file sets no timeout" if timeout is None else f"its timeout, {exact(timeout)}"


def nodes_of(runs: Iterable[RunView], width: int) -> Table:
    """What each node says of one run."""
    table = plain_table("NODE", "STATE")
    fold_column(table, 0, width)
    if width >= TINY_COLUMNS:
        number_column(table, "ATTEMPTS")
    if width >= NARROW_COLUMNS:
        table.add_column("PHASES", no_wrap=True)
    table.add_column("REASON", overflow="fold")
    for run in runs:
        record = run.record
        phases = "\n".join(f"{safe(name)} {exact(seconds)}" for name, seconds in record.timings.items())
        style = "bold red" if run.silent else ""
        row = [Text(safe(record.node)), Text(wording.doing(record, run.silent), style)]
        row += [] if width < TINY_COLUMNS else [Text(str(max(record.attempts, record.attempts_made)))]
        row += [] if width < NARROW_COLUMNS else [Text(phases)]
        row.append(Text(wording.because(record.reason, record.refused or record.text)))
        table.add_row(*row)
    return table
