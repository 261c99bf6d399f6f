"""What the shell proposes for an argument: names of configs on the path, files. Says nothing and never waits long."""

from __future__ import annotations

import logging
import threading

import click
from click.shell_completion import CompletionItem

from poltergust.base.errors import PoltergustError
from poltergust.cli.target import Target

MAX_WAIT_SECONDS = 2.0
"""After which a storage that has not answered proposes nothing: somebody sits before the keyboard."""


def names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of the configs and outcomes below ``--path``, or the PATH that was given as an argument."""
    path = ctx.params.get("path") or ctx.params.get("path_or_name")
    found: list[str] = []

    def ask() -> None:
        try:
            found.extend(Target.of(path).reader().names())
        except PoltergustError:
            return  # no such path, no answer: the command itself will say so

    logging.disable()
    asking = threading.Thread(target=ask, name="poltergust-complete", daemon=True)
    asking.start()
    asking.join(MAX_WAIT_SECONDS)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own file names."""
    return [CompletionItem(incomplete, type="file")]


def path_or_name(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names where a path is known, else folders."""
    if ctx.params.get("path") and not incomplete.startswith((".", "/", "~", "gs://")):
        return names(ctx, parameter, incomplete)
    return [CompletionItem(incomplete, type="dir")]
