"""An object beside the path that grows by lines: they wait in memory and are appended together, at growing intervals.

The buffer is bounded: a writer faster than the storage is held back, for a while; where the storage does not answer at
all, lines are dropped and the object says how many. It is cut with a notice at a size limit, its last lines kept.
Nothing is spooled to disk and nothing is uploaded twice.

One object takes about one write a second (https://cloud.google.com/storage/quotas#objects), hence the intervals.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

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
    """One object that grows. A context manager: leaving it writes what is left. `add` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        url: str,
        *,
        limit: int,
        spacing: float = FIRST_INTERVAL_SECONDS,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._url = url
        self._limit = limit
        self._spacing = spacing  # least seconds between two writes
        self._count = count
        self._changed = threading.Condition()
        self._pending = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._written = 0  # bytes taken into the log proper, pending or stored
        self._dropped = 0  # lines lost because the storage did not take them
        self._cut = 0  # bytes beyond the limit
        self._closing = False
        # In this thread's context: what it logs is about the same run.
        context = contextvars.copy_context()
        self._shipper = threading.Thread(target=context.run, args=[self._ship], name="poltergust-log", daemon=True)

    def __enter__(self: L) -> L:
        self._shipper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._shipper.join()

    def close(self) -> None:
        """Nothing is added any more; what is left is written by the time the context ends."""
        with self._changed:
            if self._closing:
                return
            if self._cut:
                kept = b"".join(self._tail)
                notice = f"[poltergust: the log's limit of {self._limit} bytes was reached; "
                notice += f"{self._cut - len(kept)} bytes are left out here]\n"
                self._pending += notice.encode() + kept
            self._closing = True
            self._changed.notify_all()

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
            if self._dropped:
                self._pending += f"[poltergust: {self._dropped} lines lost, the storage did not take them]\n".encode()
                self._dropped = 0
            self._pending += data
            self._written += len(data)
            if len(self._pending) > BUFFER_BYTES // 2:
                self._changed.notify_all()  # here and not where somebody waits for room: who fills it may never wait

    def _keep_tail(self, data: bytes) -> None:
        self._cut += len(data)
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > TAIL_BYTES and len(self._tail) > 1:
            self._tail_size -= len(self._tail.popleft())

    def _ship(self) -> None:
        interval = FIRST_INTERVAL_SECONDS
        last = 0.0
        stored = True
        while True:
            with self._changed:
                # Sooner than the interval only at the end, or when the buffer is half full and the storage answers.
                self._changed.wait_for(
                    lambda: self._closing or (stored and len(self._pending) > BUFFER_BYTES // 2),  # noqa: B023
                    interval,
                )
            # Interruptible by nobody on purpose: it is at most `spacing`.
            time.sleep(max(0.0, last + self._spacing - time.monotonic()))
            with self._changed:
                closing, chunk = self._closing, bytes(self._pending)
            if chunk:
                stored = self._append(chunk)
                last = time.monotonic()
                if closing and not stored:
                    log.warning("the last %d bytes of %s could not be written", len(chunk), self._url)
            if closing:
                return
            interval = min(interval * 1.5, MAX_INTERVAL_SECONDS)

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
