"""Logs of a run for a page: a window of one log, lines that were looked for in all of them. Addressed by the byte a
line begins at, which stays right while a log grows."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poltergust.base.text import plain
from poltergust.path.reading.log_lines import ErrorLines
from poltergust.path.state import PathState
from poltergust.stores import NotFound

WINDOW_BYTES = 64 * 1024
"""Of one log on one page."""

BEFORE_BYTES = 8 * 1024
"""What is shown before the line that an address names."""

PIECE_BYTES = 1024 * 1024
"""Read at once while looking for something."""

MAX_SEARCHED_BYTES = 64 * 1024 * 1024
MAX_FOUND = 500
MAX_LINE_CHARACTERS = 4000
"""A longer line is cut."""


@dataclass(frozen=True)
class LogFile:
    """One node's log of one run; `size` in bytes."""

    node: str
    url: str
    size: int


@dataclass(frozen=True)
class LogLine:
    """`at`: the byte of its node's log that it begins at. `text` may hold sequences that change colours."""

    node: str
    at: int
    text: str
    error: bool = False


@dataclass(frozen=True)
class LogWindow:
    """Part of one log, from byte `begin` to `end` of `size`."""

    file: LogFile
    lines: tuple[LogLine, ...]
    begin: int
    end: int

    @property
    def earlier(self) -> int | None:
        """Where a window begins that ends where this begins; None at the start of the log."""
        return max(0, self.begin - WINDOW_BYTES + BEFORE_BYTES) if self.begin > 0 else None

    @property
    def later(self) -> int | None:
        return self.end + BEFORE_BYTES if self.end < self.file.size else None


@dataclass(frozen=True)
class LogMatches:
    """Lines that were looked for. `more`: there is more than was looked at, or more than is shown."""

    lines: tuple[LogLine, ...]
    more: bool = False


class Logs:
    """Of the runs of one path. Safe to use from several threads."""

    def __init__(self, state: PathState) -> None:
        self._store = state.store
        self._path = state.path
        self._lock = threading.Lock()
        self._latest: dict[tuple[LogFile, int | None], LogWindow] = {}

    def files(self, name: str, generation: str) -> tuple[LogFile, ...]:
        """By node. Empty where no node wrote any, or `generation` is none that could be."""
        if not generation or "/" in generation or generation in (".", ".."):
            return ()
        prefix = f"{self._path.logs(name)}{generation}/"
        return tuple(
            LogFile(entry.url[len(prefix) : -len(".log")], entry.url, entry.size)
            for entry in self._store.list(prefix, suffix=".log")
            if "/" not in entry.url[len(prefix) :]
        )

    def window(self, file: LogFile, at: int | None = None) -> LogWindow:
        """The end of the log; with `at`, what is around that byte. Read once for all who look at the same."""
        key = (file, at)
        with self._lock:
            kept = self._latest.get(key)
        if kept is None:
            kept = self._window(file, at)
            with self._lock:
                self._latest[key] = kept
                while len(self._latest) > 64:
                    del self._latest[next(iter(self._latest))]
        return kept

    def search(self, files: Sequence[LogFile], words: str, *, only_errors: bool) -> LogMatches:
        """Lines that hold `words` (in any case), log after log. `only_errors`: only those that tell of an error, with
        the whole traceback."""
        wanted = words.casefold()
        found: list[LogLine] = []
        left = MAX_SEARCHED_BYTES
        more = False
        for file in files:
            for line in self._marked(file, min(file.size, left)):
                if (only_errors and not line.error) or wanted not in _uncoloured(line.text).casefold():
                    continue
                if len(found) == MAX_FOUND:
                    return LogMatches(tuple(found), more=True)
                found.append(line)
            more = more or file.size > left
            left = max(0, left - file.size)
        return LogMatches(tuple(found), more)

    def _window(self, file: LogFile, at: int | None) -> LogWindow:
        begin = max(0, file.size - WINDOW_BYTES if at is None else min(at, file.size) - BEFORE_BYTES)
        data = self._read(file, begin, min(WINDOW_BYTES, file.size - begin))
        # Whole lines only: what the window begins in the middle of is left out, unless it is one line longer than that.
        skip = data.find(b"\n") + 1 if begin > 0 else 0
        lines = tuple(_marked(file.node, _lines(data[skip:], begin + skip)))
        return LogWindow(file, lines, begin + skip, begin + len(data))

    def _marked(self, file: LogFile, size: int) -> Iterator[LogLine]:
        return _marked(file.node, self._all_lines(file, size))

    def _all_lines(self, file: LogFile, size: int) -> Iterator[tuple[int, str]]:
        at, rest = 0, b""
        while at < size:
            data = self._read(file, at, min(PIECE_BYTES, size - at))
            if not data:
                break
            whole = rest + data
            cut = whole.rfind(b"\n") + 1
            if cut == 0 and len(whole) > PIECE_BYTES:
                cut = len(whole)  # a line that never ends
            yield from _lines(whole[:cut], at - len(rest))
            at += len(data)
            rest = whole[cut:]
        yield from _lines(rest, at - len(rest))

    def _read(self, file: LogFile, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            # A store gives one byte more than the limit, so that a caller sees that there is more.
            return self._store.read(file.url, start=start, limit=length).data[:length]
        except NotFound:
            return b""  # removed by retention meanwhile


def _lines(data: bytes, at: int) -> Iterator[tuple[int, str]]:
    """Each line with the byte it begins at."""
    for line in re.findall(rb"[^\n]*\n|[^\n]+", data):
        yield at, line.rstrip(b"\r\n").decode("utf-8", "replace")[:MAX_LINE_CHARACTERS]
        at += len(line)


def _uncoloured(text: str) -> str:
    return plain(text) if "\x1b" in text else text


def _marked(node: str, lines: Iterator[tuple[int, str]]) -> Iterator[LogLine]:
    errors = ErrorLines()
    for at, text in lines:
        yield LogLine(node, at, text, errors.holds(_uncoloured(text)))
