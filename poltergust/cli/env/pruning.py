"""`poltergust env prune`: remove what is not used."""

from __future__ import annotations

import json

import click
from click.core import ParameterSource

from poltergust.base.errors import UsageError
from poltergust.base.text import size
from poltergust.cli.env.parts import cache_option, json_option, open_cache
from poltergust.cli.options import Duration, Size, option

EPILOG = """\b
Examples:
  poltergust env prune                 # as a node does by itself: 20G, 30d
  poltergust env prune --older 7d
  poltergust env prune --size 5G
  poltergust env prune --all           # everything that no run uses now
"""


@click.command(short_help="Remove what is not used.", epilog=EPILOG)
@option(
    "--all", "everything", is_flag=True, envvar="POLTERGUST_PRUNE_ALL", help="Every environment that no run uses now."
)
@option("--older", type=Duration(), envvar="POLTERGUST_ENV_MAX_AGE", metavar="TIME", help="Unused for that long.")
@option("--size", "keep", type=Size(), envvar="POLTERGUST_ENV_CACHE_SIZE", metavar="SIZE", help="Keep at most that.")
@cache_option
@json_option
def prune(everything: bool, older: float | None, keep: int | None, cache_dir: str | None, as_json: bool) -> None:
    """Remove environments, the least recently used first; never one that a run uses now.

    Without an option the limits are those of a node (--env-cache-size 20G, --env-max-age 30d). What a killed build left
    behind goes in any case.
    """
    from poltergust.environments.eviction import Limits

    if everything and _on_command_line("older", "keep"):
        raise UsageError("--all removes everything that is not in use; leave out --older and --size")
    limits = Limits()
    if older is not None or keep is not None:
        limits = Limits(max_count=None, max_bytes=keep, max_age=older)
    cache, _ = open_cache(cache_dir, limits=limits)
    removed = cache.prune(everything=everything)
    left = cache.contents()
    if as_json:
        keys = {"removed": list(removed.keys), "freed": removed.size, "kept": [one.key for one in left]}
        click.echo(json.dumps({"format": 1, **keys}))
        return
    from poltergust.cli.terminal import line, make_console

    console = make_console()
    for key in removed.keys:
        line(console, f"removed {key}")
    used = sum(bool(one.users) for one in left)
    kept = f"{len(left)} kept" + (f", {used} of them in use" if used else "")
    line(console, f"{len(removed.keys)} removed, {size(removed.size)} freed, {kept}")


def _on_command_line(*parameters: str) -> bool:
    """Whether any was given there; a limit from the environment is the node's, and no contradiction."""
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in parameters)
