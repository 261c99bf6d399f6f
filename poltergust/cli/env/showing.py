"""`poltergust env show`: one environment in full."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import click

from poltergust.base import hints
from poltergust.base.errors import UsageError
from poltergust.base.text import size
from poltergust.cli.completing import files
from poltergust.cli.env.parts import cache_option, facts, json_option, open_cache, url_of
from poltergust.cli.options import option

if TYPE_CHECKING:
    from poltergust.environments.cache import EnvironmentCache
    from poltergust.environments.eviction import Cached

EPILOG = """\b
Examples:
  poltergust env show environment/reports.yaml
  poltergust env show py3.11-3f9c0a
  poltergust env show py3.11-3f9c0a --lock > requirements.txt
"""

_KEY = re.compile(r"(?:py)?\d*\.?\d*-?[0-9a-f-]*")


@click.command(short_help="One environment.", epilog=EPILOG)
@click.argument("what", metavar="FILE|KEY", shell_complete=files)
@option(
    "--lock",
    "only_lock",
    is_flag=True,
    envvar="POLTERGUST_SHOW_LOCK",
    help="Print only the lock, a requirements file of exact versions.",
)
@cache_option
@json_option
def show(what: str, only_lock: bool, cache_dir: str | None, as_json: bool) -> None:
    """One environment of this machine: its Python, the exact versions in it, the lock that it was built from.

    KEY is the beginning of a key as `env list` shows it; FILE an environment file that was built here (its latest).
    """
    cache, _ = open_cache(cache_dir)
    found, lock = _find(cache, what, cache_dir or "")
    if only_lock:
        click.echo(lock, nl=False)
        return
    mark = found.marker
    installed = dict(sorted(mark.installed.items())) if mark else {}
    if as_json:
        click.echo(json.dumps({"format": 1, **facts(found, time.time()), "installed": installed, "versions": lock}))
        return
    from poltergust.base.text import exact, span
    from poltergust.cli.terminal import line, make_console, safe

    console = make_console()
    now = time.time()
    if mark is None:
        line(console, f"{found.key}: {'being built now' if found.users else 'left half-built; the next run builds it'}")
        return
    rows = {
        "key": found.key,
        "file": mark.url,
        "python": f"{mark.version} ({mark.python})",
        "built": f"{span(now - mark.created)} ago in {exact(mark.seconds)}, by {mark.installer}",
        "used": f"{span(max(0.0, now - found.last_used))} ago"
        + (f", now by {', '.join(str(pid) for pid in found.users)}" if found.users else ""),
        "size": size(mark.size),
        "lock": mark.lock,
        "folder": str(found.folder),
    }
    for name, value in rows.items():
        line(console, f"{name:<8}{safe(value)}")
    line(console, f"\n{len(installed)} packages")
    width = max((len(name) for name in installed), default=0)
    for name, version in installed.items():
        line(console, f"  {safe(name):<{width}}  {safe(version)}")


def _find(cache: EnvironmentCache, what: str, cache_dir: str) -> tuple[Cached, str]:
    """Raises `UsageError`."""
    url = url_of(what)
    built = [cached for cached in cache.contents() if cached.marker is not None and cached.marker.url == url]
    if built:
        return cache.show(built[0].key)
    if _KEY.fullmatch(what):
        return cache.show(what)
    build = hints.command("env", "build", what, cache_dir=cache_dir)
    raise UsageError(f"{what} was not built on this machine yet; to build it: {build}")
