"""`poltergust init`: commented files and a small pipeline to start from."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import click

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.folders import absolute, check_text
from poltergust.cli.options import option

STARTER = Path(__file__).with_name("samples") / "starter"
NAME = "hello"

EPILOG = """\b
Example:
  poltergust init reports && cd reports
  poltergust listen --path ./pipeline

\b
Exit codes: 0 made, 1 something of it is there already (nothing is written then), 2 usage.
"""


@click.command(short_help="Start from commented files and a small pipeline.", epilog=EPILOG)
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path(file_okay=False, path_type=Path))
@option("--python", metavar="VERSION", help="The Python of the environment, such as 3.11; default: any.")
def init(folder: Path, python: str | None) -> None:
    """Make a task file, an environment file and a minimal pipeline package in FOLDER, all of them commented.

    What it makes runs as it is. Nothing that is there is ever overwritten.
    """
    folder = absolute("FOLDER", str(folder))
    check_text("FOLDER", str(folder))
    files = _files(folder, python)
    there = {str(found.relative_to(folder)) for path in files if (found := _in_the_way(folder, path)) is not None}
    if there:
        raise PoltergustError(
            f"{folder} has {', '.join(sorted(there))} already, so nothing was written; "
            f"name another folder: {hints.command('init', 'NEW')}"
        )
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise PoltergustError(f"{error.filename}: {error.strerror}; choose a folder you may write to") from None
    _say(folder, list(files))


def _in_the_way(folder: Path, path: Path) -> Path | None:
    """What stands where `path` is to be, or is no folder where one is to hold it."""
    if os.path.lexists(path):
        return path
    below = (each for each in path.parents if each.is_relative_to(folder) and each != folder)
    return next((each for each in below if os.path.lexists(each) and not each.is_dir()), None)


def _files(folder: Path, python: str | None) -> dict[Path, str]:
    """Where each file goes, and its text."""
    # JSON is YAML, and every text can be written in it.
    values = {
        "@RESULTS@": json.dumps(str(folder / "results"), ensure_ascii=False),
        "@PYTHON@": f"python: {json.dumps(python)}" if python else "# python: python3.11",
        "@VIRTUALENV@": "virtualenv:" if python else "# virtualenv:",
    }
    found = {}
    for source in sorted(path for path in STARTER.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        text = source.read_text("utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        found[folder / source.relative_to(STARTER)] = text
    return found


def _say(folder: Path, files: list[Path]) -> None:
    from poltergust.cli.terminal import line, make_console, safe

    console = make_console()
    for path in files:
        line(console, safe(f"made {hints.near(path)}"))
    here = "" if hints.near(folder) == "." else f"cd {shlex.quote(hints.near(folder))}\n  "
    line(
        console,
        "\nNext:\n"
        f"  {here}{hints.command('check', f'pipeline/{NAME}.config.yaml', within=folder)}\n"
        f"  {hints.command('listen', path='./pipeline', within=folder)}\n"
        f"It builds the environment, runs the pipeline and renames the task file to {NAME}.done.yaml;\n"
        "what the pipeline wrote is in results/, the log in pipeline.poltergust/logs/.\n"
        "Then edit code/, and run it again with a task file of another name or with other arguments.",
    )
