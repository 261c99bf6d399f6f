"""`poltergust status NAME --generation`: an earlier run, by the records and the files of its tasks."""

from __future__ import annotations

import click

from poltergust.base import hints
from poltergust.cli import json_output
from poltergust.cli.past_runs import limit_of, past_runs, run_of
from poltergust.cli.target import Target


def show_past_run(target: Target, name: str, text: str, *, all_tasks: bool, as_json: bool) -> None:
    """Print the run that `text` names, a number or the beginning of a generation. Raises `PoltergustError`."""
    reader = target.reader()
    limit = limit_of(text)
    runs = past_runs(reader, name, None if limit is None else limit + 1)  # the one before tells what changed
    summary, past = run_of(runs, text, name, reader)
    tasks = reader.tasks(name, past.generation, past.runs)
    if as_json:
        click.echo(json_output.past_run(name, summary, past, tasks))
        return
    from poltergust.cli import history_screens
    from poltergust.cli.task_screens import hidden
    from poltergust.cli.terminal import line, make_console, show

    console = make_console()
    show(console, history_screens.run(name, summary, past, tasks, console.width, all_tasks=all_tasks))
    this, where = ("--generation", past.generation), target.path.root
    line(console, f"\nits logs: {hints.command('logs', name, path=where, flags=this)}", "dim")
    if hidden(tasks) and not all_tasks:
        every = hints.command("status", name, path=where, flags=(*this, "--all"))
        line(console, f"all its tasks: {every}", "dim")
