"""What changed, to every browser that looks at it: subscriptions to a topic, each a small bounded mailbox.

An event carries no content, only that a topic changed: the browser asks for the page again, so that what is shown has
one way to be made, and a browser that misses an event is right again after the next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

PATH_TOPIC = "path"
"""The overview, the nodes, the environments: everything that is made from the whole path."""

MAX_SUBSCRIPTIONS = 200
"""Browsers connected at a time; a further one is refused and asks again."""


def run_topic(name: str) -> str:
    return f"run:{name}"


@dataclass(eq=False)
class Subscription:
    """One browser's. `changed` is set when there is something new to fetch."""

    topic: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @contextlib.contextmanager
    def subscribed(self, topic: str) -> Iterator[Subscription | None]:
        """None where too many are connected already."""
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            yield None
            return
        subscription = Subscription(topic)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def topics(self) -> Counter[str]:
        """Every topic that somebody looks at, and how many do."""
        return Counter(subscription.topic for subscription in self._subscriptions)

    def publish(self, topic: str) -> None:
        for subscription in self._subscriptions:
            if subscription.topic == topic:
                subscription.changed.set()
