"""One reader of the path for all viewers: what they look at is read at most once an interval, however many they are,
and not at all while nobody looks.

The store blocks, so reading happens in one thread of its own, one thing after the other; the event loop only waits. A
value that is younger than the interval is given out again. Where the storage does not answer, the last value stays and
says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from poltergust.base.errors import PoltergustError
from poltergust.dashboard.events import Hub

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_KEPT = 64
"""Values kept at most; the one that was not asked for longest goes first."""


CHECKS_PER_INTERVAL = 10
"""How often it is looked whether a value is an interval old: a change is seen so much later at most."""


@dataclass(frozen=True)
class TopicSnapshot(Generic[T]):
    """A value and when it was read, by this process's clock. `problem`: why it is older than it should be, "" if not.
    `signature` differs when what a page would show differs."""

    value: T
    read_at: float
    signature: int
    problem: str = ""


@dataclass(frozen=True)
class Topic(Generic[T]):
    """Something that can be looked at: `load` blocks; `signature` leaves out what changes by itself, such as ages."""

    name: str
    load: Callable[[], T]
    signature: Callable[[T], int]


class Watcher:
    """`interval` in seconds. Everything but `close` belongs to the event loop's thread."""

    def __init__(self, hub: Hub, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._interval = interval
        self._clock = clock
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="poltergust-dashboard")
        self._kept: dict[str, TopicSnapshot[Any]] = {}
        self._topics: dict[str, Topic[Any]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def look(self, topic: Topic[T]) -> TopicSnapshot[T]:
        """The value, at most an interval old. Raises `PoltergustError` where there is none at all yet."""
        self._topics[topic.name] = topic
        # Whoever comes while it is being read waits for that reading and does not start another.
        async with self._locks.setdefault(topic.name, asyncio.Lock()):
            kept: TopicSnapshot[T] | None = self._kept.pop(topic.name, None)
            if kept is None or self._clock() - kept.read_at >= self._interval:
                kept = await self._load(topic, kept)
            self._kept[topic.name] = kept
        self._drop_unwatched()
        return kept

    async def watch(self) -> None:
        """For ever: look again at what somebody looks at, and say what changed."""
        shown: dict[str, int] = {}
        while True:
            await asyncio.sleep(self._interval / CHECKS_PER_INTERVAL)
            watched = set(self._hub.topics())
            for name in watched & self._topics.keys():
                try:
                    signature = (await self.look(self._topics[name])).signature
                except PoltergustError as error:
                    log.warning("cannot be read, trying again: %s", error)
                    continue
                if shown.setdefault(name, signature) != signature:
                    shown[name] = signature
                    self._hub.publish(name)
            for name in shown.keys() - watched:
                del shown[name]

    async def in_thread(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, from the thread in which everything is read."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, function)

    def forget(self) -> None:
        """After an action: the next look reads."""
        self._kept.clear()

    def close(self) -> None:
        self._reading.shutdown(wait=False, cancel_futures=True)

    async def _load(self, topic: Topic[T], kept: TopicSnapshot[T] | None) -> TopicSnapshot[T]:
        try:
            value = await self.in_thread(topic.load)
        except PoltergustError as error:
            if kept is None:
                raise
            problem = f"the storage does not answer, this is what it said before: {error}"
            return replace(kept, read_at=self._clock(), problem=problem, signature=hash((kept.signature, problem)))
        return TopicSnapshot(value, self._clock(), topic.signature(value))

    def _drop_unwatched(self) -> None:
        watched = self._hub.topics()
        for name in list(self._kept):
            if len(self._kept) <= MAX_KEPT:
                return
            if name not in watched:
                del self._kept[name]
                self._topics.pop(name, None)
                self._locks.pop(name, None)
