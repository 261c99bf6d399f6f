"""`poltergust cancel`: stop a run on every node."""

from __future__ import annotations

import click

from poltergust.cli.completing import names
from poltergust.cli.options import parse_name
from poltergust.cli.target import Target, json_option, path_option

EPILOG = """\b
Examples:
  poltergust cancel nightly
  poltergust cancel nightly --path gs://mybucket/pipeline --json

\b
Exit codes: 0 cancelled (now or before), 1 it ended otherwise before, or there is no such config, 2 usage.
"""


@click.command(short_help="Stop a run on every node.", epilog=EPILOG)
@click.argument("name", metavar="NAME", shell_complete=names)
@path_option
@json_option
def cancel(name: str, path: str | None, as_json: bool) -> None:
    """Rename NAME.config.yaml to NAME.cancelled.yaml; nodes that run it stop.

    At the moment of completion exactly one of the two happens. To run it after all: poltergust retry NAME --force
    """
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli import json_output
    from poltergust.cli.terminal import line, make_console, safe
    from poltergust.path.layout import Kind

    now = target.state.actions.cancel(name)
    if as_json:
        url = target.path.of(name, Kind.CANCELLED)
        click.echo(json_output.action("cancelled" if now else "cancelled-already", name, url, target.state.node))
    elif now:
        line(make_console(), f"{safe(name)} is cancelled by {target.state.node}; nodes that run it stop")
    else:
        detail = target.reader().detail(name)
        by = None if detail is None else detail.cancelled
        who = "" if by is None else f", by {safe(by.by)}"
        line(make_console(), f"{safe(name)} is cancelled already{who}")
