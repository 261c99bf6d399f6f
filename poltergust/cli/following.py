"""`--wait` and `--follow`: follow one config until it ended, and turn its outcome into an exit code."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import click

from poltergust.base.text import plain, span
from poltergust.base.urls import is_cloud
from poltergust.cli import exits, wording
from poltergust.cli.target import Target
from poltergust.cli.terminal import can_redraw, line, live, make_console, safe
from poltergust.path.reading.tails import Tails
from poltergust.path.reading.waiting import Awaited, Conclusion, Observation
from poltergust.stores import Unavailable

LAST_LINES_SECONDS = 5.0
"""Seconds after the outcome in which other nodes' last lines are waited for."""

_CODES = {Conclusion.DONE: exits.OK, Conclusion.ERROR: exits.RUN_ERROR}


@dataclass(frozen=True)
class Following:
    """One config to follow. `every`: seconds between reads of the storage; None: 2 for a bucket, 0.5 for a folder."""

    target: Target
    awaited: Awaited
    scheduler_url: str | None = None
    every: float | None = None

    def stay(self, *, logs: bool) -> int:
        """`follow` where the logs are wanted, else `wait`; the exit code."""
        return self.guarded(self.follow if logs else self.wait)

    def guarded(self, what: Callable[[], int]) -> int:
        """Ctrl-C ends the command, not the run."""
        try:
            return what()
        except KeyboardInterrupt:
            name = safe(self.awaited.name)
            click.echo(f"poltergust: interrupted; the run goes on: poltergust status {name}", err=True)
            return exits.INTERRUPTED

    def wait(self) -> int:
        """Show it until it ended: a screen that changes on a terminal, else a line for each change; the exit code."""
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
            line(console, f"to see more: poltergust status {safe(self.awaited.name)}", "dim")
        return _CODES.get(observed.ending, exits.RUN_GONE)

    def follow(self, node: str | None = None) -> int:
        """Print the logs of all nodes, or of `node`, as they are written, until it ended; the exit code."""
        tails: dict[str, Tails] = {}

        def print_new(observed: Observation, _elapsed: float, note: str) -> None:
            if note or observed.view is None or observed.view.generation is None:
                return
            generation = observed.view.generation
            if generation not in tails:
                tails[generation] = self._tails(generation, node)
            print_lines(tails[generation].new(), bare=node is not None)

        observed = self._until_ended(print_new)
        assert observed.ending is not None
        end = time.monotonic() + LAST_LINES_SECONDS
        while observed.active and time.monotonic() < end:
            time.sleep(self._pause)
            observed = self.awaited.look()
        for each in tails.values():
            print_lines(each.new(), bare=node is not None)
            print_lines(each.rest(), bare=node is not None)
        ending = observed.ending or Conclusion.GONE
        click.echo(f"poltergust: {wording.ended(self.awaited.name, ending, observed.view)}", err=True)
        return _CODES.get(ending, exits.RUN_GONE)

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


def print_lines(lines: Iterable[tuple[str, str]], *, bare: bool) -> None:
    """Lines of logs, each with its node unless `bare`. Tabs stay, terminal codes go."""
    for node, text in lines:
        click.echo(plain(text) if bare else f"{safe(node)} | {plain(text)}")
