"""`poltergust retry`: run again what ended as an error."""

from __future__ import annotations

import sys

import click

from poltergust.cli.options import option, parse_name
from poltergust.cli.target import Target, path_option, scheduler_option

EPILOG = """\b
Examples:
  poltergust retry weekly
  poltergust retry weekly --follow
  poltergust retry weekly --force       (it is done or cancelled)

\b
Exit codes: 0 it runs again (with --wait or --follow: done), 1 nothing to retry, 2 usage,
  3 the run ended as an error, 4 cancelled, removed or replaced, 130 interrupted.
"""


@click.command(short_help="Run again what ended as an error.", epilog=EPILOG)
@click.argument("name", metavar="NAME")
@path_option
@option("--force", is_flag=True, help="Also one that is done or cancelled.")
@option("--wait", is_flag=True, help="Show it until it ended.")
@option("--follow", is_flag=True, help="Print the logs of all nodes until it ended.")
@scheduler_option
def retry(name: str, path: str | None, force: bool, wait: bool, follow: bool, scheduler_url: str | None) -> None:
    """Put the config NAME that ended as an error back on the path, as a new run.

    The scheduler forgets the failed and disabled tasks of the pipeline first; complete ones are not run again.
    """
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli.terminal import line, make_console, safe
    from poltergust.path.layout import Kind
    from poltergust.path.reading.waiting import Awaited, outcomes

    reader = target.reader()
    before = outcomes(reader, name)
    blob = target.state.actions.retry(name, force=force)
    if not follow:
        line(make_console(), f"{safe(name)} runs again: {safe(target.path.of(name, Kind.CONFIG))}")
    if wait or follow:
        from poltergust.cli.following import Following

        following = Following(target, Awaited(reader, name, blob.data, before), scheduler_url)
        sys.exit(following.stay(logs=follow))
