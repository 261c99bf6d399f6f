"""`poltergust diff`: what differs between two runs of a config."""

from __future__ import annotations

import click

from poltergust.cli.completing import names
from poltergust.cli.options import parse_name
from poltergust.cli.target import Target, json_option, path_option

EPILOG = """\b
Examples:
  poltergust diff nightly                   (the latest run against the one before)
  poltergust diff nightly 5                 (the latest against the fifth latest)
  poltergust diff nightly 3 2 --json

A and B are numbers as poltergust history shows them, or generations, of which a beginning is enough.

\b
Exit codes: 0 shown, whether anything differs or not, 1 there are no such runs, 2 usage.
"""


@click.command(short_help="What differs between two runs of a config.", epilog=EPILOG)
@click.argument("name", metavar="NAME", shell_complete=names)
@click.argument("before", metavar="[A]", default="2")
@click.argument("after", metavar="[B]", default="1")
@path_option
@json_option
def diff(name: str, before: str, after: str, path: str | None, as_json: bool) -> None:
    """Run B of NAME against run A: config, environment file, installed versions, code, and how long each family of
    tasks took."""
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli import json_output
    from poltergust.cli.past_runs import limit_of, past_runs, run_of
    from poltergust.cli.terminal import make_console, show
    from poltergust.path.reading.comparison import compare

    reader = target.reader()
    sides = (before, after)
    runs = past_runs(reader, name, limit_of(*sides))
    found = compare(reader, target.state.content, name, [run_of(runs, side, name, reader) for side in sides])
    if as_json:
        click.echo(json_output.comparison(name, found))
        return
    from poltergust.cli import history_screens

    console = make_console()
    show(console, history_screens.comparison(found, console.width))
