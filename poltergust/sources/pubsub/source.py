"""A streaming pull that is kept open: opened, checked, watched, and made again with growing delays when it ends.

One thread of ours owns everything: client, subscription, stream. Google's client has four more while a stream is open.
A message is acknowledged as soon as its name was handed on; what becomes of the name is the work queue's business.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from google.auth import exceptions as auth
from google.cloud import pubsub_v1

from poltergust.base.errors import UsageError
from poltergust.sources import Changed, SourceState
from poltergust.sources.pubsub import subscriptions
from poltergust.sources.pubsub.notifications import Ignored, object_url, printable
from poltergust.sources.pubsub.problems import Errors, StreamEnded, TopicDeleted, Unreachable, explain
from poltergust.sources.pubsub.stream import end_stream, hush, open_stream

log = logging.getLogger(__name__)

_SETTLE = 1.0
"""Seconds in which a stream that may not be opened has failed, where nothing else would tell."""

_STOP = 60.0
"""Seconds `stop` waits at most: for a stream that does not end, and for the removal of an own subscription."""

_FIRST_TRY = 60.0
"""Seconds after which `start` no longer waits for the first try."""

_LOG_EVERY = 60.0
"""Seconds between two lines about messages that are none of ours."""


@dataclass(frozen=True)
class Deliveries:
    """Counted since the start: messages of the path, of something else, that nobody should have sent, that our own code
    stumbled over, and how often a stream was opened."""

    accepted: int = 0
    ignored: int = 0
    malformed: int = 0
    failed: int = 0
    streams: int = 0


class PubSubSource:
    """Listens to `subscription` for objects whose URL starts with `prefix` (which ends with a slash)."""

    def __init__(
        self,
        subscription: subscriptions.Named | subscriptions.Own,
        prefix: str,
        *,
        check_interval: float = 60.0,
        renew_after: float = 1800.0,
        retry: tuple[float, float] = (1.0, 60.0),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """All in seconds: every `check_interval` the subscription is looked at, because a deleted topic leaves the
        stream open and silent; a stream that was silent for `renew_after` is opened anew, because one can go silent for
        no reason; `retry` is the first and the largest delay before a stream is opened again, `draw` its jitter."""
        self._subscription = subscription
        self._prefix = prefix
        self._check_interval = check_interval
        self._renew_after = renew_after
        self._retry = retry
        self._draw = draw
        self._stopping = threading.Event()
        # Set when the stream ended or the source is to stop: the thread looks which.
        self._nudge = threading.Event()
        # Set once the first try to open a stream succeeded or failed.
        self._tried = threading.Event()
        # Why the first client could not be made at all; `start` raises it.
        self._refused: UsageError | None = None
        self._thread: threading.Thread | None = None
        self._changed: Changed | None = None
        # Guards the four below.
        self._lock = threading.Lock()
        self._state = SourceState(alive=False, last_event=None, problem="not connected yet")
        self._deliveries = Deliveries()
        # Messages not logged since the last line about such, and when that was.
        self._unlogged = 0
        self._logged = float("-inf")
        # Whether it was said that the subscription cannot be checked. Of the thread only.
        self._noted = False

    def start(self, changed: Changed) -> None:
        """Raises UsageError if there are no credentials."""
        self._changed = changed
        hush()
        self._thread = threading.Thread(target=self._run, name="pubsub-source", daemon=True)
        self._thread.start()
        self._tried.wait(_FIRST_TRY)
        if self._refused is not None:
            self._thread.join()
            raise self._refused

    def stop(self) -> None:
        """Prompt; up to about 10 s while Pub/Sub does not answer (Google's client waits between its attempts)."""
        self._stopping.set()
        self._nudge.set()
        if self._thread is not None:
            self._thread.join(_STOP)
            if self._thread.is_alive():
                log.warning("subscription %s: its stream does not end; left behind", self._subscription.name)
        with self._lock:
            self._state = replace(self._state, alive=False, problem="")

    def state(self) -> SourceState:
        with self._lock:
            return self._state

    def deliveries(self) -> Deliveries:
        with self._lock:
            return self._deliveries

    def counts(self) -> Mapping[str, int]:
        """See `sources.Counting`."""
        counts = asdict(self.deliveries())
        del counts["streams"]
        return counts

    # The thread.

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._serve()
                failures = 0
                continue
            except auth.DefaultCredentialsError as error:
                if not self._tried.is_set():
                    self._refused = UsageError(
                        "no Google credentials found; run gcloud auth application-default login, or set "
                        "GOOGLE_APPLICATION_CREDENTIALS to a key file, or PUBSUB_EMULATOR_HOST for an emulator"
                    )
                    self._tried.set()
                    return
                self._trouble(error)
            except (*Errors, TopicDeleted, StreamEnded) as error:
                self._trouble(error)
            except Exception as error:  # whatever it is: a source that stops without a word is the worst of all
                log.exception("unexpected trouble with subscription %s", self._subscription.name)
                self._trouble(error)
            first, limit = self._retry
            # A stream that held for a while was a good one: begin again with the shortest delay.
            failures = 1 if time.monotonic() - began > limit else failures + 1
            step = min(limit, first * 2.0 ** min(failures - 1, 30))
            self._stopping.wait(step * (1 - self._draw() / 2))
        if isinstance(self._subscription, subscriptions.Own):
            self._remove(self._subscription)

    def _trouble(self, error: Exception) -> None:
        problem = explain(error, self._subscription.name, self._subscription.topic)
        if problem != self.state().problem:
            log.warning("%s", problem)
        self._say(alive=False, problem=problem)
        self._tried.set()

    def _serve(self) -> None:
        """Open a stream and stay with it; returns when it was silent for too long or the source is to stop."""
        with pubsub_v1.SubscriberClient() as client:
            if isinstance(self._subscription, subscriptions.Own):
                self._subscription.create(client)
            checkable = self._check(client)
            self._stream(client, checkable)

    def _stream(self, client: Any, checkable: bool) -> None:
        self._nudge.clear()
        if self._stopping.is_set():
            return
        future = open_stream(client, self._subscription.name, self._receive)
        future.add_done_callback(lambda _: self._nudge.set())
        try:
            with self._lock:
                self._deliveries = replace(self._deliveries, streams=self._deliveries.streams + 1)
            if not checkable:
                self._nudge.wait(_SETTLE)
            self._watch(client, future)
            if future.done() and not self._stopping.is_set():
                raise future.exception(0) or StreamEnded
        finally:
            end_stream(future, client)

    def _watch(self, client: Any, future: Any) -> None:
        """Stay until the stream ended, was silent for too long, cannot deliver any more, or the source is to stop."""
        opened = time.monotonic()
        outage: float | None = None
        while not (future.done() or self._stopping.is_set()):
            if outage is None:
                if self.state().problem:
                    log.info("listening to subscription %s", self._subscription.name)
                self._say(alive=True, problem="")
                self._tried.set()
            self._nudge.wait(self._check_interval if outage is None else min(self._check_interval, self._retry[0] * 5))
            if future.done() or self._stopping.is_set():
                return
            now = time.monotonic()
            try:
                self._check(client)
                outage = None
            except Unreachable as error:
                # The stream mends itself; but a channel that failed for long tries only every two minutes
                # (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md): a new one is quicker then.
                self._trouble(error)
                outage = outage or now
                if now - outage > self._retry[1]:
                    raise
            except (*Errors, TopicDeleted) as error:
                self._trouble(error)  # now, because ending the stream takes its time
                raise
            if outage is None and now - max(opened, self.state().last_event or opened) > self._renew_after:
                log.debug("nothing heard for %.0f s: opening the stream anew", self._renew_after)
                return

    def _check(self, client: Any) -> bool:
        checkable = subscriptions.check(client, self._subscription.name)
        if not checkable and not self._noted:
            self._noted = True
            log.info(
                "subscription %s cannot be checked for a deleted topic: the node has no pubsub.subscriptions.get on it "
                "(roles/pubsub.viewer); the scan covers that case",
                self._subscription.name,
            )
        return checkable

    def _remove(self, own: subscriptions.Own) -> None:
        try:
            with pubsub_v1.SubscriberClient() as client:
                own.remove(client)
        except Errors as error:
            log.warning("%s is not removed (%s); it expires by itself", own.name, printable(str(error), 200))

    def _say(self, *, alive: bool, problem: str) -> None:
        with self._lock:
            self._state = replace(self._state, alive=alive, problem=problem)

    # The stream's consumer thread.

    def _receive(self, message: Any) -> None:
        """The callback. Never raises: a message whose callback did comes again at once, for ever."""
        try:
            if self._stopping.is_set():
                message.nack()  # for whoever listens next
                return
            found = object_url(message.attributes, self._prefix)
            if isinstance(found, Ignored):
                self._ignore(found)
            else:
                with self._lock:
                    self._state = replace(self._state, last_event=time.monotonic())
                    self._deliveries = replace(self._deliveries, accepted=self._deliveries.accepted + 1)
                if self._changed is not None:
                    self._changed(found)
            message.ack()
        except Exception:  # see above; the scan finds what was lost here
            with self._lock:
                self._deliveries = replace(self._deliveries, failed=self._deliveries.failed + 1)
            log.exception("a notification was dropped")
            with contextlib.suppress(Exception):
                message.ack()

    def _ignore(self, found: Ignored) -> None:
        now = time.monotonic()
        with self._lock:
            counts = self._deliveries
            if found.malformed:
                counts = replace(counts, malformed=counts.malformed + 1)
            else:
                counts = replace(counts, ignored=counts.ignored + 1)
            self._deliveries = counts
            self._state = replace(self._state, last_event=now)
            self._unlogged += 1
            if now - self._logged < _LOG_EVERY:
                return
            count, self._unlogged, self._logged = self._unlogged, 0, now
        level = logging.WARNING if found.malformed else logging.INFO
        log.log(level, "notification ignored: %s (%d since this was last said)", found.why, count)
