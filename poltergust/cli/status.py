"""`poltergust status`: what stands on a path, what runs, who is alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from poltergust.base.errors import PoltergustError, Temporary, UsageError
from poltergust.base.text import nearest
from poltergust.cli.options import Duration, option, parse_name
from poltergust.cli.target import Target, scheduler_option
from poltergust.cli.terminal import changes, line, live, make_console, safe, show

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from poltergust.path.reading.model import ConfigView, Detail, NodeView
    from poltergust.path.reading.reader import Reader

SHOWN = 20
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
@option("--every", type=Duration(), default="2s", metavar="TIME", help="How often --watch looks.")
@option("--all", is_flag=True, help=f"All outcomes, not only the {SHOWN} latest.")
@option("--json", is_flag=True, help="One JSON document on a line, as docs/commands.md describes it.")
@scheduler_option
def status(path_or_name: str | None, name: str | None, path: str | None, **options: Any) -> None:
    """What stands on PATH: all configs by state and the nodes; with a NAME that one in full."""
    where, name = _arguments(path_or_name, name, path)
    place = Target.of(where)
    reader = place.reader()
    if name is not None:
        name = parse_name(name, place.path)
    if options["every"] <= 0:
        raise UsageError("--every: more than 0 seconds, for example 2s")
    look = _path(reader, options) if name is None else _one(reader, name, options)
    _show(look, options)


def _arguments(first: str | None, second: str | None, option: str | None) -> tuple[str | None, str | None]:
    """PATH and NAME from `[PATH] [NAME]` and `--path`."""
    if first is None or second is not None:
        return first or option, second
    if first.startswith(("gs://", "/", ".", "~")) or not option:
        return first, None
    return option, first


@dataclass(frozen=True)
class _Look:
    """What is shown: `text` for `--json`, `screen` (of a width, with a note) on a terminal, `lines` where --watch is no
    terminal's: a line for each thing, told when it changes. `over`: --watch has nothing left to wait for."""

    text: Callable[[], str]
    screen: Callable[[int, str], RenderableType]
    lines: Mapping[str, str]
    over: bool = False


def _path(reader: Reader, options: dict[str, Any]) -> Callable[[], _Look]:
    from poltergust.cli import machine

    limit = None if options["all"] else SHOWN

    def look() -> _Look:
        view = reader.overview(limit)

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            return screens.path(view, width, note)

        lines = {f"config {one.name}": _line(one, view.nodes) for one in view.configs}
        lines |= {f"node {one.record.node}": f"{one.state:<10} node {safe(one.record.node)}" for one in view.nodes}
        return _Look(lambda: machine.path(view), screen, lines)

    return look


def _one(reader: Reader, name: str, options: dict[str, Any]) -> Callable[[], _Look]:
    from poltergust.cli import machine
    from poltergust.observe.scheduler_view import SchedulerView

    scheduling = SchedulerView(socket.gethostname(), options["scheduler_url"])

    def look() -> _Look:
        view = found(reader, name)

        def screen(width: int, note: str) -> RenderableType:
            from poltergust.cli import screens

            return screens.detail(view, scheduling.now(view.config, view.nodes), width, note)

        lines = {name: _line(view.config, view.nodes)}
        return _Look(lambda: machine.detail(view), screen, lines, over=view.config.standing.ended)

    return look


def _line(view: ConfigView, nodes: Sequence[NodeView]) -> str:
    from poltergust.cli import wording

    return f"{view.standing.value:<10} {safe(view.name)}  {wording.stands(view, nodes)}"


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


def _show(look: Callable[[], _Look], options: dict[str, Any]) -> None:
    console = make_console()
    if not options["watch"]:
        now = look()
        if options["json"]:
            click.echo(now.text())
        else:
            show(console, now.screen(console.width, ""))
        return
    if options["json"] or not changes(console):
        _watch(look, options["every"], _changed(console, as_json=options["json"]))
        return
    with live(console) as screen:

        def draw(now: _Look, note: str) -> None:
            screen.update(now.screen(console.width, note), refresh=True)

        last = _watch(look, options["every"], draw)
    show(console, last.screen(console.width, ""))


def _changed(console: Console, *, as_json: bool) -> Callable[[_Look, str], None]:
    """For what is no terminal: JSON at each look, or a line for each thing that changed."""
    said: dict[str, str] = {}

    def tell(now: _Look, note: str) -> None:
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

    return tell


def _watch(look: Callable[[], _Look], every: float, tell: Callable[[_Look, str], None]) -> _Look:
    """Until it is over. A storage that does not answer is said and asked again."""
    now: _Look | None = None
    while True:
        try:
            now = look()
            tell(now, "")
        except Temporary as error:
            if now is None:
                raise
            tell(now, f"the storage does not answer, trying again: {error}")
        if now.over:
            return now
        time.sleep(every)
