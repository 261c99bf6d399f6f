"""One reading for all who look, none while nobody does, and the last value while the storage does not answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from poltergust.base.errors import Temporary
from poltergust.base.reasons import Reason
from poltergust.dashboard.events import Hub
from poltergust.dashboard.watching import Topic, Watcher


class Source:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.value = 1
        self.reads = 0
        self.down = False

    def load(self) -> int:
        self.reads += 1
        if self.down:
            raise Temporary(Reason.STORAGE_UNAVAILABLE, "503")
        return self.value

    @property
    def topic(self) -> Topic[int]:
        return Topic("path", self.load, hash)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


def test_however_many_look_at_once_it_is_read_once_an_interval() -> None:
    source, clock = Source(), Clock()

    async def story() -> None:
        watcher = Watcher(Hub(), 5.0, clock=clock)
        seen = await asyncio.gather(*(watcher.look(source.topic) for _ in range(50)))
        assert {snapshot.value for snapshot in seen} == {1}
        assert source.reads == 1
        clock.now = 5.0
        await watcher.look(source.topic)
        assert source.reads == 2
        watcher.close()

    run(story())


def test_while_the_storage_does_not_answer_the_last_value_stays_and_says_so() -> None:
    source, clock = Source(), Clock()

    async def story() -> None:
        watcher = Watcher(Hub(), 5.0, clock=clock)
        before = await watcher.look(source.topic)
        source.down, clock.now = True, 5.0
        kept = await watcher.look(source.topic)
        assert kept.value == 1
        assert "does not answer" in kept.problem
        assert kept.signature != before.signature
        source.down, clock.now = False, 10.0
        assert (await watcher.look(source.topic)).problem == ""
        watcher.close()

    run(story())


def test_a_change_is_published_to_those_who_look_and_nothing_is_read_for_nobody() -> None:
    source = Source()

    async def story() -> None:
        hub = Hub()
        watcher = Watcher(hub, 0.01)
        watching = asyncio.create_task(watcher.watch())
        with hub.subscribed("path") as subscription:
            assert subscription is not None
            await watcher.look(source.topic)
            while source.reads < 3:
                await asyncio.sleep(0.01)
            assert not subscription.changed.is_set()
            source.value = 2
            await subscription.changed.wait()
        reads = source.reads
        await asyncio.sleep(0.1)  # ten intervals in which nothing may happen
        assert source.reads <= reads + 1  # one may have been under way
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        watcher.close()

    run(story())
