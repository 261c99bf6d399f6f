"""What all commands have in common: quick help, an environment variable for each option, documentation that is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from poltergust.cli import COMMANDS, cli, exits, json_output
from tests.unit.cli import sample

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
MINE = ["submit", "status", "logs", "retry", "cancel", "scheduler"]
SHARED = ("scheduler_url", "scheduler_password_file")  # they stand in "Common to all"
SLOW = ("google", "grpc", "luigi", "requests", "rich", "yaml", "watchfiles", "concurrent.futures", "importlib.metadata")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_loads_nothing_slow(name: str) -> None:
    """Time depends on the machine, what is imported does not: each of these costs tens of milliseconds."""
    code = (
        "import sys; from poltergust.cli import main\n"
        "try: main(sys.argv[1:] + ['--help'])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, *([name] if name else [])]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: poltergust")
    loaded = done.stderr.split()
    assert [module for module in loaded if module.split(".poltergust")[0].startswith(SLOW)] == []


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert isinstance(found, click.Command)
    return found


@pytest.mark.parametrize("name", MINE)
def test_every_option_has_a_variable_and_help(name: str) -> None:
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert str(parameter.envvar).startswith("POLTERGUST_"), parameter.name
            assert parameter.show_envvar
            assert parameter.help


@pytest.mark.parametrize("name", COMMANDS)
def test_a_variable_that_the_help_names_can_be_set(name: str) -> None:
    for parameter in command(name).params:
        if isinstance(parameter, click.Option) and parameter.envvar:
            assert re.fullmatch(r"POLTERGUST_[A-Z_]+", str(parameter.envvar)), parameter.opts


@pytest.mark.parametrize(("value", "expected"), [("false", False), ("true", True), (None, True)])
def test_warm_starts_by_their_variable(monkeypatch: pytest.MonkeyPatch, value: str | None, *, expected: bool) -> None:
    monkeypatch.delenv("POLTERGUST_WARM_STARTS", raising=False)
    if value is not None:
        monkeypatch.setenv("POLTERGUST_WARM_STARTS", value)
    (option,) = (one for one in command("listen").params if one.name == "warm_starts")
    context = click.Context(command("listen"))
    assert option.handle_parse_result(context, {}, [])[0] is expected


@pytest.mark.parametrize("name", MINE)
def test_every_command_has_examples_and_stands_in_the_documentation(name: str) -> None:
    assert f"poltergust {name}" in str(command(name).epilog)
    assert f"## {name}\n" in DOCUMENTATION
    section = DOCUMENTATION.split(f"## {name}\n")[1].split("\n## ")[0]
    for parameter in command(name).params:
        if isinstance(parameter, click.Option) and parameter.name not in SHARED:
            assert parameter.opts[0] in section, parameter.opts


def test_exit_codes_are_those_of_the_documentation() -> None:
    documented = {int(code) for code in re.findall(r"^ *\| (\d+) \|", DOCUMENTATION, re.MULTILINE)}
    assert documented == {value for name, value in vars(exits).items() if name.isupper()}


def test_json_has_the_keys_of_the_documentation_and_no_others() -> None:
    documented = {
        line.split("|")[1].strip(): set(re.findall(r"`([a-z_]+)`", line.split("|")[2]))
        for line in DOCUMENTATION.splitlines()
        if line.startswith(("| config", "| run", "| node"))
    }
    assert set(documented) == {"config", "config in full, more", "run", "node"}
    path = json.loads(json_output.path(sample.path()))
    assert set(path) == {"format", "path", "time", "counts", "configs", "nodes"}
    counts, states = {"done", "running", "pending", "failed"}, {"ready", "draining", "silent"}
    assert all(set(one) == documented["config"] - counts for one in path["configs"])
    assert all(set(one) == documented["node"] - states | {"state"} for one in path["nodes"])
    detail = json.loads(json_output.detail(sample.detail(sample.failed())))
    assert set(detail) == set(path["configs"][0]) | documented["config in full, more"] - {"by", "at"}
    assert all(set(one) == documented["run"] for one in detail["runs"])
    assert detail["progress"] == {"done": 1, "running": 0, "pending": 1, "failed": 1}
