"""One stream of Google's client: opened so that it calls back in order, and ended so that no thread of it is left."""

from __future__ import annotations

import contextlib
import importlib
import logging
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

from poltergust.sources.pubsub.problems import Errors

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 1000
"""Messages received and not acknowledged at which the server sends no more."""

WAIT_SECONDS = 60.0
"""Between two looks of gRPC's at what it waits for and would be notified of."""

_CLOSE_SECONDS = 20.0
"""For a stream to end after it was cancelled."""


class StreamClient(pubsub_v1.SubscriberClient):  # type: ignore[misc]  # untyped base
    """Google's client, whose acknowledgements fail only in the way that its streams expect.

    A stream's threads take a `GoogleAPICallError` of these two calls for what it is: the message comes again. Any other
    exception ends the thread with a traceback (`Thread-LeaseMaintainer` first), and there are two such: ValueError from
    gRPC when `end_stream` has closed the channel under a call that is being retried, and RetryError from a server that
    did not answer for a minute. The stream itself, and the check of the subscription beside it, notice that server.
    """

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def close(self) -> None:
        self._closing = True
        super().close()

    def acknowledge(self, *args: Any, **options: Any) -> None:
        """See Google's."""
        with self._harmless():
            super().acknowledge(*args, **options)

    def modify_ack_deadline(self, *args: Any, **options: Any) -> None:
        """See Google's."""
        with self._harmless():
            super().modify_ack_deadline(*args, **options)

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except exceptions.RetryError as error:
            raise exceptions.ServiceUnavailable(str(error)) from error  # type: ignore[no-untyped-call]
        except ValueError as error:
            if not self._closing:
                raise
            raise exceptions.Cancelled("the channel was closed") from error  # type: ignore[no-untyped-call]


def wait_without_polling() -> None:
    """gRPC's threads look ten times a second whether what they wait for is there, so that a main thread that waits
    in gRPC handles signals (grpc/_common.py). Ours never does, and they are notified: an idle stream took more
    processor time for that than all the rest of an agent."""
    common: Any = importlib.import_module("grpc._common")
    common.MAXIMUM_WAIT_TIMEOUT = WAIT_SECONDS


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
    server that is gone can hold up the last acknowledgements (see `StreamClient`)."""
    future.cancel()
    for last in (False, True):
        try:
            future.result(_CLOSE_SECONDS)
        except FutureTimeout:
            if last:
                log.warning("a stream did not end within %.0f s of its channel's end", _CLOSE_SECONDS)
            client.close()
            continue
        except (*Errors, exceptions.GoogleAPIError):
            return  # why it ended is known to whoever ended it
        else:
            return


def silence_expected_errors() -> None:
    """Leave out of the log what Google's client writes, with a traceback, when a stream is closed while it tries to
    reach the server. May be called often: a filter that is there already is not added twice."""
    for name in ("google.api_core.bidi", "grpc._channel"):
        logging.getLogger(name).addFilter(_unexpected)


def _unexpected(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "Channel closed" not in text and "Background thread did not exit" not in text
