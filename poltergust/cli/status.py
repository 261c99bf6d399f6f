"""`poltergust status`: what stands on a path, what runs, who is alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.text import nearest
from poltergust.cli import completing
from poltergust.cli.options import Duration, option, parse_name
from poltergust.cli.target import Target, json_option, scheduler_option
from poltergust.cli.terminal import can_redraw, line, live, make_console, safe, show
from poltergust.path.reading.model import ConfigState
from poltergust.stores import Unavailable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from poltergust.path.reading.model import ConfigView, Detail, NodeView
    from poltergust.path.reading.reader import Reader

MAX_OUTCOMES_SHOWN = 20
"""How many outcomes are shown without --all: each costs a listing and a read."""

AT_WORK = (ConfigState.PREPARING, ConfigState.RUNNING, ConfigState.DONE, ConfigState.ERROR, ConfigState.CANCELLED)
"""Where a config waits for nothing."""

EPILOG = """\b
Examples:
  poltergust status gs://mybucket/pipeline
  poltergust status --watch                  (POLTERGUST_PATH is set)
  poltergust status nightly
  poltergust status nightly --generation 2   (the run before, as history numbers them)
  poltergust status --waiting
  poltergust status --json | jq '.counts'

One argument is the NAME where --path is given. Otherwise it is the PATH where it begins with gs://, /, . or ~, or
where POLTERGUST_PATH is not set.
"""


@click.command(short_help="Configs, outcomes and nodes of a path.", epilog=EPILOG)
@click.argument("path_or_name", metavar="[PATH]", required=False, shell_complete=completing.path_or_name)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=completing.names)
@option("--path", "-p", metavar="PATH", help="The same as the argument PATH.")
@option("--waiting", is_flag=True, help="Only what has not ended and does not run, each with why.")
@option("--watch", "-w", is_flag=True, help="Keep it up to date until Ctrl-C, a NAME until it ended.")
@option("--every", type=Duration(), default="2s", metavar="TIME", help="How often --watch reads the path.")
@option(
    "--all", "-a", "show_all", is_flag=True, help=f"All tasks and outcomes, not only the {MAX_OUTCOMES_SHOWN} latest."
)
@option(
    "--generation", metavar="RUN", help="An earlier run of NAME: its number as history shows it, or its generation."
)
@json_option
@scheduler_option
@click.pass_context
def status(
    ctx: click.Context,
    path_or_name: str | None,
    name: str | None,
    path: str | None,
    waiting: bool,
    watch: bool,
    every: float,
    show_all: bool,
    generation: str | None,
    as_json: bool,
    scheduler_url: str | None,
) -> None:
    """What stands on PATH: all configs by state and the nodes; with a NAME that one in full."""
    typed = ctx.get_parameter_source("path") is ParameterSource.COMMANDLINE
    where, name = _arguments(path_or_name, name, path, typed=typed)
    target = Target.of(where)
    reader = target.reader()
    if name is not None:
        name = parse_name(name, target.path)
    if every <= 0:
        raise UsageError("--every: more than 0 seconds, for example 2s")
    if generation is not None:
        if name is None or waiting or watch:
            raise UsageError("--generation is for one NAME and a run as it is; leave --waiting and --watch out")
        from poltergust.cli.past_status import show_past_run

        show_past_run(target, name, generation, all_tasks=show_all, as_json=as_json)
        return
    if name is not None:
        snapshot = _one(reader, name, scheduler_url, all_tasks=show_all)
    elif waiting:
        snapshot = _waiting(reader)
    else:
        snapshot = _path(reader, None if show_all else MAX_OUTCOMES_SHOWN)
    _show(snapshot, every if watch else None, as_json)


def _arguments(
    first: str | None, second: str | None, option: str | None, *, typed: bool = False
) -> tuple[str | None, str | None]:
    """PATH and NAME from `[PATH] [NAME]` and `--path`; `typed`: that one stands on the command line.

    Raises `UsageError` for what looks like the name of a config while no path is known.
    """
    if first is None or second is not None:
        return first or option, second
    looks_like_path = first.startswith(("gs://", "/", ".", "~"))
    if option and (typed or not looks_like_path):
        return option, first
    if not looks_like_path and ":" not in first and not os.path.exists(first):
        raise UsageError(
            f"there is no folder {first} here; if it is the name of a config, say on which path: add --path "
            "gs://bucket/prefix or a folder, or set POLTERGUST_PATH once for all"
        )
    return first, None


@dataclass(frozen=True)
class _Snapshot:
    """What is shown: `text` for `--json`, `screen` (of a width, with a note) on a terminal, `lines` where --watch is no
    terminal's: a line for each thing, printed when it changes. `hints` stand below the screen once it stays. `over`:
    --watch has nothing left to wait for."""

    text: Callable[[], str]
    screen: Callable[[int, str], RenderableType]
    lines: Mapping[str, str]
    hints: Callable[[], Sequence[str]] = tuple
    over: bool = False


def _path(reader: Reader, limit: int | None) -> Callable[[], _Snapshot]:
    from poltergust.cli import json_output

    def snapshot() -> _Snapshot:
        view = reader.overview(limit)

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            return screens.path(view, width, note)

        lines = {f"config {one.name}": _line(one, view.nodes) for one in view.configs}
        lines |= {f"node {one.record.node}": f"{one.state:<10} node {safe(one.record.node)}" for one in view.nodes}

        def hints() -> Sequence[str]:
            from poltergust.cli import screens

            return screens.path_hints(view)

        return _Snapshot(lambda: json_output.path(view), screen, lines, hints)

    return snapshot


def _waiting(reader: Reader) -> Callable[[], _Snapshot]:
    """Of the path only what waits, and why."""
    from poltergust.cli import json_output

    def snapshot() -> _Snapshot:
        whole = reader.overview(0)
        configs = tuple(one for one in whole.configs if one.state not in AT_WORK)
        view = replace(whole, configs=configs)

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            return screens.waiting_list(view, note)

        lines = {f"config {one.name}": _line(one, view.nodes) for one in configs}
        return _Snapshot(lambda: json_output.path(view), screen, lines)

    return snapshot


def _one(reader: Reader, name: str, scheduler_url: str | None, *, all_tasks: bool) -> Callable[[], _Snapshot]:
    from poltergust.cli import json_output
    from poltergust.observe.scheduler_view import SchedulerView

    scheduling = SchedulerView(socket.gethostname(), scheduler_url)

    def snapshot() -> _Snapshot:
        view = reader.with_tasks(found(reader, name))

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            now = scheduling.now(view.config, view.nodes)
            return screens.detail(view, now, width, note or scheduling.problem, all_tasks=all_tasks)

        def hints() -> Sequence[str]:
            from poltergust.cli import screens

            return screens.detail_hints(view)

        lines = {name: _line(view.config, view.nodes)}
        return _Snapshot(lambda: json_output.detail(view), screen, lines, hints, over=view.config.state.ended)

    return snapshot


def _line(view: ConfigView, nodes: Sequence[NodeView]) -> str:
    from poltergust.cli import wording

    return f"{view.state.value:<10} {safe(view.name)}  {wording.stands(view, nodes)}"


def found(reader: Reader, name: str) -> Detail:
    """That config in full. Raises `PoltergustError` with what there is instead."""
    view = reader.detail(name)
    if view is None:
        raise PoltergustError(f"nothing of the name {name} below {reader.path.prefix}{near(reader, name)}")
    return view


def near(reader: Reader, name: str) -> str:
    """What may have been meant, for the end of an error; nothing where a config or an outcome of that name stands."""
    known = reader.names()
    if name in known:
        return ""
    meant = nearest(name, known)
    if meant:
        return f"; did you mean {meant}?"
    return f"; there are {', '.join(known[:5])}{' …' if len(known) > 5 else ''}" if known else "; there is none at all"


def _show(snapshot: Callable[[], _Snapshot], every: float | None, as_json: bool) -> None:
    """Once, or again each `every` seconds."""
    console = make_console()
    if every is None:
        now = snapshot()
        if as_json:
            click.echo(now.text())
        else:
            _show_last(console, now)
        return
    if as_json or not can_redraw(console):
        _watch(snapshot, every, _changed(console, as_json=as_json))
        return
    with live(console) as screen:

        def draw(now: _Snapshot, note: str) -> None:
            screen.update(now.screen(console.width, note), refresh=True)

        last = _watch(snapshot, every, draw)
    _show_last(console, last)


def _show_last(console: Console, now: _Snapshot) -> None:
    show(console, now.screen(console.width, ""))
    for number, hint in enumerate(now.hints()):
        line(console, hint if number else f"\n{hint}", "dim")


def _changed(console: Console, *, as_json: bool) -> Callable[[_Snapshot, str], None]:
    """For what is no terminal: JSON at each snapshot, or a line for each thing that changed."""
    said: dict[str, str] = {}

    def report(now: _Snapshot, note: str) -> None:
        if as_json:
            if not note:
                click.echo(now.text())
            return
        for key, text in now.lines.items():
            if said.get(key) != text:
                line(console, text)
        for key in said.keys() - now.lines.keys():
            line(console, f"{'gone':<10} {safe(key)}")
        said.clear()
        said.update(now.lines)

    return report


def _watch(snapshot: Callable[[], _Snapshot], every: float, report: Callable[[_Snapshot, str], None]) -> _Snapshot:
    """Until it is over. While the storage does not answer, the note says so and it is asked again."""
    now: _Snapshot | None = None
    while True:
        try:
            now = snapshot()
            report(now, "")
        except Unavailable as error:
            if now is None:
                raise
            report(now, f"the storage does not answer, trying again: {error}")
        if now.over:
            return now
        time.sleep(every)
