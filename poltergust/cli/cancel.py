"""`poltergust cancel`: stop a run on every node."""

from __future__ import annotations

import click

from poltergust.cli.options import parse_name
from poltergust.cli.target import Target, path_option

EPILOG = """\b
Example:
  poltergust cancel nightly

\b
Exit codes: 0 cancelled (now or before), 1 it ended otherwise before, or there is no such config, 2 usage.
"""


@click.command(short_help="Stop a run on every node.", epilog=EPILOG)
@click.argument("name", metavar="NAME")
@path_option
def cancel(name: str, path: str | None) -> None:
    """Rename NAME.config.yaml to NAME.cancelled.yaml; nodes that run it stop.

    At the moment of completion exactly one of the two happens. To run it after all: poltergust retry NAME --force
    """
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli.terminal import line, make_console, safe

    if target.state.actions.cancel(name):
        line(make_console(), f"{safe(name)} is cancelled; nodes that run it stop")
    else:
        line(make_console(), f"{safe(name)} is cancelled already")
