"""`poltergust submit`: check a task file and put it on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.cli.completing import files
from poltergust.cli.options import option, parse_name
from poltergust.cli.target import Target, follow_option, json_option, path_option, scheduler_option, wait_option

EPILOG = """\b
Examples:
  poltergust submit nightly.config.yaml --path gs://mybucket/pipeline
  poltergust submit nightly.config.yaml --wait          (POLTERGUST_PATH is set)
  poltergust submit report.yaml --name reports/march --replace --follow

\b
Exit codes: 0 submitted (with --wait or --follow: done), 1 not submitted, 2 usage,
  3 the run ended as an error, 4 cancelled, removed or replaced, 130 interrupted.
"""


@click.command(short_help="Check a task file and put it on the path.", epilog=EPILOG)
@click.argument("file", metavar="FILE", shell_complete=files)
@path_option
@option("--name", metavar="NAME", help="The config's name; default: FILE's, without .config.yaml.")
@option("--replace", is_flag=True, help="Put it in the place of one that waits or runs.")
@wait_option
@follow_option
@option("--no-check", is_flag=True, help="Do not read the environment file first.")
@json_option
@scheduler_option
def submit(
    file: str,
    path: str | None,
    name: str | None,
    replace: bool,
    wait: bool,
    follow: bool,
    no_check: bool,
    as_json: bool,
    scheduler_url: str | None,
) -> None:
    """Check FILE as a node would, with the environment file it names, and put it on the path as NAME.config.yaml.

    A config of that name that still waits or runs is never overwritten without --replace. A relative `environment:`
    counts from the place the config goes to. FILE may be - for standard input.
    """
    target = Target.of(path)
    data = _read(file)
    name = parse_name(_default_name(file) if name is None else name, target.path)
    # Imported here: `--help` should not wait for YAML and the store.
    from poltergust.cli.following import Done
    from poltergust.path.actions import check_environment
    from poltergust.path.layout import Kind
    from poltergust.path.reading.waiting import Awaited, outcomes

    checked = target.state.actions.check(name, data, file)
    if not no_check:
        check_environment(target.stores.of(checked.environment), checked)
    reader = target.reader()
    before = outcomes(reader, name) if wait or follow else frozenset()
    target.state.actions.submit(checked, replace=replace)
    done = Done("submitted", f"submitted {name}", target, name, target.path.of(name, Kind.CONFIG), as_json)
    sys.exit(done.then(Awaited(reader, name, data, before), scheduler_url, wait=wait, follow=follow))


def _read(file: str) -> bytes:
    """The task file's bytes; one more than a node takes at most, so that the check sees that it is too large."""
    from poltergust.documents import MAX_BYTES

    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise PoltergustError(f"{file}: cannot be read: {error.strerror}") from None


def _default_name(file: str) -> str:
    if file == "-":
        raise UsageError("FILE is standard input: add --name NAME")
    name = Path(file).name
    if name.endswith((".config.yaml", ".done.yaml", ".error.yaml", ".cancelled.yaml")):
        return name
    return name.removesuffix(".yaml").removesuffix(".yml")
