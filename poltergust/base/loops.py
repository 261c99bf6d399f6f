"""The one background loop: a thread that does the same thing again and again until it is stopped, and what is known of
threads that died.

A thread that an exception ends is a bug of ours. `report_dead_threads` makes each such death one line in the log (the
traceback at DEBUG), and `dead_threads` names them for the node's health.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from poltergust.base.backoff import Backoff
from poltergust.base.clock import Clock, SystemClock
from poltergust.base.text import one_line

log = logging.getLogger(__name__)

PREFIX = "poltergust-"
"""Every thread of this package is called so, followed by what it does; those of libraries are not."""

_dead: dict[str, str] = {}
"""Threads of ours that an exception ended, by name: the exception's class."""


class Loop:
    """Calls `turn` in a thread of its own, between `start` and `stop`.

    `turn` returns the seconds until its next call (0.0: at once, infinity: not before `wake`), or None to end the loop.
    If it raises an `Exception` and there is a `failed`, that is called with it and the next turn comes after a delay by
    `backoff`, which a turn that works resets. Without `failed` the exception ends the thread (see `dead_threads`).
    `ended` is called in the thread after the last turn, unless the thread died.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float | None],
        *,
        failed: Callable[[Exception], None] | None = None,
        backoff: Backoff | None = None,
        ended: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        """`name` without `PREFIX`; `backoff` is by default one from 1 to 60 seconds."""
        self._turn = turn
        self._failed = failed
        self._backoff = Backoff(1.0, 60.0) if backoff is None else backoff
        self._ended = ended
        self._clock: Clock = SystemClock() if clock is None else clock
        # Set once the loop is to end; a turn that takes long looks at it or waits on it.
        self.stopping = threading.Event()
        # Guards `_woken`; notified when that or `stopping` is set.
        self._condition = threading.Condition()
        self._woken = False
        self._first_delay = 0.0
        self._thread = threading.Thread(target=self._run, name=PREFIX + name, daemon=True)

    def start(self, first_delay: float = 0.0) -> None:
        """Returns at once; the first turn comes `first_delay` seconds later, or on `wake`. Once only."""
        self._first_delay = first_delay
        self._thread.start()

    def wake(self) -> None:
        """The next turn comes at once; if one is under way, once more after it."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def request_stop(self) -> None:
        """No further turn; returns at once."""
        with self._condition:
            self.stopping.set()
            self._condition.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end, at most `timeout` seconds; whether it has ended. True if it never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self, timeout: float | None = None) -> bool:
        """`request_stop` and `join`."""
        self.request_stop()
        return self.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    # The thread.

    def _run(self) -> None:
        self._rest(self._first_delay)
        while not self.stopping.is_set():
            delay = self._one_turn()
            if delay is None:
                break
            self._rest(delay)
        self._ended()

    def _one_turn(self) -> float | None:
        with self._condition:
            self._woken = False
        try:
            delay = self._turn()
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
            return self._backoff.delay()
        self._backoff.forget()
        return delay

    def _rest(self, seconds: float) -> None:
        with self._condition:
            end = self._clock.monotonic() + seconds
            while not (self.stopping.is_set() or self._woken) and (now := self._clock.monotonic()) < end:
                self._clock.wait(self._condition, end - now)


def report_dead_threads() -> None:
    """From now on a thread's death is logged and kept for `dead_threads`. For the start of an agent."""
    threading.excepthook = _died


def dead_threads() -> tuple[str, ...]:
    """Each of this package's threads that an exception ended since `report_dead_threads`: its name and the exception's
    class. Threads of libraries are logged and not listed: who started them sees what no longer works."""
    return tuple(f"{name} ({error})" for name, error in tuple(_dead.items()))


def _died(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return  # as Python's own hook: it is no error
    name = "unknown" if args.thread is None else args.thread.name
    error = one_line(f"{args.exc_type.__name__}: {args.exc_value}")
    if not name.startswith(PREFIX):
        log.warning("the thread %s of a library died (%s)", name, error)
    elif name not in _dead:  # reported once
        _dead[name] = args.exc_type.__name__
        log.error("the thread %s died (%s); restart this node, and please report this", name, error)
    if args.exc_value is not None:
        log.debug("the thread %s died", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
