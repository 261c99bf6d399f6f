"""`poltergust retry`: run again what ended as an error."""

from __future__ import annotations

import sys

import click

from poltergust.base.errors import UsageError
from poltergust.cli import exits
from poltergust.cli.completing import names
from poltergust.cli.options import Duration, option, parse_name
from poltergust.cli.target import Target, follow_option, json_option, path_option, scheduler_option, wait_option

EPILOG = """\b
Examples:
  poltergust retry weekly
  poltergust retry weekly --follow
  poltergust retry weekly --force       (it is done or cancelled)
  poltergust retry --failed             (everything that ended as an error)
  poltergust retry 'reports/*' --since 2h
  poltergust retry weekly --clear Load  (its outputs, and what is made from them, go first)

\b
Exit codes: 0 it runs again (with --wait or --follow: done), 1 nothing to retry, or not all of it, 2 usage,
  3 the run ended as an error, 4 cancelled, removed or replaced, 130 interrupted.
"""


@click.command(short_help="Run again what ended as an error.", epilog=EPILOG)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=names)
@path_option
@option("--failed", is_flag=True, help="Every config that ended as an error.")
@option("--since", type=Duration(), metavar="TIME", help="Only those of them that ended in the last TIME.")
@option("--clear", metavar="FAMILY", help="Remove the outputs of that family, and of what is made from them, first.")
@option("--yes", is_flag=True, help="Remove them without asking.")
@option("--cache-dir", metavar="DIR", help="For --clear: where environments are kept; default: ~/.cache/poltergust.")
@option("--workdir", metavar="DIR", help="For --clear: where the nodes' runs work; default: as of listen.")
@option("--force", is_flag=True, help="Also one that is done or cancelled.")
@wait_option
@follow_option
@json_option
@scheduler_option
def retry(
    name: str | None,
    path: str | None,
    failed: bool,
    since: float | None,
    clear: str | None,
    yes: bool,
    cache_dir: str | None,
    workdir: str | None,
    force: bool,
    wait: bool,
    follow: bool,
    as_json: bool,
    scheduler_url: str | None,
) -> None:
    """Put the config NAME that ended as an error back on the path, as a new run; with a pattern of names (quoted),
    --failed or --since, each that fits.

    The scheduler forgets the failed and disabled tasks of the pipeline first; complete ones are not run again, unless
    --clear removes their outputs. The pipeline is loaded on this machine for that, in its environment.
    """
    if name is None and not failed and since is None:
        raise UsageError("which config? give its NAME, a pattern of names in quotes, --failed, or --since 2h")
    target = Target.of(path)
    from poltergust.path.reading.choosing import is_pattern

    if name is None or failed or since is not None or (is_pattern(name) and target.reader().current(name) is None):
        from poltergust.cli.retrying import retry_several

        if clear:
            raise UsageError("--clear is for one config; give its NAME alone")
        if wait or follow:
            raise UsageError("--wait and --follow are for one config; leave them out")
        if force and name is None:
            raise UsageError("--force needs a NAME or a pattern of names: it also runs again what is done")
        sys.exit(retry_several(target, name, since, force=force, as_json=as_json))
    name = parse_name(name, target.path)
    from poltergust.cli.following import Done
    from poltergust.path.layout import Kind
    from poltergust.path.reading.waiting import Awaited, outcomes

    if clear:
        from poltergust.cli.clearing import FamilyClearing

        if not FamilyClearing(clear, yes, cache_dir, workdir, as_json).done(target, name, force=force):
            sys.exit(exits.FAILED)
    reader = target.reader()
    before = outcomes(reader, name)
    blob = target.state.actions.retry(name, force=force)
    done = Done("runs-again", f"{name} runs again", target, name, target.path.of(name, Kind.CONFIG), as_json)
    sys.exit(done.then(Awaited(reader, name, blob.data, before), scheduler_url, wait=wait, follow=follow))
