"""A group whose commands are imported when they are called, so that `--help` stays quick whatever they import."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from poltergust.base.text import did_you_mean, shown


class LazyGroup(click.Group):
    """`commands_in`: name to the module that holds the command of that name (`list_` where the name is taken), and the
    line that `--help` shows for it."""

    def __init__(self, *arguments: Any, commands_in: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._commands_in = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._commands_in)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._commands_in:
            return None
        module = importlib.import_module(self._commands_in[name][0])
        command: click.Command = getattr(module, name, None) or getattr(module, f"{name}_")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in self._commands_in and not args[0].startswith("-"):
            commands = f"; there are {', '.join(self._commands_in)}"
            meant = did_you_mean(args[0], self._commands_in) or commands
            ctx.fail(f"no such command: {shown(args[0])}{meant}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # Without the commands themselves, which would all be imported for their line of help.
        found = [CompletionItem(name, help=text) for name, (_, text) in self._commands_in.items()]
        return [one for one in found if one.value.startswith(incomplete)] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._commands_in.items()])
