"""`logs --task` and `--errors`: the part of a run's logs that is about some of its tasks, or tells of errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from poltergust.base import hints
from poltergust.base.errors import PoltergustError
from poltergust.base.text import exact, plain, plural
from poltergust.cli import json_output
from poltergust.cli.following import last_lines, print_lines
from poltergust.cli.terminal import line, make_console, safe
from poltergust.path.reading.choosing import tasks_called
from poltergust.path.reading.log_lines import ErrorLines, TaskLines
from poltergust.path.reading.reader import Reader
from poltergust.path.tasks import TaskStory, by_interest

MAX_TASKS_DESCRIBED = 20
"""Tasks whose state is said before their lines."""


class LogSelection:
    """Of one run's logs. `task` is a name, an id, a family, or a pattern of names; None for all lines. `node`, where it
    is given, is the one whose log is read. Raises `PoltergustError` where no task is called so."""

    def __init__(
        self, reader: Reader, name: str, generation: str, task: str | None, node: str | None, *, errors: bool
    ) -> None:
        self._errors = errors
        self._task = task
        self._stories: Sequence[TaskStory] = ()
        if task:
            past = reader.runs(name, reader.nodes(), only=generation)
            known = reader.tasks(name, generation, [run for one in past for run in one.runs])
            self._stories = by_interest(tasks_called(known, task))
            if not self._stories:
                see = f"{hints.command('status', name, path=reader.path.root, flags=('--all',))}"
                raise PoltergustError(f"no task of that run of {name} is called {task}; to see them: {see}")

    def show(self, written: Iterable[tuple[str, str]], lines: int | None, *, bare: bool, as_json: bool) -> None:
        """Print it: with `task`, first where each of the tasks is, as far as it is not said by JSON's own lines."""
        if not self._task:
            chosen = ((node, text) for node, text, _ in self._chosen(written))
            print_lines(last_lines(chosen, lines), bare=bare, as_json=as_json)
            return
        if as_json:
            for node, text, task in self._chosen(written):
                click.echo(json_output.log_line(node, text, None if task is None else task.name))
            return
        console = make_console()
        for task in self._stories[:MAX_TASKS_DESCRIBED]:
            line(console, safe(_described(task)), "bold")
        if len(self._stories) > MAX_TASKS_DESCRIBED:
            line(console, f"and {plural(len(self._stories) - MAX_TASKS_DESCRIBED, 'more task')}", "bold")
        shown = last_lines(((node, text) for node, text, _ in self._chosen(written)), lines)
        print_lines(shown, bare=bare)

    def _chosen(self, written: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, TaskStory | None]]:
        """(node, line, task) of the lines that were asked for."""
        tasks: dict[str, TaskLines] = {}
        errors: dict[str, ErrorLines] = {}
        for node, text in written:
            words = plain(text)
            error = errors.setdefault(node, ErrorLines()).holds(words)
            task = tasks.setdefault(node, TaskLines(self._stories)).task(words) if self._task else None
            if (error or not self._errors) and (task is not None or not self._task):
                yield node, text, task


def _described(task: TaskStory) -> str:
    where = f" on {task.node}" if task.node else ""
    took = "" if task.seconds is None else f", the last took {exact(task.seconds)}"
    begun = f", {plural(task.attempts, 'attempt')}{took}" if task.attempts else ""
    return f"{task.name}: {task.state.value}{where}{begun}"
