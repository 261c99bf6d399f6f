"""`--wait` and `--follow`: follow one config until it ended, and turn its outcome into an exit code."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import click

from poltergust.base import hints
from poltergust.base.text import plain, span
from poltergust.base.urls import is_cloud
from poltergust.cli import exits, json_output, wording
from poltergust.cli.target import Target
from poltergust.cli.terminal import can_redraw, line, live, make_console, safe
from poltergust.path.reading.tails import Tails
from poltergust.path.reading.waiting import Awaited, Conclusion, Observation
from poltergust.stores import Unavailable

LAST_LINES_SECONDS = 5.0
"""Seconds after the outcome in which other nodes' last lines are waited for."""

_CODES = {Conclusion.DONE: exits.OK, Conclusion.ERROR: exits.RUN_ERROR}


@dataclass(frozen=True)
class Done:
    """What `submit` or `retry` did: `action` for JSON, `text` for people, to the config `name` that now is `url`."""

    action: str
    text: str
    target: Target
    name: str
    url: str
    as_json: bool

    def then(self, awaited: Awaited, scheduler_url: str | None, *, wait: bool, follow: bool) -> int:
        """Say so, and follow the run where that is wanted; the exit code. JSON is one document, at the end."""
        if not (wait or follow):
            self._report()
            return exits.OK
        following = Following(self.target, awaited, scheduler_url, as_json=self.as_json)
        if not self.as_json and not follow:
            line(make_console(), safe(f"{self.text}: {self.url}"))
        observed = following.guarded(following.follow if follow else following.wait)
        if self.as_json and observed is not None:
            click.echo(json_output.action(self.action, self.name, self.url, self.target.state.node, observed))
        return exit_code(observed)

    def _report(self) -> None:
        if self.as_json:
            click.echo(json_output.action(self.action, self.name, self.url, self.target.state.node))
            return
        console = make_console()
        line(console, safe(f"{self.text}: {self.url}"))
        see = hints.command("status", self.name, path=self.target.path.root)
        line(console, f"to see how it goes: {see}", "dim")


def exit_code(observed: Observation | None) -> int:
    """Of a command that followed a run; None: it was interrupted."""
    if observed is None:
        return exits.INTERRUPTED
    return exits.RUN_GONE if observed.ending is None else _CODES.get(observed.ending, exits.RUN_GONE)


@dataclass(frozen=True)
class Following:
    """One config to follow. `every`: seconds between reads of the storage; None: 2 for a bucket, 0.5 for a folder.
    `as_json`: nothing is printed but the lines of logs, as JSON. `lines`: only so many of each log as it is now."""

    target: Target
    awaited: Awaited
    scheduler_url: str | None = None
    every: float | None = None
    as_json: bool = False
    lines: int | None = None

    def guarded(self, what: Callable[[], Observation]) -> Observation | None:
        """Ctrl-C ends the command, not the run: None."""
        try:
            return what()
        except KeyboardInterrupt:
            click.echo(f"poltergust: interrupted; the run goes on: {self._status}", err=True)
            return None

    @property
    def _status(self) -> str:
        return hints.command("status", self.awaited.name, path=self.target.path.root)

    def wait(self) -> Observation:
        """Show it until it ended: a screen that changes on a terminal, else a line for each change."""
        if self.as_json:
            return self._until_ended(lambda _observed, _elapsed, _note: None)
        console = make_console()
        if not can_redraw(console):
            observed = self._until_ended(_Lines(lambda text: line(console, text)))
        else:
            from poltergust.cli import screens
            from poltergust.observe.scheduler_view import SchedulerView

            scheduling = SchedulerView(socket.gethostname(), self.scheduler_url)
            with live(console) as screen:

                def draw(observed: Observation, elapsed: float, note: str) -> None:
                    if observed.view is not None:
                        now = scheduling.now(observed.view, observed.nodes)
                        screen.update(
                            screens.waiting(observed.view, observed.nodes, now, elapsed, console.width, note),
                            refresh=True,
                        )

                observed = self._until_ended(draw)
        assert observed.ending is not None
        line(
            console,
            wording.ended(self.awaited.name, observed.ending, observed.view),
            "green" if observed.ending is Conclusion.DONE else "red",
        )
        if observed.ending is Conclusion.ERROR:
            line(console, f"to see more: {self._status}", "dim")
        return observed

    def follow(self, node: str | None = None) -> Observation:
        """Print the logs of all nodes, or of `node`, as they are written, until it ended."""
        tails: dict[str, Tails] = {}
        show = partial(print_lines, bare=node is not None, as_json=self.as_json)

        def print_new(observed: Observation, _elapsed: float, note: str) -> None:
            if note or observed.view is None or observed.view.generation is None:
                return
            generation = observed.view.generation
            if generation not in tails:
                tails[generation] = self._tails(generation, node)
                show(last_lines(tails[generation].new(), self.lines))
            show(tails[generation].new())

        observed = self._until_ended(print_new)
        assert observed.ending is not None
        end = time.monotonic() + LAST_LINES_SECONDS
        while observed.active and time.monotonic() < end:
            time.sleep(self._pause)
            observed = self.awaited.look()
        for each in tails.values():
            show(each.new())
            show(each.rest())
        if not self.as_json:
            ending = observed.ending or Conclusion.GONE
            click.echo(f"poltergust: {wording.ended(self.awaited.name, ending, observed.view)}", err=True)
        return observed

    def _tails(self, generation: str, node: str | None) -> Tails:
        return self.target.state.tails(self.awaited.name, generation, node)

    @property
    def _pause(self) -> float:
        return self.every or (2.0 if is_cloud(self.target.path.root) else 0.5)

    def _until_ended(self, report: Callable[[Observation, float, str], None]) -> Observation:
        """`report` what was observed, the seconds since the start, and what failed. No transient failure ends it."""
        begin = time.monotonic()
        observed = Observation(None, None)
        while True:
            note = ""
            try:
                observed = self.awaited.look()
                report(observed, time.monotonic() - begin, "")
            except Unavailable as error:
                note = f"the storage does not answer, trying again: {error}"
                report(observed, time.monotonic() - begin, note)
            if observed.ending is not None:
                return observed
            time.sleep(self._pause)


class _Lines:
    """For what is no terminal: a line when something changed, the seconds since the start before it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said = ""

    def __call__(self, observed: Observation, elapsed: float, note: str) -> None:
        if observed.view is None or observed.ending is not None:
            return
        text = f"{observed.view.state.value:<10} {safe(note) or wording.stands(observed.view, observed.nodes)}"
        if text != self._said:
            self._said = text
            self._write(f"{span(elapsed):>5}  {text}")


def print_lines(lines: Iterable[tuple[str, str]], *, bare: bool, as_json: bool = False) -> None:
    """Lines of logs, each with its node unless `bare`. Tabs stay, terminal codes go."""
    for node, text in lines:
        if as_json:
            click.echo(json_output.log_line(node, text))
        else:
            click.echo(plain(text) if bare else f"{safe(node)} | {plain(text)}")


def last_lines(lines: Iterable[tuple[str, str]], limit: int | None) -> Iterator[tuple[str, str]]:
    """At most `limit` of each node, all for None."""
    if limit is None:
        yield from lines
        return
    kept: dict[str, deque[tuple[str, str]]] = {}
    for node, text in lines:
        kept.setdefault(node, deque(maxlen=limit)).append((node, text))
    for of_node in kept.values():
        yield from of_node
