"""The pipes of one supervised command: every descriptor is owned here and closed exactly once."""

from __future__ import annotations

import os
import threading


class Pipes:
    """Ends named from the agent's point of view; all are close-on-exec, `far` are those the supervisor is given."""

    def __init__(self, messages: bool) -> None:
        self._open: set[int] = set()
        self.order_read = self.order_write = self.status_read = self.status_write = -1
        self.output_read = self.output_write = -1
        self.control_read = self.control_write = self.result_read = self.result_write = -1
        self.wake_read = self.wake_write = -1
        try:
            self.order_read, self.order_write = self._pipe()
            self.status_read, self.status_write = self._pipe()
            self.output_read, self.output_write = self._pipe()
            if messages:
                self.control_read, self.control_write = self._pipe()
                self.result_read, self.result_write = self._pipe()
                self.wake_read, self.wake_write = self._pipe()
        except OSError:
            self.close()
            raise
        near = {self.order_write, self.status_read, self.output_read, self.control_write, self.result_read}
        near |= {self.wake_read, self.wake_write}
        for fd in near - {-1}:
            os.set_blocking(fd, False)
        self.far = tuple(self._open - near)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open |= set(ends)
        return ends

    def is_open(self, fd: int) -> bool:
        return fd in self._open

    def close(self, *fds: int) -> None:
        """Close these, or all; those closed before are left alone."""
        for fd in fds or tuple(self._open):
            if fd in self._open:
                self._open.discard(fd)
                os.close(fd)

    def close_far_ends(self) -> None:
        self.close(*self.far)


class Outbox:
    """What is still to be written to a command that reads slowly. `put` may be called from any thread, never blocks."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._closed = False

    @property
    def pending(self) -> bool:
        return bool(self._waiting)

    def put(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                return
            idle = not self._waiting
            self._waiting += data
            if idle:
                self._write()
                if self._waiting:
                    os.write(self._pipes.wake_write, b"w")  # the reading thread waits for room and calls flush()

    def flush(self) -> None:
        with self._lock:
            if not self._closed:
                self._write()

    def _write(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._pipes.control_write, self._waiting[:65536])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting.clear()
            self._closed = True  # the command no longer reads

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.clear()
