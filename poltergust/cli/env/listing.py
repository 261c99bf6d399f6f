"""`poltergust env list`: what is in the cache."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from poltergust.base import hints
from poltergust.base.text import plural, size
from poltergust.cli.env.parts import cache_option, facts, home, json_option, open_cache

if TYPE_CHECKING:
    from rich.table import Table

    from poltergust.environments.eviction import Cached

EPILOG = """\b
Examples:
  poltergust env list
  poltergust env list --json | jq '.environments[] | select(.users == [])'
"""


@click.command("list", short_help="What is in the cache.", epilog=EPILOG)
@cache_option
@json_option
def list_(cache_dir: str | None, as_json: bool) -> None:
    """Every environment of this machine, the most recently used first.

    USED is how long ago a run last took it; USERS are the processes that use it now.
    """
    cache, _ = open_cache(cache_dir)
    found, now = cache.contents(), time.time()
    total = sum(one.size for one in found)
    if as_json:
        listed = [facts(one, now) for one in found]
        click.echo(json.dumps({"format": 1, "size": total, "environments": listed}))
        return
    from poltergust.cli.terminal import line, make_console, show

    console = make_console()
    if not found:
        build = hints.command("env", "build", "FILE", cache_dir=cache_dir or "")
        line(console, f"no environment has been built yet; the first run does, or: {build}")
        return
    show(console, _table(found, now, console.width))
    line(console, f"\n{plural(len(found), 'environment')}, {size(total)}")


def _table(found: list[Cached], now: float, width: int) -> Table:
    from rich.table import Table

    from poltergust.base.text import span
    from poltergust.cli.terminal import safe
    from poltergust.cli.wording import some

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    wide = width >= 70
    table.add_column("KEY", no_wrap=True)
    table.add_column("PYTHON", no_wrap=True)
    for name in ("SIZE", "USED", "BUILT") if wide else ("SIZE", "USED"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("USERS", no_wrap=True)
    if wide:
        table.add_column("FILE", overflow="fold")
    shown = _enough([one.key for one in found])
    for one in found:
        mark = one.marker
        users = some([str(pid) for pid in one.users], 1) or "-"
        used = f"{span(max(0.0, now - one.last_used))} ago"
        key = one.key[:shown]
        if mark is None:
            state = "being built" if one.users else "left half-built"
            table.add_row(key, "", "", used, *([""] if wide else []), users, *([state] if wide else []))
            continue
        built = [f"{span(max(0.0, now - mark.created))} ago"] if wide else []
        file = [safe(home(mark.url))] if wide else []
        table.add_row(key, mark.version, size(mark.size), used, *built, users, *file)
    return table


def _enough(keys: list[str]) -> int:
    """How many characters tell all keys apart: `env show` takes any beginning."""
    for length in range(14, max(map(len, keys))):
        if len({key[:length] for key in keys}) == len(keys):
            return length
    return max(map(len, keys))
