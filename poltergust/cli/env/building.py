"""`poltergust env build`: build the environment of a file now, rather than with its first run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from poltergust.base import hints
from poltergust.cli.completing import files
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
from poltergust.node.settings import parse_path

if TYPE_CHECKING:
    from poltergust.environments import Environment, Locks

EPILOG = """\b
Examples:
  poltergust env build environment/reports.yaml
  poltergust env build gs://mybucket/environment/reports.yaml --path gs://mybucket/pipeline

\b
Exit codes: 0 it is ready, 1 it could not be built, 2 usage, 130 interrupted.
"""

path_option = option(
    "--path", "-p", metavar="PATH", help="The path whose nodes share exact versions; default: this machine's own."
)


@click.command(short_help="Build the environment of a file now.", epilog=EPILOG)
@click.argument("file", metavar="FILE", shell_complete=files)
@path_option
@cache_option
@json_option
@option("--quiet", is_flag=True, help="Not the lines of the installer.")
def build(file: str, path: str | None, cache_dir: str | None, as_json: bool, quiet: bool) -> None:
    """Build the environment that FILE asks for, unless it is ready already; the first run then starts at once.

    FILE is a path or a gs:// object. With --path, the exact versions are those that all nodes of the path install.
    """
    found = ready(file, path, cache_dir, show_lines=not (quiet or as_json))
    if as_json:
        keys = {"key": found.key, "built": found.built, "seconds": round(found.seconds, 3), "lock": found.lock}
        more = {"python": found.version, "interpreter": str(found.python), "folder": str(found.folder)}
        click.echo(json.dumps({"format": 1, **keys, **more}))
        return
    from poltergust.base.text import exact
    from poltergust.cli.terminal import line, make_console

    how = f"built in {exact(found.seconds)}" if found.built else "ready already"
    console = make_console()
    line(console, f"{found.key} {how}, Python {found.version}")
    line(console, f"what is in it: {hints.command('env', 'show', found.key, cache_dir=cache_dir or '')}")


def ready(file: str, path: str | None, cache_dir: str | None, *, show_lines: bool) -> Environment:
    """Found or built; the installer's lines go to standard error."""
    url = url_of(file)
    cache, stores = open_cache(cache_dir, url)
    spec = read(stores, url)
    locks = locks_of(path)
    on_line = lines_to(lambda text: click.echo(text, err=True)) if show_lines else (lambda _: None)
    with (
        interruptible() as cancelled,
        cache.ready(spec, node_env=os.environ, on_line=on_line, cancelled=cancelled, locks=locks) as found,
    ):
        return found


def locks_of(path: str | None) -> Locks | None:
    """Where the nodes of a path agree; None: this machine's own."""
    if path is None:
        return None
    from poltergust.path.state import PathState

    return PathState.open(parse_path(path)).locks
