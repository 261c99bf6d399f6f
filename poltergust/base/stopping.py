"""How far this agent has been asked to stop, and the signals that ask."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator

log = logging.getLogger(__name__)


class Stopping:
    """Not at all, draining (take nothing new, let running tasks finish), or now."""

    def __init__(self) -> None:
        self._draining = threading.Event()
        self._now = threading.Event()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def now(self) -> bool:
        return self._now.is_set()

    def request(self) -> None:
        """The first request drains, the second stops now."""
        if self._draining.is_set():
            self._now.set()
        self._draining.set()

    def request_drain(self) -> None:
        """Drain, and nothing more, however often it is said."""
        self._draining.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until asked to drain, at most `timeout` seconds; whether it was."""
        return self._draining.wait(timeout)


@contextlib.contextmanager
def signals_stop(stopping: Stopping) -> Iterator[None]:
    """While the context is open, SIGTERM and SIGINT ask `stopping` to stop. Enter it in the main thread.

    Python calls a handler in the main thread, between two steps of it. A signal that the kernel gives to another thread
    does not wake one that waits for a lock: under load about one in a thousand was not heard of before the next. The
    number of each is also written to this descriptor at once, in whatever thread
    (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    handled = (signal.SIGTERM, signal.SIGINT)

    def serve() -> None:
        while number := os.read(read, 1):
            if number[0] in handled:
                log.info("%s: stopping", signal.Signals(number[0]).name)
                stopping.request()

    thread = threading.Thread(target=serve, name="poltergust-signals", daemon=True)
    thread.start()
    descriptor_before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda _number, _frame: None) for number in handled}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(descriptor_before)
        os.close(write)
        thread.join()
        os.close(read)
