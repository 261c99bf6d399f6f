"""`poltergust check`: task and environment files, validated without any node."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from poltergust.base.errors import UsageError
from poltergust.cli import exits
from poltergust.cli.options import option

if TYPE_CHECKING:
    from poltergust.cli.checking import CheckResult

KINDS = ("task-file", "environment-file")

EPILOG = """\b
Examples:
  poltergust check nightly.config.yaml environment/*.yaml
  poltergust check --json nightly.config.yaml
  poltergust check --kind task-file - < draft.yaml
  poltergust check --schema task-file > task-file.schema.json

\b
For completion in editors with the YAML language server, a first line in the file:
  # yaml-language-server: $schema=task-file.schema.json

\b
Exit codes: 0 all is right, 1 something is wrong with a file, 2 usage.
"""


@click.command(short_help="Validate task and environment files, offline.", epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1)
@option("--kind", type=click.Choice(KINDS), help="What the files are; default: found out by name and content.")
@option("--schema", type=click.Choice(KINDS), help="Print that JSON Schema instead, for editors.")
@option("--json", "as_json", is_flag=True, envvar="POLTERGUST_JSON", help="One line of JSON, its keys stable.")
def check(files: tuple[str, ...], kind: str | None, schema: str | None, as_json: bool) -> None:
    """Validate task and environment files as a node would read them, without any node or network.

    FILE may be `-` for standard input. An environment file that a task file names by a path is checked as well where
    it is there. Each mistake is one line, FILE:LINE:COLUMN: what is wrong.
    """
    if schema is not None:
        if files:
            raise UsageError("--schema prints a schema and checks no file; leave out one of the two")
        from poltergust.documents import schemas

        click.echo(schemas.text(schema), nl=False)
        return
    if not files:
        raise UsageError("which file? name a task file or an environment file, such as nightly.config.yaml")
    checked = _check_all(files, kind)
    if as_json:
        click.echo(json.dumps({"format": 1, "ok": _right(checked), "files": [_keys(each) for each in checked]}))
    else:
        _print(checked)
    if not _right(checked):
        raise click.exceptions.Exit(exits.FAILED)


def _right(checked: list[CheckResult]) -> bool:
    return not any(each.problems for each in checked)


def _check_all(files: tuple[str, ...], kind: str | None) -> list[CheckResult]:
    """Every file once, in the order given; environment files that are only named stand after who names them. A
    task file that one names as its environment is checked as that, too."""
    from poltergust.cli import checking
    from poltergust.documents import MAX_BYTES

    checked: dict[tuple[str, str | None], CheckResult] = {}
    named: list[str] = []  # and given: each has its place in the order

    def follow(file: str) -> None:
        key = (file, checking.ENVIRONMENT)
        if key not in checked and (file, None) not in checked:
            checked[key] = checking.check(file, kind=checking.ENVIRONMENT)

    for file in dict.fromkeys(files):
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else None
        one = checking.check(file, data, kind)
        checked[file, one.kind] = one
        if one.followed in files:
            named.append(one.followed)
        elif one.followed is not None:
            follow(one.followed)
    for file in named:
        follow(file)
    return list(checked.values())


def _keys(one: CheckResult) -> dict[str, object]:
    return {
        "file": one.file,
        "kind": one.kind,
        "ok": not one.problems,
        "environment": one.environment,
        "followed": one.followed,
        "problems": [
            {"line": p.line or None, "column": p.column or None, "key": p.key, "reason": p.reason, "message": p.message}
            for p in one.problems
        ],
    }


def _print(checked: list[CheckResult]) -> None:
    from poltergust.cli.terminal import line, make_console, safe

    console = make_console()
    for one in checked:
        for problem in one.problems:
            where = ":".join(str(part) for part in (safe(one.file), problem.line, problem.column) if part)
            line(console, f"{where}: {safe(problem.message)}", "red")
        if not one.problems:
            what = f"{(one.kind or '').replace('-', ' ')}, {safe(one.summary)}"
            line(console, f"{safe(one.file)}: ok ({what}{_environment(one)})")


def _environment(one: CheckResult) -> str:
    from poltergust.cli.terminal import safe

    if one.environment is None or one.followed is not None:
        return ""
    return f"; {safe(one.environment)} is not here, so it was not checked"
