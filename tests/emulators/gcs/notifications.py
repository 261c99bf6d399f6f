"""Object changes told to Pub/Sub, in the background: an upload never waits for it and never fails by it.

https://cloud.google.com/storage/docs/pubsub-notifications: at least once, no order promised, and the attributes of
`attributes()` below. Messages go to a Pub/Sub emulator over its REST interface,
https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from tests.emulators.gcs.model import Bucket, Event, Json
from tests.emulators.gcs.resources import object_resource, timestamp

_TRIES = 5


@dataclass(frozen=True)
class Message:
    """One message for one topic (`projects/p/topics/t`)."""

    topic: str
    attributes: Mapping[str, str]
    data: bytes


def messages(bucket: Bucket, event: Event, base: str) -> list[Message]:
    """What the bucket's notification configurations make of one change."""
    made = []
    for key, config in bucket.notifications.items():
        types, prefix = config.get("event_types"), config.get("object_name_prefix")
        if isinstance(types, list) and types and event.type not in types:
            continue
        if isinstance(prefix, str) and not event.object.name.startswith(prefix):
            continue
        payload = b""
        if config["payload_format"] == "JSON_API_V1":
            payload = json.dumps(object_resource(event.object, base, bucket.retention)).encode()
        topic = str(config["topic"]).removeprefix("//pubsub.googleapis.com/")
        made.append(Message(topic, attributes(key, config, event), payload))
    return made


def attributes(key: str, config: Json, event: Event) -> dict[str, str]:
    """https://cloud.google.com/storage/docs/pubsub-notifications#attributes"""
    custom = config.get("custom_attributes")
    made = {str(name): str(value) for name, value in custom.items()} if isinstance(custom, dict) else {}
    made |= {
        "notificationConfig": f"projects/_/buckets/{event.object.bucket}/notificationConfigs/{key}",
        "eventType": event.type,
        "payloadFormat": str(config["payload_format"]),
        "bucketId": event.object.bucket,
        "objectId": event.object.name,
        "objectGeneration": str(event.object.generation),
        "eventTime": timestamp(event.time, digits=6),
    }
    if event.overwrote is not None:
        made["overwroteGeneration"] = str(event.overwrote)
    if event.overwritten_by is not None:
        made["overwrittenByGeneration"] = str(event.overwritten_by)
    return made


class Publisher:
    """A thread that publishes. `copies` is how often each message goes out: 0 loses it, 2 duplicates it."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gcs-notifications", daemon=True)
        self.copies = 1
        self.published: list[Message] = []
        """Every message that Pub/Sub took (or, without Pub/Sub, would have been sent)."""
        self.failures: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def put(self, each: list[Message]) -> None:
        for message in each:
            for _ in range(self.copies):
                self._queue.put(message)

    def clear(self) -> None:
        """Forget what is not yet sent and what was."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self.copies = 1
        self.published.clear()
        self.failures.clear()

    def close(self) -> None:
        self._stop.set()
        self._queue.put(None)
        self._thread.join(30)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        failure = ""
        for attempt in range(_TRIES):
            if attempt and self._stop.wait(0.1 * 2**attempt):
                break
            try:
                status, failure = publish(self._address, message) if self._address else (200, "")
            except (OSError, http.client.HTTPException) as error:
                status, failure = 503, f"{type(error).__name__}: {error}"
            if status == 200:
                self.published.append(message)
                return
            if status < 500:
                break  # no such topic: trying again would only delay the messages behind it
        self.failures.append(f"{message.topic}: {failure}")


def publish(address: str, message: Message) -> tuple[int, str]:
    """Send one message; the answer's status and text."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        body = {"attributes": dict(message.attributes), "data": base64.b64encode(message.data).decode()}
        connection.request(
            "POST",
            f"/v1/{message.topic}:publish",
            json.dumps({"messages": [body]}),
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        return answer.status, f"{answer.status} {answer.read().decode(errors='replace')[:200]}"
    finally:
        connection.close()
