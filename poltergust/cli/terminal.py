"""Standard output as commands use it: colour and changing screens on a terminal, plain whole lines anywhere else.

NO_COLOR, TERM=dumb and COLUMNS are rich's to read. Everything that comes from a bucket goes through `safe` first.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from poltergust.base.text import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

UNLIMITED_COLUMNS = 10_000
"""Columns of what is no terminal: nothing is cut that a program or a file is to have."""


def safe(text: object) -> str:
    """`text` for one cell or line of a terminal: no escape sequences, no control characters, no line breaks."""
    return plain(" ".join(str(text).split()))


def make_console(file: TextIO | None = None, width: int | None = None) -> Console:
    """For standard output unless `file`; `width` in columns instead of the terminal's."""
    from rich.console import Console

    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    if width is None and not console.is_terminal:
        console = Console(file=file, width=UNLIMITED_COLUMNS, highlight=False, markup=False, emoji=False)
    return console


def can_redraw(console: Console) -> bool:
    """Whether a screen may be replaced by the next one in the same place."""
    return console.is_terminal and not console.is_dumb_terminal


def show(console: Console, screen: RenderableType) -> None:
    """Print it; into a file or pipe without the blanks that fill a table's last column."""
    if console.is_terminal:
        console.print(screen)
        return
    with console.capture() as captured:
        console.print(screen)
    for line in captured.get().splitlines():
        console.file.write(line.rstrip() + "\n")
    console.file.flush()


def line(console: Console, text: str, style: str | None = None) -> None:
    """One line, never wrapped: the terminal breaks it where it must, a file has it whole."""
    console.print(text, style=style, soft_wrap=True)
    console.file.flush()


@contextlib.contextmanager
def live(console: Console) -> Iterator[Live]:
    """A screen that changes in place. SIGTERM leaves the terminal as it was (the cursor shown), as Ctrl-C does."""
    from rich.live import Live

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as screen:
            yield screen
    finally:
        signal.signal(signal.SIGTERM, before)
