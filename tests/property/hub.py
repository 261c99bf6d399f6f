"""Who runs next: everything the simulated nodes do happens in coroutines that a test lets go on one step at a time.

A step ends at the next storage call or wait, so the test decides between any two of them who comes first. Coroutines
(greenlets) and not threads: two never run at once, and the same choices give the same run. Time is a number.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]

from tests.emulators.memory import Died

MOST_STEPS = 20_000
"""Steps until a hub that does not come to rest is taken for one that never will."""


class Task:
    """One thread's worth of work. `owner` is whom it dies with, `hub` the coroutine that it pauses for."""

    def __init__(self, owner: object, run: Callable[[], object], hub: Any) -> None:
        self.owner = owner
        self.ready: Callable[[], bool] = lambda: True
        self.died = False
        self._started = False
        # What a referee wants to remember of the thread.
        self.reconciling = False
        self.generation: int | None = None
        self.attempt: int | None = None
        self.resting = False

        def whole() -> None:
            try:
                run()
            except Died:
                self.died = True

        self._greenlet: Any = greenlet.greenlet(whole, hub)

    @property
    def ended(self) -> bool:
        return bool(self._greenlet.dead)

    def go_on(self, hub: Hub) -> None:
        hub.current = self
        self._started = True
        try:
            self._greenlet.switch()
        finally:
            hub.current = None

    def kill(self, hub: Hub) -> None:
        """End it where it stands, as a SIGKILL would: what it still tries on its way out meets a dead owner."""
        if self._started and not self.ended:
            hub.current = self
            try:
                self._greenlet.throw(Died)
            finally:
                hub.current = None


class Hub:
    """All tasks, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self.on_death: Callable[[Task], None] = lambda task: None
        self._coroutine: Any = greenlet.getcurrent()  # a task may be spawned by another one

    def spawn(self, owner: object, run: Callable[[], object]) -> None:
        self.tasks.append(Task(owner, run, self._coroutine))

    def pause(self, ready: Callable[[], bool] = lambda: True) -> None:
        """Called by a task: let others go first, and go on once `ready`. Nothing happens outside any task."""
        task = self.current
        if task is None:
            return
        task.ready = ready
        greenlet.getcurrent().parent.switch()
        task.ready = lambda: True

    def step(self, task: Task) -> None:
        task.go_on(self)
        if task.ended:
            self.tasks.remove(task)
            if task.died:
                self.on_death(task)

    def runnable(self) -> list[Task]:
        return [task for task in self.tasks if task.ready()]

    def settle(self, order: random.Random) -> None:
        """Until everybody waits for time or for somebody outside."""
        for _ in range(MOST_STEPS):
            runnable = self.runnable()
            if not runnable:
                return
            self.step(order.choice(runnable))
        raise AssertionError(f"no rest after {MOST_STEPS} steps")

    def end_of(self, owner: object) -> None:
        """Kill every task of `owner`."""
        for task in [task for task in self.tasks if task.owner is owner]:
            self.tasks.remove(task)
            task.kill(self)


class SimulatedClock:
    """`clock.Clock` of one node for its queue: nobody sleeps, whoever waits is asked again when `ready`."""

    def __init__(self, hub: Hub, offset: float, ready: Callable[[], bool]) -> None:
        self._hub = hub
        self._offset = offset
        self._ready = ready

    def monotonic(self) -> float:
        return self._hub.now + self._offset

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.release()
        try:
            self._hub.pause(self._ready)
        finally:
            condition.acquire()
