"""An object beside the path that grows by lines: they wait in memory and are appended together, at growing intervals.

The buffer is bounded: a writer faster than the storage is held back, for a while; where the storage does not answer at
all, lines are dropped and the object says how many. It is cut with a notice at a size limit, its last lines kept.
Nothing is spooled to disk and nothing is uploaded twice.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from poltergust.path.background import Background
from poltergust.stores import Store, StoreError

log = logging.getLogger(__name__)

FIRST_INTERVAL_SECONDS = 1.0
MAX_INTERVAL_SECONDS = 30.0
BUFFER_BYTES = 4 * 1024 * 1024  # that wait for the storage
MAX_WAIT_SECONDS = 30.0
"""For which a writer waits for room before lines are dropped; then none waits until there is room."""

TAIL_BYTES = 64 * 1024  # kept for the end of an object that was cut

L = TypeVar("L", bound="AppendedLines")


class AppendedLines:
    """One object that grows. A context manager: leaving it closes it. `add` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        url: str,
        *,
        background: Background,
        limit: int,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._url = url
        self._background = background
        self._limit = limit
        self._count = count
        self._changed = threading.Condition()
        self._pending = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._written = 0  # bytes taken into the log proper, pending or stored
        self._dropped = 0  # lines lost because the storage did not take them
        self._cut = 0  # bytes beyond the limit
        self._interval = FIRST_INTERVAL_SECONDS
        self._stored = True  # the storage took what it was given last
        self._closing = False
        # Of the thread that opens it: what is logged about it is about the same run.
        self._context = contextvars.copy_context()

    def __enter__(self: L) -> L:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is added any more. What is left is written now, and not waited for."""
        with self._changed:
            if self._closing:
                return
            if self._cut:
                kept = b"".join(self._tail)
                notice = f"[poltergust: the log's limit of {self._limit} bytes was reached; "
                notice += f"{self._cut - len(kept)} bytes are left out here]\n"
                self._pending += notice.encode() + kept
            self._closing = True
        self._ship_in(0.0)

    def add(self, line: str) -> None:
        """One line, without its newline, fit to be written. Holds the caller back while the buffer is full."""
        data = f"{line}\n".encode()
        with self._changed:
            if self._written + len(data) > self._limit:
                self._keep_tail(data)
                return
            # Half a minute once, not for every line: a command that is done or must stop has to come to its end.
            wait = 0.0 if self._dropped else MAX_WAIT_SECONDS
            if not self._changed.wait_for(lambda: len(self._pending) + len(data) <= BUFFER_BYTES, wait):
                self._dropped += 1
                return
            first, was_full = not self._pending, self._half_full
            if self._dropped:
                self._pending += f"[poltergust: {self._dropped} lines lost, the storage did not take them]\n".encode()
                self._dropped = 0
            self._pending += data
            self._written += len(data)
            # Sooner than the interval only at the end, or when the buffer is half full and the storage answers. Said
            # here and not where somebody waits for room: who fills it may never wait.
            soon = self._half_full and not was_full and self._stored
        if first or soon:
            self._ship_in(0.0 if soon else self._interval)

    def drop_pending(self) -> None:
        """Nothing that was added and is not stored yet is written."""
        with self._changed:
            self._pending.clear()
            self._changed.notify_all()

    def _keep_tail(self, data: bytes) -> None:
        self._cut += len(data)
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > TAIL_BYTES and len(self._tail) > 1:
            self._tail_size -= len(self._tail.popleft())

    @property
    def _half_full(self) -> bool:
        return len(self._pending) > BUFFER_BYTES // 2

    def _ship_in(self, seconds: float) -> None:
        self._background.put(self._url, lambda: self._context.run(self._ship), owner=self, delay=seconds)

    def _ship(self) -> None:
        """Append what is there. Never twice at a time: `background` makes one call for the object after the other."""
        with self._changed:
            closing, chunk = self._closing, bytes(self._pending)
        if not chunk:
            return
        self._stored = self._append(chunk)
        self._interval = min(self._interval * 1.5, MAX_INTERVAL_SECONDS)
        if closing and not self._stored:
            log.warning("the last %d bytes of %s could not be written", len(chunk), self._url)
            return
        with self._changed:
            left, soon = bool(self._pending), self._closing or (self._half_full and self._stored)
        if left:
            self._ship_in(0.0 if soon else self._interval)

    def _append(self, chunk: bytes) -> bool:
        """Store `chunk` and take it off the buffer. Lines added meanwhile stay behind it."""
        try:
            self._store.append(self._url, chunk)
        except StoreError as error:
            log.warning("cannot write the log %s now: %s", self._url, error)
            return False
        self._count(len(chunk))
        with self._changed:
            del self._pending[: len(chunk)]
            self._changed.notify_all()
        return True
