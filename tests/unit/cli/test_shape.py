"""What every command and sub-command has: quick help, a variable and a word of help for each option, documentation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from poltergust.cli import cli

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
SLOW = ("google", "grpc", "luigi", "requests", "rich", "yaml", "watchfiles", "concurrent.futures")
EXAMPLES = ("check", "init", "doctor", "env list", "env show", "env build", "env prune", "env lock")


def commands(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, those of groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


EVERY = dict(commands())


@pytest.mark.parametrize("name", EVERY)
def test_every_option_has_a_variable_and_help(name: str) -> None:
    for parameter in EVERY[name].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert str(parameter.envvar).startswith("POLTERGUST_"), parameter.name
            assert parameter.show_envvar
            assert parameter.help


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_and_documentation(name: str) -> None:
    assert f"poltergust {name}" in str(EVERY[name].epilog)
    assert f"poltergust {name}" in DOCUMENTATION


def test_importing_every_command_loads_nothing_slow() -> None:
    """`--help` of each is quick then; each of these costs tens of milliseconds."""
    code = (
        "import sys, click\n"
        "from poltergust.cli import cli\n"
        "def walk(group):\n"
        "    context = click.Context(group)\n"
        "    for name in group.list_commands(context):\n"
        "        found = group.get_command(context, name)\n"
        "        if isinstance(found, click.Group): walk(found)\n"
        "walk(cli)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert [module for module in done.stdout.split() if module.startswith(SLOW)] == []
