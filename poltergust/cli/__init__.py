"""The command line: options -> Settings -> objects -> exit code. The only room that names concrete parts and reads the
process environment.

Commands are loaded when they are called, so that `--help` stays quick whatever they import.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

import click

from poltergust import __version__
from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.text import one_line
from poltergust.cli import exits
from poltergust.cli.lazy import LazyGroup
from poltergust.stores import Unavailable

COMMANDS = {
    "listen": ("poltergust.cli.listen", "Run this machine as a node: react to every config that lands in the path."),
    "submit": ("poltergust.cli.submit", "Check a task file and put it on the path; wait for its outcome if you like."),
    "status": ("poltergust.cli.status", "Configs, outcomes and nodes of a path; one run in full."),
    "logs": ("poltergust.cli.logs", "What the nodes wrote to the logs of a run."),
    "history": ("poltergust.cli.history", "Every run of a config: how it ended, what changed."),
    "diff": ("poltergust.cli.diff", "What differs between two runs of a config."),
    "retry": ("poltergust.cli.retry", "Run again what ended as an error."),
    "cancel": ("poltergust.cli.cancel", "Stop a run on every node."),
    "check": ("poltergust.cli.check", "Validate task and environment files, offline."),
    "init": ("poltergust.cli.init", "Start from commented files and a small pipeline that runs as it is."),
    "doctor": ("poltergust.cli.doctor", "Check everything a node depends on; say how to correct what is wrong."),
    "scheduler": ("poltergust.cli.scheduler", "Run the Luigi scheduler that all nodes share, with a password."),
    "env": ("poltergust.cli.env", "The environments of this machine: list, show, build, prune, lock."),
    "dashboard": ("poltergust.cli.dashboard", "The page: one look at the whole cluster, in a browser."),
    "demo": ("poltergust.cli.demo", "See it work on this machine: a temporary folder and a small sample pipeline."),
}
"""Name to the module that holds the command of that name, and the line `--help` shows for it."""


@click.group(
    cls=LazyGroup,
    commands_in=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="poltergust")
@click.option("--debug", is_flag=True, envvar="POLTERGUST_DEBUG", show_envvar=True, help="Tracebacks and more log.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Drop one file in a bucket, and every worker machine runs the Luigi pipeline it names, together.

    Try it here, without any cloud account: poltergust demo
    """
    ctx.obj = debug


def main(argv: list[str] | None = None) -> None:
    """The console script: one line for what went wrong, an exit code, no traceback unless `--debug`."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that lacks a name's letters is no reason to fail
    debug = bool(os.environ.get("POLTERGUST_DEBUG")) or "--debug" in (sys.argv[1:] if argv is None else argv)
    try:
        code = cli.main(argv, prog_name="poltergust", standalone_mode=False)
        if isinstance(code, int):  # how click hands on `Exit` when it is not to end the process itself
            sys.exit(code)
    except click.Abort:
        _fail(["interrupted"], exits.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PoltergustError as error:
        if debug:
            raise
        hint = ("give the command again when the storage answers",) if isinstance(error, Unavailable) else ()
        _fail((*error.lines, *hint), exits.USAGE if isinstance(error, UsageError) else exits.FAILED)
    except OSError as error:
        if debug or error.errno != errno.ENOSPC or error.filename is not None:
            raise
        text = "what was to be printed cannot be written: no space left on device; make room where it goes"
        _fail([text], exits.FAILED)


def _fail(lines: Sequence[str], code: int) -> None:
    redact = Redactor((os.environ,), names=SecretNames.of(os.environ))
    for text in lines:
        click.echo(f"poltergust: {one_line(redact(text), 2000)}", err=True)
    sys.exit(code)
