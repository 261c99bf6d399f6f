"""`--wait` and `--follow`: stay with one config until it ended, and turn how into an exit code."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import click

from poltergust.base.errors import Temporary
from poltergust.base.text import plain, span
from poltergust.base.urls import is_cloud
from poltergust.cli import exits, wording
from poltergust.cli.target import Target
from poltergust.cli.terminal import changes, line, live, make_console, safe
from poltergust.path.reading.tails import Tails
from poltergust.path.reading.waiting import Awaited, Conclusion, Observation

LAST_LINES = 5.0
"""Seconds after the outcome in which other nodes' last lines are waited for."""

_CODES = {Conclusion.DONE: exits.OK, Conclusion.ERROR: exits.RUN_ERROR}


@dataclass(frozen=True)
class Following:
    """One config to stay with. `every`: seconds between looks, None for what the storage bears well."""

    place: Target
    awaited: Awaited
    scheduler_url: str | None = None
    every: float | None = None

    def stay(self, *, logs: bool) -> int:
        """`follow` where the logs are wanted, else `wait`; the exit code."""
        return self.guarded(self.follow if logs else self.wait)

    def guarded(self, what: Callable[[], int]) -> int:
        """Ctrl-C ends only the looking on."""
        try:
            return what()
        except KeyboardInterrupt:
            name = safe(self.awaited.name)
            click.echo(f"poltergust: interrupted; the run goes on: poltergust status {name}", err=True)
            return exits.INTERRUPTED

    def wait(self) -> int:
        """Show it until it ended: a screen that changes on a terminal, else a line for each change; the exit code."""
        console = make_console()
        if not changes(console):
            look = self._until_ended(_Lines(lambda text: line(console, text)))
        else:
            from poltergust.cli import screens
            from poltergust.observe.scheduler_view import SchedulerView

            scheduling = SchedulerView(socket.gethostname(), self.scheduler_url)
            with live(console) as screen:

                def draw(look: Observation, elapsed: float, note: str) -> None:
                    if look.view is not None:
                        now = scheduling.now(look.view, look.nodes)
                        screen.update(
                            screens.waiting(look.view, look.nodes, now, elapsed, console.width, note), refresh=True
                        )

                look = self._until_ended(draw)
        assert look.ending is not None
        line(
            console,
            wording.ended(self.awaited.name, look.ending, look.view),
            "green" if look.ending is Conclusion.DONE else "red",
        )
        if look.ending is Conclusion.ERROR:
            line(console, f"to see more: poltergust status {safe(self.awaited.name)}", "dim")
        return _CODES.get(look.ending, exits.RUN_GONE)

    def follow(self, node: str | None = None) -> int:
        """Print the logs of all nodes, or of `node`, as they are written, until it ended; the exit code."""
        tails: dict[str, Tails] = {}

        def print_new(look: Observation, _elapsed: float, note: str) -> None:
            if note or look.view is None or look.view.generation is None:
                return
            generation = look.view.generation
            if generation not in tails:
                tails[generation] = self._tails(generation, node)
            print_lines(tails[generation].new(), bare=node is not None)

        look = self._until_ended(print_new)
        assert look.ending is not None
        end = time.monotonic() + LAST_LINES
        while look.still_at_it and time.monotonic() < end:
            time.sleep(self._pause)
            look = self.awaited.look()
        for each in tails.values():
            print_lines(each.new(), bare=node is not None)
            print_lines(each.rest(), bare=node is not None)
        ending = look.ending or Conclusion.GONE
        click.echo(f"poltergust: {wording.ended(self.awaited.name, ending, look.view)}", err=True)
        return _CODES.get(ending, exits.RUN_GONE)

    def _tails(self, generation: str, node: str | None) -> Tails:
        return self.place.state.tails(self.awaited.name, generation, node)

    @property
    def _pause(self) -> float:
        return self.every or (2.0 if is_cloud(self.place.path.root) else 0.5)

    def _until_ended(self, tell: Callable[[Observation, float, str], None]) -> Observation:
        """`tell` of each look, the seconds since the first, and what went wrong. A failure that passes ends nothing."""
        begin = time.monotonic()
        look = Observation(None, None)
        while True:
            note = ""
            try:
                look = self.awaited.look()
                tell(look, time.monotonic() - begin, "")
            except Temporary as error:
                note = f"the storage does not answer, trying again: {error}"
                tell(look, time.monotonic() - begin, note)
            if look.ending is not None:
                return look
            time.sleep(self._pause)


class _Lines:
    """For what is no terminal: a line when something changed, the seconds since the start before it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said = ""

    def __call__(self, look: Observation, elapsed: float, note: str) -> None:
        if look.view is None or look.ending is not None:
            return
        text = f"{look.view.standing.value:<10} {safe(note) or wording.stands(look.view, look.nodes)}"
        if text != self._said:
            self._said = text
            self._write(f"{span(elapsed):>5}  {text}")


def print_lines(lines: Iterable[tuple[str, str]], *, bare: bool) -> None:
    """Lines of logs, each with its node unless `bare`. Tabs stay, terminal codes go."""
    for node, text in lines:
        click.echo(plain(text) if bare else f"{safe(node)} | {plain(text)}")
