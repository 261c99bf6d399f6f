"""`retry --clear FAMILY`: which outputs stand in the way of running that family again, and their removal.

Targets are Python objects of the pipeline, so its environment is made ready here and the pipeline is asked in it. No
config stands at the name meanwhile, so no node runs it: it is put back once the outputs are gone.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from poltergust.base import hints
from poltergust.base.errors import NodeError, PoltergustError, Temporary
from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.text import plural
from poltergust.cli import json_output
from poltergust.cli.env.parts import interruptible, lines_to, open_cache, read
from poltergust.cli.node_options import working_folder
from poltergust.cli.tables import plain_table
from poltergust.cli.target import Target
from poltergust.cli.terminal import line, make_console, safe, show
from poltergust.documents import TaskFile, named_values, parse_task_file
from poltergust.environments import EnvironmentSpec
from poltergust.environments.code import bundle, places
from poltergust.luigi_run import Request
from poltergust.luigi_run.clearing import Cleared, Clearing, KnownTask, StandingOutput
from poltergust.node import working_directory
from poltergust.node.settings import Settings, parse_cache
from poltergust.path.layout import Kind, resolve
from poltergust.processes.child import spawn
from poltergust.runs import luigi_setup
from poltergust.stores import Stores

MAX_PRINTED_LINES = 50
"""Of what the pipeline printed, shown where it could not say what stands in the way."""

RUNS_READ = 10
"""How many runs' task records are looked through."""

MAX_SHOWN = 100
"""Outputs that a person is shown one by one."""


@dataclass(frozen=True)
class FamilyClearing:
    """Of one family. `yes` is the consent, else a person at a terminal is asked. `cache_dir` and `workdir` as given,
    None for those of a node here."""

    family: str
    yes: bool
    cache_dir: str | None
    workdir: str | None
    as_json: bool

    def done(self, target: Target, name: str, *, force: bool) -> bool:
        """Whether the config may be put back: what could be removed is gone, with consent. Says what it finds and does.

        Raises `PoltergustError` where the config cannot be put back, or the pipeline cannot be asked here.
        """
        task = parse_task_file(target.state.actions.to_retry(name, force=force).data, target.path.of(name, Kind.CONFIG))
        with self._asking(target, name, task) as (clearing, redact):
            standing = [_redacted(one, redact) for one in clearing.standing()]
            if not self.as_json:
                _show_standing(name, self.family, standing)
            removable = sum(not one.problem for one in standing)
            if standing and not removable:
                raise PoltergustError("Luigi can remove none of them; remove them yourself, then retry without --clear")
            if removable and not self._consent(target, name, removable, standing, force=force):
                return False
            cleared = clearing.remove() if removable else Cleared()
            self._say(cleared, redact)
        if cleared.stopped:
            click.echo(f"poltergust: {safe(name)} does not run again: remove what is left, or retry", err=True)
        return not cleared.stopped

    def _consent(
        self, target: Target, name: str, count: int, standing: Sequence[StandingOutput], *, force: bool
    ) -> bool:
        if self.yes:
            return True
        if self.as_json:
            click.echo(json_output.would_clear(name, self.family, standing))
            return False
        if sys.stdin.isatty() and sys.stdout.isatty():
            if click.confirm(f"Remove {_these(count)} and run {safe(name)} again?"):
                return True
            click.echo("nothing is removed")
            return False
        again = hints.command("retry", name, path=target.path.root, flags=self._flags(force=force))
        click.echo(f"poltergust: nothing is removed; to remove {_these(count)}: {again}", err=True)
        return False

    def _flags(self, *, force: bool) -> list[str]:
        """Of the command that does without asking what this one was asked."""
        flags = ["--clear", self.family, "--yes"] + (["--force"] if force else [])
        for option, variable, value in (
            ("--cache-dir", "POLTERGUST_CACHE_DIR", self.cache_dir),
            ("--workdir", "POLTERGUST_WORKDIR", self.workdir),
        ):
            flags += [option, value] if value and value != os.environ.get(variable) else []
        return flags

    def _say(self, cleared: Cleared, redact: Redactor) -> None:
        if cleared.removed and not self.as_json:
            line(make_console(), f"removed {plural(cleared.removed, 'output')}")
        for one in (_redacted(left, redact) for left in cleared.left):
            click.echo(f"poltergust: {safe(one.output)} is left: {safe(one.problem)}", err=True)
        for task in cleared.complete:
            click.echo(f"poltergust: {safe(redact(task))} says it is complete all the same: it does not run", err=True)

    @contextmanager
    def _asking(self, target: Target, name: str, task: TaskFile) -> Iterator[tuple[Clearing, Redactor]]:
        """The pipeline in its environment, to be asked; and what masks the secrets in its answers."""
        url = resolve(task.environment, target.path.of(name, Kind.CONFIG))
        settings = Settings(
            path=target.path,
            node=target.state.node,
            cache=parse_cache(self.cache_dir),
            workdir=working_folder(self.workdir),
            environ=os.environ,
        )
        printed: deque[str] = deque(maxlen=MAX_PRINTED_LINES)
        with ExitStack() as stack:
            try:
                spec, clearing = self._start(stack, target, name, task, url, settings, printed)
            except (NodeError, Temporary) as error:
                text = f"{error}; where a node of the path runs, the same command can be given there"
                raise PoltergustError(text) from error
            redact = Redactor((os.environ, *named_values(spec), *named_values(task)), names=SecretNames.of(os.environ))
            try:
                yield clearing, redact
            except PoltergustError:
                for text in printed:
                    click.echo(safe(redact(text)), err=True)
                raise

    def _start(
        self,
        stack: ExitStack,
        target: Target,
        name: str,
        task: TaskFile,
        url: str,
        settings: Settings,
        printed: deque[str],
    ) -> tuple[EnvironmentSpec, Clearing]:
        cache, stores = open_cache(self.cache_dir, url)
        spec = read(stores, url)
        on_line = lines_to(lambda text: click.echo(text, err=True))
        with interruptible() as cancelled:
            building = cache.ready(
                spec, node_env=os.environ, on_line=on_line, cancelled=cancelled, locks=target.state.locks
            )
            environment = stack.enter_context(building)
        private = stack.enter_context(luigi_setup.private_folder(settings.scratch))
        workdir = working_directory.prepare(settings)
        code = _code(spec, stores, private)
        clearing = Clearing(
            spawn,
            Request(task.module, task.name, task.arguments, "", "", 1, preload=spec.preload),
            self.family,
            _known(target, name),
            python=environment.python,
            env=luigi_setup.variables(os.environ, workdir, environment, spec, task, private, code),
            workdir=workdir,
            on_line=printed.append,
        )
        return spec, stack.enter_context(clearing)


def _code(spec: EnvironmentSpec, stores: Stores, private: Path) -> list[Path]:
    """What goes on PYTHONPATH: the source as it is now, which is what the next run executes."""
    return bundle.write(places.read(spec, stores.of), private / "code") if spec.code else []


def _known(target: Target, name: str) -> list[KnownTask]:
    """The tasks of the latest runs that left records: some are announced only where another yields them and they are
    not complete."""
    reader = target.reader()
    known: dict[str, KnownTask] = {}
    for past in reader.runs(name, limit=RUNS_READ):
        for story in reader.tasks(name, past.generation, past.runs):
            if story.family:
                before = known[story.task_id].dependencies if story.task_id in known else ()
                every = tuple(dict.fromkeys((*before, *story.dependencies)))
                known[story.task_id] = KnownTask(story.task_id, story.family, dict(story.parameters), every)
    return list(known.values())


def _redacted(one: StandingOutput, redact: Redactor) -> StandingOutput:
    return StandingOutput(redact(one.task), redact(one.output), redact(one.problem))


def _these(count: int) -> str:
    return "this output" if count == 1 else f"these {count} outputs"


def _show_standing(name: str, family: str, standing: Sequence[StandingOutput]) -> None:
    console = make_console()
    if not standing:
        line(console, safe(f"no output of {family} in {name}, nor of what is made from it, is there"))
        return
    line(console, safe(f"in the way of running {family} in {name} again:"))
    table = plain_table("TASK", "OUTPUT", "")
    for one in standing[:MAX_SHOWN]:
        table.add_row(safe(one.task), safe(one.output), safe(f"stays: {one.problem}" if one.problem else ""))
    show(console, table)
    if len(standing) > MAX_SHOWN:
        line(console, f"and {len(standing) - MAX_SHOWN} more; all with --json")
