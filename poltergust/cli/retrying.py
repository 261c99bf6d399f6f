"""`retry` for several configs: which ones, each put back by itself, and what came of it."""

from __future__ import annotations

import click

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.text import plural
from poltergust.cli import exits, json_output
from poltergust.cli.options import parse_name
from poltergust.cli.target import Target
from poltergust.cli.terminal import line, make_console, safe
from poltergust.path.layout import Kind
from poltergust.path.reading.choosing import matching


def retry_several(target: Target, pattern: str | None, since: float | None, *, force: bool, as_json: bool) -> int:
    """Those that ended as an error, with `force` however they ended; whose names fit `pattern`, None: any; that ended
    in the last `since` seconds, None: whenever. One that cannot be put back keeps no other from it.

    The exit code. Raises `PoltergustError` where nothing fits.
    """
    chosen = _chosen(target, pattern, since, force=force)
    if not chosen:
        see = hints.command("status", path=target.path.root)
        raise PoltergustError(f"nothing that ended {'' if force else 'as an error '}fits; to see what there is: {see}")
    console = make_console()
    again: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name in chosen:
        try:
            target.state.actions.retry(name, force=force)
        except PoltergustError as error:  # somebody was quicker, or the storage does not let us
            refused[name] = str(error)
            if not as_json:
                click.echo(f"poltergust: {safe(error)}", err=True)
            continue
        again[name] = target.path.of(name, Kind.CONFIG)
        if not as_json:
            line(console, safe(f"{name} runs again: {again[name]}"))
    if as_json:
        click.echo(json_output.retried(target.state.node, again, refused))
    else:
        line(console, plural(len(again), "config") + f" of {len(chosen)} put back", "bold")
        line(console, f"to see how they go: {hints.command('status', path=target.path.root)}", "dim")
    return exits.FAILED if refused else exits.OK


def _chosen(target: Target, pattern: str | None, since: float | None, *, force: bool) -> list[str]:
    """In the order of their names."""
    reader = target.reader()
    listed = [one for one in reader.listing() if one.kind is Kind.ERROR or (force and one.kind is not Kind.CONFIG)]
    if since is not None and listed:
        newest = max(listed, key=lambda one: one.entry.updated)
        reader.read(newest.entry.url, 0)  # for the storage server's time
        listed = [one for one in listed if reader.now() - one.entry.updated <= since]
    names = sorted(one.name for one in listed)
    if pattern is None:
        return names
    # What stands at a name that looks like a pattern is meant by that name, too.
    return matching(names, pattern) or [name for name in names if name == parse_name(pattern, target.path)]
