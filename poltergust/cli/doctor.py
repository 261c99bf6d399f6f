"""`poltergust doctor`: check everything a node depends on, before it does."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from poltergust.cli import exits
from poltergust.cli.node_options import make_settings, node_options
from poltergust.cli.observe_options import observe_options, with_observability
from poltergust.cli.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from poltergust.base.checks import Check
    from poltergust.doctor import Probe

EPILOG = """\b
Examples:
  poltergust doctor --path ./pipeline
  poltergust doctor --path gs://mybucket/pipeline --subscription poltergust-node-1 \\
      --project myproject --scheduler-url http://head:8082

\b
Exit codes: 0 nothing failed (there may be warnings), 1 something failed, 2 usage.
"""

_STYLES = {"ok": "green", "skip": "dim", "warn": "yellow", "fail": "bold red"}


@click.command(short_help="Check everything a node depends on.", epilog=EPILOG)
@node_options
@observe_options
@option("--log-format", hidden=True)
@option("--quick", is_flag=True, help="Only what takes no time and writes nothing; listen does this by itself.")
@option("--json", "as_json", is_flag=True, envvar="POLTERGUST_JSON", help="One line of JSON, its keys stable.")
def doctor(quick: bool, as_json: bool, **options: Any) -> None:
    """Check everything a node depends on, with the options that `listen` would get (put `doctor` in its place).

    Credentials, what the node may do on the path, settings of the bucket that are in the way, notifications, other
    nodes, scheduler, interpreters, disk and clock. It writes one small file beside the path and removes it again.
    """
    settings = with_observability(make_settings(options, os.environ, path_must_exist=False), options, os.environ)
    from poltergust.cli.terminal import can_redraw, make_console
    from poltergust.doctor import probes

    console = make_console()
    checks = []
    for check in _each(console, probes(settings, quick=quick), quiet=as_json or not can_redraw(console)):
        checks.append(check)
        if not as_json:
            _print(console, check)
    counts = Counter(check.verdict.value for check in checks)
    if as_json:
        _print_json(checks, counts)
    else:
        _print_end(console, counts)
    if counts["fail"]:
        raise click.exceptions.Exit(exits.FAILED)


def _each(console: Console, probes: list[Probe], *, quiet: bool) -> Iterator[Check]:
    """Probe by probe; on a terminal with a line that says what is being checked."""
    from poltergust.doctor import examine

    for probe in probes:
        with nullcontext() if quiet else console.status(f"checking {probe.title}"):
            found = list(examine(probe))
        yield from found


def _print(console: Console, check: Check) -> None:
    from rich.table import Table
    from rich.text import Text

    from poltergust.cli.terminal import safe, show

    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=4)
    row.add_column(width=19, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(Text(check.verdict.value, _STYLES[check.verdict.value]), check.name, safe(check.text))
    if check.remedy:
        row.add_row("", "", Text(f"-> {safe(check.remedy)}", "bold" if check.verdict.value == "fail" else ""))
    show(console, row)


def _print_end(console: Console, counts: Counter[str]) -> None:
    from poltergust.cli.terminal import line

    if not counts["fail"] and not counts["warn"]:
        line(console, "all is well")
        return
    said = [f"{counts[verdict]} {word}" for verdict, word in (("fail", "failed"), ("warn", "to look at"))]
    line(console, ", ".join(text for text in said if not text.startswith("0 ")))


def _print_json(checks: list[Check], counts: Counter[str]) -> None:
    listed = [{"name": c.name, "verdict": c.verdict.value, "text": c.text, "mend": c.remedy} for c in checks]
    every = {verdict: counts[verdict] for verdict in _STYLES}
    click.echo(json.dumps({"format": 1, "counts": every, "checks": listed}))
