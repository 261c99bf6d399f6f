"""The queue itself: which names wait, which are in somebody's hands, which of those changed meanwhile."""

from __future__ import annotations

import threading

from poltergust.base.clock import Clock, SystemClock
from poltergust.workqueue.delays import Delays
from poltergust.workqueue.ready import Ready


class Item:
    """A name in somebody's hands, from `WorkQueue.get` to `WorkQueue.done`.

    `wake` is set when the name is added again and when the queue shuts down; the processor may have others set it too
    (a process that ended). It is a nudge: wait on it, clear it, and only *then* ask `changed` and whatever else may
    have woken you, so that nothing is missed. `due` is when the name became due, monotonic seconds.
    """

    def __init__(self, queue: WorkQueue, name: str, due: float) -> None:
        self.name = name
        self.due = due
        self.wake = threading.Event()
        self._queue = queue
        # Added since it was handed out, or since `changed` was last asked. Guarded by the queue's lock.
        self._dirty = False

    def changed(self) -> bool:
        """Whether the name was added again since it was handed out or since this was last asked. Who asks promises to
        look at the truth again: what was reported here does not bring the name back at `done`."""
        return self._queue._take_dirty(self)

    def __repr__(self) -> str:
        return f"Item({self.name!r})"


class WorkQueue:
    """Safe to use from any number of threads; every operation is O(log n) in the number of names.

    After `shutdown` nothing is accepted or handed out any more (the bucket still knows), but `done` and `retry` go on
    to be counted for `drain`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        # Guards everything below.
        self._lock = threading.Lock()
        # Waited on in `get` only. One waiter is notified for each name that becomes ready or due earlier, and whoever
        # leaves `get` notifies the next while anything remains: so one waiter always knows the nearest delay.
        self._work = threading.Condition(self._lock)
        # Waited on in `get_unranked` only; notified for each name that becomes ready or due earlier.
        self._unranked = threading.Condition(self._lock)
        # Waited on in `drain` only; notified when the last name in processing is done.
        self._idle = threading.Condition(self._lock)
        # Names to hand out, with the time each became due. Never holds a name of `_processing`.
        self._ready = Ready()
        # Names due later. Never holds a name of `_ready`, nor a dirty one of `_processing`: that is due already.
        self._delays = Delays()
        # Names handed out and not done yet, each in one hand only.
        self._processing: dict[str, Item] = {}
        # When a name was last handed out, monotonic seconds.
        self._handed_out = self._clock.monotonic()
        # Set once, never cleared. When set, `_ready` and `_delays` are empty.
        self._shutdown = False

    def add(self, name: str) -> None:
        """Somebody should look at `name` now. While it is being processed this wakes the processor and, if that does
        not look again by itself, brings the name back when it is done. A delay of the name ends."""
        with self._lock:
            self._move_due()
            self._add(name, self._clock.monotonic())

    def add_after(self, name: str, delay: float) -> None:
        """Like `add` in `delay` seconds. Of several delays the earliest counts; none if the name is due already."""
        with self._lock:
            self._move_due()
            self._add_after(name, delay)

    def get(self, timeout: float | None = None) -> Item | None:
        """Take the name of the highest priority that has been due longest, waiting for one up to `timeout` seconds
        (None: for ever). None on timeout and after `shutdown`. The caller owes a `done` or `retry`."""
        with self._lock:
            end = None if timeout is None else self._clock.monotonic() + timeout
            item = None
            while not self._shutdown and item is None:
                self._move_due()
                now = self._clock.monotonic()
                if self._ready:
                    name, due = self._ready.pop()
                    item = self._processing[name] = Item(self, name, due)
                    self._handed_out = now
                elif end is not None and now >= end:
                    break
                else:
                    until = [at for at in (end, self._delays.next()) if at is not None]
                    self._clock.wait(self._work, min(until) - now if until else None)
            if self._ready or self._delays:
                self._work.notify()
            return item

    def done(self, item: Item) -> None:
        """The processor is finished with it; it comes back at once if it changed meanwhile. Raises ValueError if the
        item is not being processed (called twice)."""
        with self._lock:
            self._move_due()
            self._done(item)

    def retry(self, item: Item, delay: float) -> None:
        """`done`, and look again in `delay` seconds at the latest: at once if the name changed meanwhile."""
        with self._lock:
            self._move_due()
            self._done(item)
            self._add_after(item.name, delay)

    def shutdown(self) -> None:
        """Forget what waits, hand out nothing more, wake everybody in `get` and every processor. May be repeated."""
        with self._lock:
            self._shutdown = True
            self._ready.clear()
            self._delays.clear()
            for item in self._processing.values():
                item.wake.set()
            self._work.notify_all()
            self._unranked.notify_all()

    def get_unranked(self, after: float, timeout: float | None = None) -> str | None:
        """The first name that could be handed out for at least `after` seconds and has no priority yet, waiting for one
        up to `timeout` seconds (None: for ever). None on timeout and after `shutdown`. It stays where it is."""
        with self._lock:
            end = None if timeout is None else self._clock.monotonic() + timeout
            while not self._shutdown:
                self._move_due()
                now = self._clock.monotonic()
                found = self._ready.unranked()
                if found is not None and now >= found[1] + after:
                    return found[0]
                if end is not None and now >= end:
                    break
                next_due = self._delays.next() if found is None else found[1] + after
                until = [at for at in (end, next_due) if at is not None]
                self._clock.wait(self._unranked, min(until) - now if until else None)
            return None

    def rank(self, name: str, priority: int) -> None:
        """Until it is handed out, `name` goes before those of a lower priority. It counts as 0 before, and again when
        it comes back. Nothing happens for a name that could not be handed out now."""
        with self._lock:
            self._move_due()
            self._ready.rank(name, priority)

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being processed, up to `timeout` seconds (None: for ever). Whether it came to
        that. Before `shutdown` others may take the next name at any moment."""
        with self._lock:
            end = None if timeout is None else self._clock.monotonic() + timeout
            while self._processing:
                now = self._clock.monotonic()
                if end is not None and now >= end:
                    return False
                self._clock.wait(self._idle, None if end is None else end - now)
            return True

    @property
    def stopped(self) -> bool:
        """Whether `shutdown` was called."""
        return self._shutdown

    def __len__(self) -> int:
        """How many names could be handed out now."""
        with self._lock:
            self._move_due()
            return len(self._ready)

    def waiting(self) -> tuple[str, ...]:
        """The names that could be handed out now, next first."""
        with self._lock:
            self._move_due()
            return tuple(self._ready)

    def delayed(self) -> dict[str, float]:
        """The names that are due later, and in how many seconds."""
        with self._lock:
            self._move_due()
            now = self._clock.monotonic()
            return {name: due - now for name, due in self._delays.due().items()}

    def idle_for(self) -> float:
        """Seconds in which a name could have been handed out and none was: 0 while none is due."""
        with self._lock:
            self._move_due()
            due = self._ready.longest_due()
            return 0.0 if due is None else self._clock.monotonic() - max(self._handed_out, due)

    def processing(self) -> tuple[str, ...]:
        """The names in somebody's hands, longest first."""
        with self._lock:
            return tuple(self._processing)

    # All below: the caller holds the lock.

    def _add(self, name: str, due: float) -> None:
        if self._shutdown or name in self._ready:
            return
        self._delays.discard(name)
        item = self._processing.get(name)
        if item is None:
            self._ready.add(name, due)
            self._work.notify()
            self._unranked.notify()
        else:
            item._dirty = True
            item.wake.set()

    def _add_after(self, name: str, delay: float) -> None:
        if not delay > 0:  # so that NaN is at once, not never
            self._add(name, self._clock.monotonic())
            return
        item = self._processing.get(name)
        if self._shutdown or name in self._ready or (item is not None and item._dirty):
            return
        if self._delays.put(name, self._clock.monotonic() + delay):
            self._work.notify()  # who waits in `get` may have to wake up earlier
            self._unranked.notify()

    def _done(self, item: Item) -> None:
        if self._processing.get(item.name) is not item:
            raise ValueError(f"{item!r} is not being processed: done or retry was called for it before")
        del self._processing[item.name]
        if item._dirty:
            self._add(item.name, self._clock.monotonic())
        if not self._processing:
            self._idle.notify_all()

    def _move_due(self) -> None:
        """Names whose delay is over become ready. Every operation begins with it, so that order does not depend on who
        came first to look."""
        now = self._clock.monotonic()
        while (found := self._delays.pop(now)) is not None:
            self._add(*found)

    def _take_dirty(self, item: Item) -> bool:
        with self._lock:
            self._move_due()
            dirty, item._dirty = item._dirty, False
            return dirty
