"""How far this agent has been asked to stop, and the signals that ask."""

from __future__ import annotations

import contextlib
import logging
import queue
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

    A handler runs between any two steps of the main thread, which may hold any lock just then, an Event's too; only
    `SimpleQueue.put` is made for that (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put).
    """
    asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def serve() -> None:
        while (number := asked.get()) is not None:
            log.info("%s: stopping", signal.Signals(number).name)
            stopping.request()

    thread = threading.Thread(target=serve, name="poltergust-signals", daemon=True)
    thread.start()
    before = {
        number: signal.signal(number, lambda received, _frame: asked.put(received))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        asked.put(None)
        thread.join()
