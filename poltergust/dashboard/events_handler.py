"""Server-sent events: a browser that looks at a page is told when what it shows has changed."""

from __future__ import annotations

import asyncio
import contextlib

from tornado import iostream, web

from poltergust.dashboard.base_handler import BaseHandler
from poltergust.dashboard.events import PATH_TOPIC
from poltergust.dashboard.pages import checked_name
from poltergust.dashboard.watching import Topic

SILENCE_SECONDS = 20.0
"""A comment is sent after so long without an event, so that a connection that is gone is noticed."""

RETRY_MILLISECONDS = 3000
"""When a browser that lost the connection asks again."""


class EventsHandler(BaseHandler):
    """``/events?topic=path|run:NAME&since=SIGNATURE``; an event ``changed`` for each change, without content."""

    async def get(self) -> None:
        topic = self._topic(self.get_query_argument("topic", PATH_TOPIC))
        since = self.get_query_argument("since", "")
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        with self.parts.hub.subscribed(topic.name) as subscription:
            if subscription is None:
                raise web.HTTPError(503, reason="too many browsers look at this page already")
            with contextlib.suppress(iostream.StreamClosedError):  # the browser went away
                await self._send(f"retry: {RETRY_MILLISECONDS}\n\n")
                # What changed between the page and this connection.
                snapshot = await self.parts.watcher.look(topic)
                if f"{snapshot.signature & (2**64 - 1):x}" != since:
                    subscription.changed.set()
                while True:
                    try:
                        await asyncio.wait_for(subscription.changed.wait(), SILENCE_SECONDS)
                    except asyncio.TimeoutError:
                        await self._send(": still here\n\n")
                        continue
                    subscription.changed.clear()
                    await self._send("event: changed\ndata: {}\n\n")

    def _topic(self, text: str) -> Topic[object]:
        _, colon, name = text.partition(":")
        if colon:
            checked_name(self.parts.reading.path, name)
        topic = self.parts.reading.topic(text)
        if topic is None:
            raise web.HTTPError(404, reason="there is no such topic")
        return topic

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()
