"""`poltergust retry`: run again what ended as an error."""

from __future__ import annotations

import sys

import click

from poltergust.cli.completing import names
from poltergust.cli.options import option, parse_name
from poltergust.cli.target import Target, follow_option, json_option, path_option, scheduler_option, wait_option

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
@click.argument("name", metavar="NAME", shell_complete=names)
@path_option
@option("--force", is_flag=True, help="Also one that is done or cancelled.")
@wait_option
@follow_option
@json_option
@scheduler_option
def retry(
    name: str, path: str | None, force: bool, wait: bool, follow: bool, as_json: bool, scheduler_url: str | None
) -> None:
    """Put the config NAME that ended as an error back on the path, as a new run.

    The scheduler forgets the failed and disabled tasks of the pipeline first; complete ones are not run again.
    """
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli.following import Done
    from poltergust.path.layout import Kind
    from poltergust.path.reading.waiting import Awaited, outcomes

    reader = target.reader()
    before = outcomes(reader, name)
    blob = target.state.actions.retry(name, force=force)
    done = Done("runs-again", f"{name} runs again", target, name, target.path.of(name, Kind.CONFIG), as_json)
    sys.exit(done.then(Awaited(reader, name, blob.data, before), scheduler_url, wait=wait, follow=follow))
