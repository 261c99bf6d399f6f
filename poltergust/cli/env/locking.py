"""`poltergust env lock`: the exact versions that all nodes of a path install."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from poltergust.cli.completing import files
from poltergust.cli.env.building import locks_of, path_option, ready
from poltergust.cli.env.parts import (
    cache_option,
    interruptible,
    json_option,
    lines_to,
    open_cache,
    read,
    url_of,
)
from poltergust.cli.options import option

if TYPE_CHECKING:
    from collections.abc import Mapping

EPILOG = """\b
Examples:
  poltergust env lock gs://mybucket/environment/reports.yaml --path gs://mybucket/pipeline
  poltergust env lock gs://mybucket/environment/reports.yaml --path gs://mybucket/pipeline --refresh

\b
Exit codes: 0 the lock stands, 1 it could not be made, 2 usage, 130 interrupted.
"""


@click.command(short_help="The exact versions that all nodes install.", epilog=EPILOG)
@click.argument("file", metavar="FILE", shell_complete=files)
@option("--refresh", is_flag=True, help="Resolve again: take the newest releases that FILE allows.")
@path_option
@cache_option
@json_option
def lock(file: str, refresh: bool, path: str | None, cache_dir: str | None, as_json: bool) -> None:
    """Show the exact versions that every node of PATH installs for FILE; make them if there are none yet.

    They hold for this machine's platform and the Python that FILE asks for; nodes of another kind have a lock of their
    own. Runs that go on are not touched by --refresh, the next ones build again.
    """
    text = _refreshed(file, path, cache_dir, as_json) if refresh else _standing(file, path, cache_dir, as_json)
    _say(text, path, refresh, as_json)


def _refreshed(file: str, path: str | None, cache_dir: str | None, quiet: bool) -> str:
    url = url_of(file)
    cache, stores = open_cache(cache_dir, url)
    spec = read(stores, url)
    on_line = (lambda _: None) if quiet else lines_to(lambda text: click.echo(text, err=True))
    with interruptible() as cancelled:
        return cache.refresh(spec, node_env=os.environ, on_line=on_line, cancelled=cancelled, locks=locks_of(path))


def _standing(file: str, path: str | None, cache_dir: str | None, quiet: bool) -> str:
    """The lock that stands: the environment is built from it if it is not there."""
    from poltergust.environments import marker

    found = ready(file, path, cache_dir, show_lines=not quiet)
    return (found.folder / marker.LOCK_NAME).read_text("utf-8")


def _say(text: str, path: str | None, refreshed: bool, as_json: bool) -> None:
    from poltergust.environments.resolve import digest, versions

    found: Mapping[str, str] = versions(text)
    if as_json:
        keys = {"digest": digest(text), "refreshed": refreshed, "path": path, "versions": dict(sorted(found.items()))}
        click.echo(json.dumps({"format": 1, **keys}))
        return
    from poltergust.cli.terminal import line, make_console, safe

    console = make_console()
    for name, version in sorted(found.items()):
        line(console, f"{safe(name)}=={safe(version)}")
    where = f"all nodes of {safe(path)} with this platform and Python" if path else "this machine"
    line(console, f"\n{len(found)} packages for {where}; lock {digest(text)}{', resolved again' if refreshed else ''}")
