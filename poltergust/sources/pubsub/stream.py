"""One stream of Google's client: opened so that it calls back in order, and ended so that no thread of it is left."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

from poltergust.sources.pubsub.problems import Errors

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 1000
"""Messages received and not acknowledged at which the server sends no more."""

_CLOSE = 20.0
"""Seconds for a stream to end after it was cancelled."""


def open_stream(client: Any, subscription: str, receive: Callable[[Any], None]) -> Any:
    """Begin to pull; returns Google's future of the stream. `receive` must not raise."""
    return client.subscribe(
        subscription,
        receive,
        # Names are small and handed on at once: nothing to hold back for, and a bound on what is in memory.
        # A message that was sent to a stream which ended meanwhile comes again when its lease is over: the least there
        # is, as ours are acknowledged at once (the client's default is 60 s).
        flow_control=pubsub_v1.types.FlowControl(
            max_messages=MAX_OUTSTANDING, max_bytes=10 * 1024 * 1024, max_duration_per_lease_extension=10
        ),
        scheduler=_Inline(),
        await_callbacks_on_shutdown=True,
    )


class _Inline(Scheduler):  # type: ignore[misc]  # untyped base
    """Calls back in the thread that receives, in order: the callback is quicker than a hand-over would be, and there
    is nothing left to wait for or to drop at the end."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()

    @property
    def queue(self) -> queue.Queue[Any]:
        return self._queue

    def schedule(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        callback(*args, **kwargs)

    def shutdown(self, await_msg_callbacks: bool = False) -> list[Any]:
        return []


def end_stream(future: Any, client: Any) -> None:
    """Cancel the stream and wait until its threads are gone; a second time with the channel closed under it, because a
    server that is gone can hold up the last acknowledgements."""
    future.cancel()
    for last in (False, True):
        try:
            future.result(_CLOSE)
        except FutureTimeout:
            if last:
                log.warning("a stream did not end within %.0f s of its channel's end", _CLOSE)
            client.close()
            continue
        except (*Errors, exceptions.GoogleAPIError):
            return  # why it ended is known to whoever ended it
        else:
            return


def hush() -> None:
    """Leave out of the log what Google's client says, with a traceback, when a stream is closed while it tries to reach
    the server. May be called often: a filter that is there already is not added twice."""
    for name in ("google.api_core.bidi", "grpc._channel"):
        logging.getLogger(name).addFilter(_worth_saying)


def _worth_saying(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "Channel closed" not in text and "Background thread did not exit" not in text
