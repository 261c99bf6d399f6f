"""The Pub/Sub source on Google's emulator: what is delivered, what is not, all that can happen to a stream.

The emulator goes on sending to a stream that its client has ended, Google's own client without us too, so that a second
listener of one subscription may wait for leases to run out. Nothing here waits for a message after that.
"""

from __future__ import annotations

import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.api_core import exceptions, grpc_helpers
from google.auth import exceptions as auth
from google.auth.transport.grpc import AuthMetadataPlugin

from poltergust.base.errors import UsageError
from poltergust.sources.pubsub import Named, Own, PubSubSource, stream
from poltergust.sources.pubsub.problems import explain
from poltergust.sources.pubsub.stream import MAX_OUTSTANDING
from tests.emulators import pubsub
from tests.emulators.servers import free_port, wait_until

PREFIX = "gs://bucket/pipeline/"
PROJECT = "project"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pubsub.pubsub_emulator(tmp_path_factory.mktemp("emulator") / "log") as host:
        yield host


@pytest.fixture
def topic(shared: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A topic of the test's own, and a subscription `node` to it."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", shared)
    topic = f"topic-{zlib.crc32(request.node.name.encode())}"
    pubsub.create_topic(shared, PROJECT, topic)
    pubsub.create_subscription(shared, PROJECT, f"node-{topic}", topic)
    return topic


def named(topic: str) -> Named:
    return Named(f"projects/{PROJECT}/subscriptions/node-{topic}")


def own(topic: str) -> Own:
    return Own(f"projects/{PROJECT}/topics/{topic}", "node-1", PREFIX)


@contextmanager
def listening(
    subscription: Named | Own,
    *,
    check_interval: float = 0.2,
    renew_after: float = 3600,
    changed: Callable[[str], None] | None = None,
    longest_retry: float = 0.5,
) -> Iterator[tuple[PubSubSource, list[str]]]:
    heard: list[str] = []
    source = PubSubSource(
        subscription,
        PREFIX,
        check_interval=check_interval,
        renew_after=renew_after,
        retry=(0.05, longest_retry),
        draw=lambda: 0,
    )
    source.start(changed or heard.append)
    try:
        yield source, heard
    finally:
        source.stop()


def url(name: str) -> str:
    return f"gs://bucket/pipeline/{name}"


def test_delivers(shared: str, topic: str) -> None:
    with listening(named(topic)) as (source, heard):
        assert source.state().alive
        assert source.state().problem == ""
        assert source.state().last_event is None
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/ünï code.config.yaml")
        wait_until(lambda: heard, "the notification")
        assert heard == [url("ünï code.config.yaml")]
        assert source.state().last_event is not None
    assert not source.state().alive


def test_acknowledges(shared: str, topic: str) -> None:
    """More than may be outstanding: what is not acknowledged would soon be the last that comes."""
    count = MAX_OUTSTANDING + 200
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "bucket", "objectId": "pipeline/a.config.yaml"}
    with listening(named(topic)) as (_, heard):
        for _ in range(4):
            messages = [{"attributes": attributes}] * (count // 4)
            pubsub.call(shared, "POST", f"projects/{PROJECT}/topics/{topic}:publish", {"messages": messages})
        wait_until(lambda: len(heard) >= count, "all of them")


def test_duplicates_are_all_handed_on(shared: str, topic: str) -> None:
    with listening(named(topic)) as (source, heard):
        for _ in range(100):
            pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/a.config.yaml")
        wait_until(lambda: len(heard) >= 100, "all of them")
        assert set(heard) == {url("a.config.yaml")}
        assert source.deliveries().accepted == len(heard)


def test_what_is_none_of_ours_is_counted_and_does_no_harm(
    shared: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"eventType": "OBJECT_FINALIZE", "bucketId": "bucket", "objectId": "pipeline/x.config.yaml"}
    malformed: list[dict[str, str]] = [
        {"some": "thing"},
        {key: value for key, value in good.items() if key != "objectId"},
        good | {"bucketId": "bucket/pipeline"},
        good | {"objectId": "pipeline/" + "x" * 1020},
    ]
    ignored = [
        good | {"eventType": "OBJECT_DELETE"},
        good | {"eventType": "\x1b]0;owned\x07\n\x1b[31m"},
        good | {"bucketId": "bucket2"},
        good | {"objectId": "pipeline2/x.config.yaml"},
        good | {"objectId": "pipeline.poltergust/nodes/n.json"},
    ]
    with caplog.at_level(logging.INFO, "poltergust"), listening(named(topic)) as (source, heard):
        for attributes in malformed + ignored:
            pubsub.publish(shared, PROJECT, topic, attributes, b"\x00\xff not looked at")
        wait_until(
            lambda: (source.deliveries().malformed, source.deliveries().ignored) == (len(malformed), len(ignored)),
            "all of them to be counted",
        )
        pubsub.publish(shared, PROJECT, topic, good)
        wait_until(lambda: heard, "the good one")
        assert heard == [url("x.config.yaml")]
    said = [record for record in caplog.records if "notification ignored" in record.getMessage()]
    assert len(said) == 1, "not rate-limited"
    assert "\x1b" not in caplog.text


def test_a_receiver_that_raises_is_not_asked_for_ever(
    shared: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def changed(url: str) -> None:
        calls.append(url)
        if url.endswith("bad.config.yaml"):
            raise RuntimeError("ours")

    with listening(named(topic), changed=changed) as (source, _):
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/bad.config.yaml")
        wait_until(lambda: source.deliveries().failed, "the failure to be counted")
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/good.config.yaml")
        wait_until(lambda: url("good.config.yaml") in calls, "the good one")
    assert calls == [url("bad.config.yaml"), url("good.config.yaml")]
    assert "a notification was dropped" in caplog.text


def test_a_subscription_deleted_and_made_again(shared: str, topic: str) -> None:
    with listening(named(topic), check_interval=3600) as (source, heard):
        pubsub.delete_subscription(shared, PROJECT, f"node-{topic}")
        wait_until(lambda: not source.state().alive, "the loss to be noticed")
        assert "does not exist; create it" in source.state().problem
        pubsub.create_subscription(shared, PROJECT, f"node-{topic}", topic)
        wait_until(lambda: source.state().alive, "the stream to be back")
        assert source.state().problem == ""
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/a.config.yaml")
        wait_until(lambda: heard, "the notification")


def test_a_missing_subscription_is_waited_for(shared: str, topic: str) -> None:
    pubsub.delete_subscription(shared, PROJECT, f"node-{topic}")
    with listening(named(topic)) as (source, _):
        assert not source.state().alive
        assert source.state().problem == (
            f"subscription projects/project/subscriptions/node-{topic} does not exist; "
            "create it, or correct --subscription, or let the node make one with --topic"
        )
        pubsub.create_subscription(shared, PROJECT, f"node-{topic}", topic)
        wait_until(lambda: source.state().alive, "the stream")


def test_a_deleted_topic_is_noticed(shared: str, topic: str) -> None:
    with listening(named(topic)) as (source, _):
        pubsub.delete_topic(shared, PROJECT, topic)
        wait_until(lambda: "its topic was deleted" in source.state().problem, "the deleted topic to be noticed")
        assert not source.state().alive
        pubsub.create_topic(shared, PROJECT, topic)
        pubsub.delete_subscription(shared, PROJECT, f"node-{topic}")
        pubsub.create_subscription(shared, PROJECT, f"node-{topic}", topic)
        wait_until(lambda: source.state().alive, "the stream to be back")
        assert source.state().problem == ""


def test_own_subscription_lives_as_long_as_the_node(shared: str, topic: str) -> None:
    subscription = own(topic)
    short = subscription.name.rpartition("/")[2]
    with listening(subscription) as (source, heard):
        assert source.state().alive
        stored = pubsub.subscription(shared, PROJECT, short)
        assert stored is not None
        assert stored["topic"] == subscription.topic
        assert stored["messageRetentionDuration"] == "3600s"
        assert stored["expirationPolicy"] == {"ttl": "86400s"}
        assert stored["filter"] == subscription.filter
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/a.config.yaml")
        wait_until(lambda: heard, "the notification")
    assert pubsub.subscription(shared, PROJECT, short) is None


def test_own_subscription_of_an_earlier_life_is_used_again(shared: str, topic: str) -> None:
    subscription = own(topic)
    pubsub.create_subscription(shared, PROJECT, subscription.name.rpartition("/")[2], topic)
    pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/missed.config.yaml")
    with listening(subscription) as (_, heard):
        wait_until(lambda: heard, "what was written while the node was dead")


def test_own_subscription_is_made_again(shared: str, topic: str) -> None:
    subscription = own(topic)
    short = subscription.name.rpartition("/")[2]
    with listening(subscription) as (source, _):
        pubsub.delete_subscription(shared, PROJECT, short)
        wait_until(lambda: source.deliveries().streams == 2 and source.state().alive, "a new stream")
        pubsub.delete_topic(shared, PROJECT, topic)
        wait_until(lambda: "does not exist; create it, or correct --topic" in source.state().problem, "the problem")
        pubsub.create_topic(shared, PROJECT, topic)
        wait_until(lambda: source.state().alive, "the stream to be back")
        stored = pubsub.subscription(shared, PROJECT, short)
        assert stored is not None
        assert stored["topic"] == subscription.topic
    assert pubsub.subscription(shared, PROJECT, short) is None


def test_own_orphan_of_a_topic_made_again_while_nobody_looked(shared: str, topic: str) -> None:
    subscription = own(topic)
    pubsub.create_subscription(shared, PROJECT, subscription.name.rpartition("/")[2], topic)
    pubsub.delete_topic(shared, PROJECT, topic)
    pubsub.create_topic(shared, PROJECT, topic)
    with listening(subscription) as (source, heard):
        assert source.state().alive
        pubsub.finalize(shared, PROJECT, topic, "bucket", "pipeline/a.config.yaml")
        wait_until(lambda: heard, "the notification")


def test_own_subscription_is_removed_although_stopped_while_in_trouble(shared: str, topic: str) -> None:
    subscription = own(topic)
    with listening(subscription) as (source, _):
        pubsub.delete_topic(shared, PROJECT, topic)
        wait_until(lambda: source.state().problem, "the problem")
    assert pubsub.subscription(shared, PROJECT, subscription.name.rpartition("/")[2]) is None


def test_a_silent_stream_is_opened_again(shared: str, topic: str) -> None:
    with listening(named(topic), check_interval=0.05, renew_after=0.2) as (source, _):
        wait_until(lambda: source.deliveries().streams >= 3, "new streams")
        assert source.state().alive
        assert source.state().problem == ""


def test_an_emulator_killed_and_started_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    with emulator_switch(tmp_path, port) as (start, kill):
        host = start()
        pubsub.create_topic(host, PROJECT, "topic")
        with listening(own("topic")) as (source, heard):
            assert source.state().alive
            kill()
            wait_until(lambda: "does not answer" in source.state().problem, "the outage to be noticed")
            assert not source.state().alive
            start()
            wait_until(lambda: "does not exist" in source.state().problem, "the empty server to be noticed")
            pubsub.create_topic(host, PROJECT, "topic")
            wait_until(lambda: source.state().alive, "the stream to be back")
            pubsub.finalize(host, PROJECT, "topic", "bucket", "pipeline/a.config.yaml")
            wait_until(lambda: heard, "the notification")
            kill()
        # Left with the server down: no hang, no traceback.


def test_an_emulator_killed_before_a_message_is_acknowledged_kills_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Google's threads are in the middle of acknowledging it and of renewing its lease when the stream is given up."""
    monkeypatch.setattr(stream, "_CLOSE_SECONDS", 1.0)
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    # Google's client does not hand on what it logs to the root's handlers.
    monkeypatch.setattr(logging.getLogger("google"), "handlers", [caplog.handler])
    caplog.set_level(logging.DEBUG, "google.cloud.pubsub_v1")

    def logged(message: str) -> bool:
        return message in [each.getMessage() for each in caplog.records]

    port = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    with emulator_switch(tmp_path, port) as (start, kill):
        subscription = Named("projects/project/subscriptions/node")

        def start_with_subscription() -> str:
            host = start()
            pubsub.create_topic(host, PROJECT, "topic")
            pubsub.create_subscription(host, PROJECT, "node", "topic")
            return host

        host = start_with_subscription()
        # An outage is tolerated for longer than Google's client takes until it renews a lease: 9 s.
        with listening(subscription, changed=lambda _: kill(), longest_retry=12.0) as (source, _):
            pubsub.finalize(host, PROJECT, "topic", "bucket", "pipeline/a.config.yaml")
            wait_until(lambda: logged("Renewing lease for 1 ack IDs."), "a renewal that nobody answers")
            wait_until(lambda: logged("Finished stopping manager."), "the stream to be given up")
            start_with_subscription()
            wait_until(lambda: source.state().alive, "a new stream")
    assert died == []
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING and each.exc_info]


@contextmanager
def emulator_switch(folder: Path, port: int) -> Iterator[tuple[Callable[[], str], Callable[[], None]]]:
    """Start and stop an emulator on a fixed port, as often as wanted."""
    stack = ExitStack()

    def start() -> str:
        return stack.enter_context(pubsub.pubsub_emulator(folder / "log", port))

    with stack:
        yield start, stack.close


def test_streams_made_again_leave_no_thread_and_no_descriptor(shared: str, topic: str) -> None:
    def usage() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    with listening(named(topic), check_interval=3600) as (source, _):
        counts = []
        for round_ in range(8):
            wait_until(lambda: source.state().alive, "the stream")
            wait_until(lambda before=round_: source.deliveries().streams == before + 1, "one stream a round")  # type: ignore[misc]
            counts.append(usage())
            pubsub.delete_subscription(shared, PROJECT, f"node-{topic}")
            wait_until(lambda: not source.state().alive, "the loss to be noticed")
            pubsub.create_subscription(shared, PROJECT, f"node-{topic}", topic)
    assert max(counts[3:]) <= max(counts[:3]), counts
    wait_until(lambda: not [each for each in threading.enumerate() if "pubsub" in each.name.lower()], "no thread")


class Guarded:
    """A gRPC server with what the emulator lacks, permissions: never to look, and to read until it is taken away."""

    def __init__(self) -> None:
        self.granted = threading.Event()
        self.granted.set()
        self._ending = threading.Event()

    def service(self, call: Any) -> Any:
        if call.method.endswith("/StreamingPull"):
            return grpc.stream_stream_rpc_method_handler(self._pull)
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    def _pull(self, _: Any, context: Any) -> Iterator[bytes]:
        while self.granted.is_set() and context.is_active() and not self._ending.is_set():
            self._ending.wait(0.05)
        if not self.granted.is_set():
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action.")
        yield from ()

    def _refuse(self, _: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action.")
        raise AssertionError("abort raises")

    @contextmanager
    def serving(self) -> Iterator[str]:
        server = grpc.server(ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers([self])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            self._ending.set()
            server.stop(grace=1).wait(30)


def test_a_subscription_that_becomes_one_that_pushes(shared: str, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    name = f"projects/{PROJECT}/subscriptions/node-{topic}"

    def push_to(endpoint: dict[str, str]) -> None:
        pubsub.call(shared, "POST", f"{name}:modifyPushConfig", {"pushConfig": endpoint})

    push_to({"pushEndpoint": "http://127.0.0.1:9/"})
    with caplog.at_level(logging.INFO, "poltergust"), listening(named(topic)) as (source, _):
        assert source.state().problem == (
            f"subscription {name} cannot be read (it delivers elsewhere, by push or export); "
            "make it again as one that a node pulls from"
        )
        assert not source.state().alive
        assert source.deliveries().streams == 0, "no stream that says for a moment that all is well"
        push_to({})
        wait_until(lambda: source.state().alive, "the stream")
        push_to({"pushEndpoint": "http://127.0.0.1:9/"})
        wait_until(lambda: "cannot be read" in source.state().problem, "the change to be noticed")
    assert not [each for each in caplog.records if "does not answer" in each.getMessage() or each.exc_info]


def test_permissions_taken_away_and_given_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = Guarded()
    with guarded.serving() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        subscription = Named("projects/project/subscriptions/node-1")
        with caplog.at_level(logging.INFO, "poltergust"), listening(subscription) as (source, _):
            assert source.state().alive, "without the right to look at a subscription it can be read all the same"
            guarded.granted.clear()
            wait_until(lambda: source.state().problem, "the loss of the right to read")
            assert not source.state().alive
            assert source.state().problem == (
                "not allowed to read subscription projects/project/subscriptions/node-1; "
                "grant the node roles/pubsub.subscriber on it"
            )
            guarded.granted.set()
            wait_until(lambda: source.state().alive, "the stream to be back")
            assert source.state().problem == ""
    assert len([each for each in caplog.records if "cannot be checked" in each.getMessage()]) == 1


class Expired:
    """Credentials whose refresh token was revoked."""

    def before_request(self, *_: object) -> None:
        raise auth.RefreshError("invalid_grant: Token has been expired or revoked.")  # type: ignore[no-untyped-call]


def test_expired_credentials_are_not_called_a_network_that_is_down() -> None:
    """gRPC makes the same UNAVAILABLE of both."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    server.start()
    plugin = grpc.metadata_call_credentials(AuthMetadataPlugin(Expired(), None))  # type: ignore[no-untyped-call]
    credentials = grpc.composite_channel_credentials(grpc.local_channel_credentials(), plugin)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        call = channel.unary_unary("/google.pubsub.v1.Subscriber/GetSubscription")
        ask = grpc_helpers.wrap_errors(call)  # type: ignore[no-untyped-call]
        with pytest.raises(exceptions.ServiceUnavailable) as found:
            ask(b"", timeout=60)
    server.stop(grace=None).wait(30)
    assert explain(found.value, "projects/p/subscriptions/s", None) == (
        "subscription projects/p/subscriptions/s: the node's credentials give no access "
        "(invalid_grant: Token has been expired or revoked.); renew them, or check the network"
    )


def test_an_own_subscription_that_may_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with Guarded().serving() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        with listening(own("topic")) as (source, _):
            assert not source.state().alive
            assert "grant the node pubsub.subscriptions.create" in source.state().problem


def test_no_credentials_is_one_line_for_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    source = PubSubSource(Named("projects/p/subscriptions/sub"), PREFIX)
    with pytest.raises(UsageError, match="no Google credentials found") as caught:
        source.start(lambda _: None)
    assert "\n" not in str(caught.value)
    source.stop()
