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

from poltergust.base.backoff import Backoff
from poltergust.base.errors import UsageError
from poltergust.base.loops import Loop
from poltergust.sources import Changed, SourceState
from poltergust.sources.pubsub import subscriptions
from poltergust.sources.pubsub.notifications import Ignored, object_url, printable
from poltergust.sources.pubsub.problems import Errors, NotPulled, StreamEnded, TopicDeleted, Unreachable, explain
from poltergust.sources.pubsub.stream import (
    StreamClient,
    end_stream,
    open_stream,
    silence_expected_errors,
    wait_without_polling,
)

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 1.0
"""In this time a stream that may not be opened has failed, where nothing else would show it."""

_STOP_SECONDS = 60.0
"""`stop` waits no longer: for a stream that does not end, and for the removal of an own subscription."""

_FIRST_TRY_SECONDS = 60.0
"""`start` waits no longer for the first try."""

_LOG_INTERVAL_SECONDS = 60.0
"""Between two lines about messages that are none of ours."""


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
        stream open and silent; a stream that was silent for `renew_after` is opened again, because one can go silent
        for no reason; `retry` is the first and the largest delay before a stream is opened again, `draw` its jitter."""
        self._subscription = subscription
        self._prefix = prefix
        self._check_interval = check_interval
        self._renew_after = renew_after
        self._retry = retry
        self._backoff = Backoff(*retry, draw=draw)
        self._loop = Loop(
            "pubsub-source", self._serve, failed=self._failed, backoff=self._backoff, ended=self._remove_own
        )
        # Set when the stream ended or the source is to stop: the thread checks which.
        self._interrupted = threading.Event()
        # Set once the first try to open a stream succeeded or failed.
        self._tried = threading.Event()
        # Why the first client could not be made at all; `start` raises it.
        self._refused: UsageError | None = None
        self._changed: Changed | None = None
        # Guards the four below.
        self._lock = threading.Lock()
        self._state = SourceState(alive=False, last_event=None, problem="not connected yet")
        self._deliveries = Deliveries()
        # Messages not logged since the last line about such, and when that was.
        self._unlogged = 0
        self._logged = float("-inf")
        # Whether the log has that the subscription cannot be checked. Of the thread only.
        self._unchecked_logged = False

    def start(self, changed: Changed) -> None:
        """Raises UsageError if there are no credentials."""
        self._changed = changed
        silence_expected_errors()
        wait_without_polling()
        self._loop.start()
        self._tried.wait(_FIRST_TRY_SECONDS)
        if self._refused is not None:
            self._loop.join()
            raise self._refused

    def stop(self) -> None:
        """Prompt; up to about 10 s while Pub/Sub does not answer (Google's client waits between its attempts)."""
        self._loop.request_stop()
        self._interrupted.set()
        if not self._loop.stop(_STOP_SECONDS):
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

    def _serve(self) -> float | None:
        """One stream, from its opening to its end. Returns when it was silent for too long, when the source is to stop,
        or (None) if this node has no credentials at all."""
        began = time.monotonic()
        try:
            with StreamClient() as client:
                if isinstance(self._subscription, subscriptions.Own):
                    self._subscription.create(client)
                checkable = self._check(client)
                self._stream(client, checkable)
        except auth.DefaultCredentialsError:
            if self._tried.is_set():
                raise
            self._refused = UsageError(
                "no Google credentials found; run gcloud auth application-default login, or set "
                "GOOGLE_APPLICATION_CREDENTIALS to a key file, or PUBSUB_EMULATOR_HOST for an emulator"
            )
            self._tried.set()
            return None
        except Exception:
            if time.monotonic() - began > self._retry[1]:
                self._backoff.forget()  # a stream that held for a while was a good one
            raise
        return 0.0

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, (*Errors, TopicDeleted, NotPulled, StreamEnded)):
            log.error("unexpected trouble with subscription %s", self._subscription.name, exc_info=error)
        self._report(error)

    def _report(self, error: Exception) -> None:
        problem = explain(error, self._subscription.name, self._subscription.topic)
        if problem != self.state().problem:
            log.warning("%s", problem)
        self._set_state(alive=False, problem=problem)
        self._tried.set()

    def _stream(self, client: Any, checkable: bool) -> None:
        self._interrupted.clear()
        if self._loop.stopping.is_set():
            return
        future = open_stream(client, self._subscription.name, self._receive)
        future.add_done_callback(lambda _: self._interrupted.set())
        try:
            with self._lock:
                self._deliveries = replace(self._deliveries, streams=self._deliveries.streams + 1)
            if not checkable:
                self._interrupted.wait(_SETTLE_SECONDS)
            self._watch(client, future)
            if future.done() and not self._loop.stopping.is_set():
                raise future.exception(0) or StreamEnded
        finally:
            end_stream(future, client)

    def _watch(self, client: Any, future: Any) -> None:
        """Stay until the stream ended, was silent for too long, cannot deliver any more, or the source is to stop."""
        opened = time.monotonic()
        outage: float | None = None
        while not (future.done() or self._loop.stopping.is_set()):
            if outage is None:
                if self.state().problem:
                    log.info("listening to subscription %s", self._subscription.name)
                self._set_state(alive=True, problem="")
                self._tried.set()
            pause = self._check_interval if outage is None else min(self._check_interval, self._retry[0] * 5)
            self._interrupted.wait(pause)
            if future.done() or self._loop.stopping.is_set():
                return
            now = time.monotonic()
            try:
                self._check(client)
                outage = None
            except Unreachable as error:
                # The stream recovers by itself; but a channel that failed for long tries only every two minutes
                # (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md): a new one is quicker then.
                self._report(error)
                outage = outage or now
                if now - outage > self._retry[1]:
                    raise
            except (*Errors, TopicDeleted, NotPulled) as error:
                self._report(error)  # now, because ending the stream takes its time
                raise
            if outage is None and now - max(opened, self.state().last_event or opened) > self._renew_after:
                log.debug("nothing heard for %.0f s: opening a new stream", self._renew_after)
                return

    def _check(self, client: Any) -> bool:
        checkable = subscriptions.check(client, self._subscription.name)
        if not checkable and not self._unchecked_logged:
            self._unchecked_logged = True
            log.info(
                "subscription %s cannot be checked for a deleted topic: the node has no pubsub.subscriptions.get on it "
                "(roles/pubsub.viewer); the scan covers that case",
                self._subscription.name,
            )
        return checkable

    def _remove_own(self) -> None:
        own = self._subscription
        if self._refused is not None or not isinstance(own, subscriptions.Own):
            return
        try:
            with pubsub_v1.SubscriberClient() as client:
                own.remove(client)
        except Errors as error:
            log.warning("%s is not removed (%s); it expires by itself", own.name, printable(str(error), 200))

    def _set_state(self, *, alive: bool, problem: str) -> None:
        with self._lock:
            self._state = replace(self._state, alive=alive, problem=problem)

    # The stream's consumer thread.

    def _receive(self, message: Any) -> None:
        """The callback. Never raises: a message whose callback did comes again at once, for ever."""
        try:
            if self._loop.stopping.is_set():
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
            if now - self._logged < _LOG_INTERVAL_SECONDS:
                return
            count, self._unlogged, self._logged = self._unlogged, 0, now
        level = logging.WARNING if found.malformed else logging.INFO
        log.log(level, "notification ignored: %s (%d since the last such line)", found.why, count)
