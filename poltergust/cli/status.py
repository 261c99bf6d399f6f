"""`poltergust status`: what stands on a path, what runs, who is alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.text import nearest
from poltergust.cli.options import Duration, option, parse_name
from poltergust.cli.target import Target, scheduler_option
from poltergust.cli.terminal import can_redraw, line, live, make_console, safe, show
from poltergust.stores import Unavailable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from poltergust.path.reading.model import ConfigView, Detail, NodeView
    from poltergust.path.reading.reader import Reader

MAX_OUTCOMES_SHOWN = 20
"""How many outcomes are shown without --all: each costs a listing and a read."""

EPILOG = """\b
Examples:
  poltergust status gs://mybucket/pipeline
  poltergust status --watch                  (POLTERGUST_PATH is set)
  poltergust status nightly
  poltergust status --json | jq '.counts'

One argument is the PATH where it begins with gs://, /, . or ~, or where no path is set; otherwise the NAME.
"""


@click.command(short_help="Configs, outcomes and nodes of a path.", epilog=EPILOG)
@click.argument("path_or_name", metavar="[PATH]", required=False)
@click.argument("name", metavar="[NAME]", required=False)
@option("--path", metavar="PATH", help="The same as the argument PATH.")
@option("--watch", is_flag=True, help="Keep it up to date until Ctrl-C, a NAME until it ended.")
@option("--every", type=Duration(), default="2s", metavar="TIME", help="How often --watch reads the path.")
@option("--all", "show_all", is_flag=True, help=f"All outcomes, not only the {MAX_OUTCOMES_SHOWN} latest.")
@option("--json", "as_json", is_flag=True, help="One JSON document on a line, as docs/commands.md describes it.")
@scheduler_option
def status(
    path_or_name: str | None,
    name: str | None,
    path: str | None,
    watch: bool,
    every: float,
    show_all: bool,
    as_json: bool,
    scheduler_url: str | None,
) -> None:
    """What stands on PATH: all configs by state and the nodes; with a NAME that one in full."""
    where, name = _arguments(path_or_name, name, path)
    target = Target.of(where)
    reader = target.reader()
    if name is not None:
        name = parse_name(name, target.path)
    if every <= 0:
        raise UsageError("--every: more than 0 seconds, for example 2s")
    snapshot = (
        _path(reader, None if show_all else MAX_OUTCOMES_SHOWN) if name is None else _one(reader, name, scheduler_url)
    )
    _show(snapshot, every if watch else None, as_json)


def _arguments(first: str | None, second: str | None, option: str | None) -> tuple[str | None, str | None]:
    """PATH and NAME from `[PATH] [NAME]` and `--path`."""
    if first is None or second is not None:
        return first or option, second
    if first.startswith(("gs://", "/", ".", "~")) or not option:
        return first, None
    return option, first


@dataclass(frozen=True)
class _Snapshot:
    """What is shown: `text` for `--json`, `screen` (of a width, with a note) on a terminal, `lines` where --watch is no
    terminal's: a line for each thing, printed when it changes. `over`: --watch has nothing left to wait for."""

    text: Callable[[], str]
    screen: Callable[[int, str], RenderableType]
    lines: Mapping[str, str]
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
        return _Snapshot(lambda: json_output.path(view), screen, lines)

    return snapshot


def _one(reader: Reader, name: str, scheduler_url: str | None) -> Callable[[], _Snapshot]:
    from poltergust.cli import json_output
    from poltergust.observe.scheduler_view import SchedulerView

    scheduling = SchedulerView(socket.gethostname(), scheduler_url)

    def snapshot() -> _Snapshot:
        view = found(reader, name)

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            now = scheduling.now(view.config, view.nodes)
            return screens.detail(view, now, width, note or scheduling.problem)

        lines = {name: _line(view.config, view.nodes)}
        return _Snapshot(lambda: json_output.detail(view), screen, lines, over=view.config.state.ended)

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
    """What may have been meant, for the end of an error."""
    known = reader.names()
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
            show(console, now.screen(console.width, ""))
        return
    if as_json or not can_redraw(console):
        _watch(snapshot, every, _changed(console, as_json=as_json))
        return
    with live(console) as screen:

        def draw(now: _Snapshot, note: str) -> None:
            screen.update(now.screen(console.width, note), refresh=True)

        last = _watch(snapshot, every, draw)
    show(console, last.screen(console.width, ""))


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
