"""Bytes to lines of text and to messages, with bounded memory. Pure: no I/O, the clock is handed in."""

from __future__ import annotations

import logging

from poltergust.base.json_text import read_json

MAX_LINE_BYTES = 64 * 1024  # a longer line is handed over in pieces
MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # a longer message is dropped
PROGRESS_SECONDS = 10.0  # between two states of a progress bar

_log = logging.getLogger(__name__)


class LineSplitter:
    r"""Text lines of a command's output, without their ends, UTF-8 with replacement characters.

    ``\n`` and ``\r\n`` end a line. A lone ``\r`` rewrites it, as on a terminal: a progress bar gives its last state,
    and while it goes on one state each `PROGRESS_SECONDS` seconds, not thousands. Never keeps more than
    `MAX_LINE_BYTES` bytes.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES, progress_every: float = PROGRESS_SECONDS) -> None:
        self._limit = limit
        self._every = progress_every
        self._rest = b""
        self._next_progress = float("-inf")

    def feed(self, data: bytes, now: float) -> list[str]:
        """The lines that `data` completes; `now` is a monotonic time in seconds."""
        *complete, rest = (self._rest + data).split(b"\n")
        lines: list[str] = []
        for line in complete:
            lines += self._cut(_last_state(line.rstrip(b"\r")))
        # A "\r" at the very end may be half of "\r\n": it is judged with the next data.
        body = rest.rstrip(b"\r")
        before, rewritten, state = body.rpartition(b"\r")
        if rewritten:
            shown = _last_state(before.rstrip(b"\r"))
            if shown and now >= self._next_progress:
                lines += self._cut(shown)
                self._next_progress = now + self._every
        rest = state + rest[len(body) :][:1]
        if len(rest) > self._limit:
            *pieces, rest = self._pieces(rest)
            lines += [piece.decode("utf-8", "replace") for piece in pieces]
        self._rest = rest
        return lines

    def end(self) -> list[str]:
        """What stands after the last line end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        return self._cut(rest) if rest else []

    def _cut(self, line: bytes) -> list[str]:
        return [piece.decode("utf-8", "replace") for piece in self._pieces(line)]

    def _pieces(self, line: bytes) -> list[bytes]:
        """At least one piece, none longer than the limit, no character of up to four bytes cut in two."""
        pieces = []
        while len(line) > self._limit:
            at = self._limit
            while at > self._limit - 4 and at > 1 and line[at] & 0xC0 == 0x80:  # a continuation byte
                at -= 1
            pieces.append(line[:at])
            line = line[at:]
        return [*pieces, line]


def _last_state(line: bytes) -> bytes:
    return line.rpartition(b"\r")[2] if b"\r" in line else line


class MessageSplitter:
    """Newline-framed JSON objects. What is not one is logged (its size, never its text) and dropped."""

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[dict[str, object]]:
        first, *others = data.split(b"\n")
        self._keep(first)
        messages = []
        for part in others:
            messages += self._take()
            self._keep(part)
        return messages

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._parts.clear()
        else:
            self._parts.append(part)

    def _take(self) -> list[dict[str, object]]:
        line, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        if size > self._limit:
            _log.warning("a message of %d bytes from a command is over the limit of %d: dropped", size, self._limit)
            return []
        try:
            message = read_json(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            _log.warning("a message of %d bytes from a command is not a JSON object: dropped", size)
            return []
        return [message]
