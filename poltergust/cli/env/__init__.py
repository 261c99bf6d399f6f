"""`poltergust env …`: the environments of this machine."""

from __future__ import annotations

import click

from poltergust.cli.lazy import LazyGroup

COMMANDS = {
    "list": ("poltergust.cli.env.listing", "What is in the cache: sizes, ages, who uses it."),
    "show": ("poltergust.cli.env.showing", "One environment: Python, exact versions, lock."),
    "build": ("poltergust.cli.env.building", "Build the environment of a file now."),
    "prune": ("poltergust.cli.env.pruning", "Remove what is not used."),
    "lock": ("poltergust.cli.env.locking", "The exact versions that all nodes install; take new releases."),
}


@click.group(cls=LazyGroup, commands_in=COMMANDS, short_help="The environments of this machine.")
def env() -> None:
    """The environments of this machine, built once for each content of an environment file and kept in the cache.

    Nothing that a run uses is ever removed.
    """
