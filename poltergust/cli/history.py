"""`poltergust history`: every run of a config that left records."""

from __future__ import annotations

import click

from poltergust.cli.completing import names
from poltergust.cli.options import option, parse_name
from poltergust.cli.target import Target, json_option, path_option

MORE_RUNS = 10
"""So many times `--limit` is proposed where it left out runs."""

EPILOG = """\b
Examples:
  poltergust history nightly
  poltergust history nightly --limit 100
  poltergust history nightly --json | jq '.runs[0].changed'

\b
Exit codes: 0 shown, 1 no run of that name has left records, 2 usage.
"""


@click.command(short_help="Every run of a config: how it ended, what changed.", epilog=EPILOG)
@click.argument("name", metavar="NAME", shell_complete=names)
@path_option
@option("--limit", type=click.IntRange(1), default=20, metavar="N", help="Only the N latest runs.")
@json_option
def history(name: str, path: str | None, limit: int, as_json: bool) -> None:
    """One line for each run of NAME, the latest first: when, how it ended, on which nodes, what changed since the run
    before."""
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.base import hints
    from poltergust.cli import json_output
    from poltergust.cli.past_runs import past_runs
    from poltergust.cli.terminal import line, make_console, show

    found = past_runs(target.reader(), name, limit + 1)  # the one before the last tells what changed in it
    runs = [run for run, _ in found[:limit]]
    if as_json:
        click.echo(json_output.history(name, runs))
        return
    from poltergust.cli import history_screens

    console = make_console()
    show(console, history_screens.history(name, runs, console.width))
    if len(found) > limit:
        more = hints.command("history", name, path=target.path.root, flags=("--limit", str(limit * MORE_RUNS)))
        line(console, f"and earlier ones; to see them: {more}", "dim")
    if len(runs) > 1:
        line(console, f"\nthe last two side by side: {hints.command('diff', name, path=target.path.root)}", "dim")
