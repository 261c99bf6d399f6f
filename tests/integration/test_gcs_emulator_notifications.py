"""Object changes as a real Pub/Sub emulator hands them to a subscriber."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.emulators import pubsub
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import wait_until

TOPIC = "projects/p/topics/changes"


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with pubsub.pubsub_emulator() as host:
        yield host


@pytest.fixture
def server(emulator: str) -> Iterator[StrictGcs]:
    pubsub.create_topic(emulator, "p", "changes")
    pubsub.create_subscription(emulator, "p", "mine", "changes")
    with strict_gcs(emulator) as running:
        running.create_bucket("bkt")
        yield running
    pubsub.delete_subscription(emulator, "p", "mine")
    pubsub.delete_topic(emulator, "p", "changes")


def received(host: str, count: int) -> list[dict[str, Any]]:
    """The first `count` messages to arrive, acknowledged: attributes and data."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        answer = pubsub.call(host, "POST", "projects/p/subscriptions/mine:pull", {"maxMessages": 100})
        messages = answer.get("receivedMessages", [])
        found.extend(each["message"] for each in messages)
        if messages:
            acks = {"ackIds": [each["ackId"] for each in messages]}
            pubsub.call(host, "POST", "projects/p/subscriptions/mine:acknowledge", acks)
        return len(found) >= count

    wait_until(enough, f"{count} messages")
    assert len(found) == count
    return found


def attributes(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [each["attributes"] for each in messages]


def test_attributes_of_a_new_object(emulator: str, server: StrictGcs) -> None:
    server.notify("bkt", TOPIC)
    blob = server.client().bucket("bkt").blob("pipeline/é.config.yaml")
    blob.upload_from_string(b"data")
    [message] = received(emulator, 1)
    found = message["attributes"]
    assert found.pop("eventTime").endswith("Z")
    assert found == {
        "notificationConfig": "projects/_/buckets/bkt/notificationConfigs/1",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "NONE",
        "bucketId": "bkt",
        "objectId": "pipeline/é.config.yaml",
        "objectGeneration": str(blob.generation),
    }
    assert message.get("data", "") == ""


def test_overwriting_names_both_generations(emulator: str, server: StrictGcs) -> None:
    old = server.put("bkt", "x", b"old").generation
    server.notify("bkt", TOPIC)
    new = server.put("bkt", "x", b"new").generation
    by_type = {each["eventType"]: each for each in attributes(received(emulator, 2))}
    assert by_type["OBJECT_FINALIZE"]["objectGeneration"] == str(new)
    assert by_type["OBJECT_FINALIZE"]["overwroteGeneration"] == str(old)
    assert by_type["OBJECT_DELETE"]["objectGeneration"] == str(old)
    assert by_type["OBJECT_DELETE"]["overwrittenByGeneration"] == str(new)
    assert "overwrittenByGeneration" not in by_type["OBJECT_FINALIZE"]


def test_a_move_tells_both_ends(emulator: str, server: StrictGcs) -> None:
    old = server.put("bkt", "x.config.yaml", b"data").generation
    server.notify("bkt", TOPIC)
    bucket = server.client().bucket("bkt")
    moved = bucket.move_blob(bucket.blob("x.config.yaml"), "x.done.yaml")
    found = {
        (each["eventType"], each["objectId"], each["objectGeneration"]) for each in attributes(received(emulator, 2))
    }
    assert found == {
        ("OBJECT_FINALIZE", "x.done.yaml", str(moved.generation)),
        ("OBJECT_DELETE", "x.config.yaml", str(old)),
    }


def test_only_what_the_configuration_asks_for(emulator: str, server: StrictGcs) -> None:
    server.notify("bkt", TOPIC, prefix="pipeline/", event_types=("OBJECT_FINALIZE",), attributes={"origin": "here"})
    server.put("bkt", "pipeline.poltergust/log", b"")
    server.put("bkt", "pipeline/x", b"")
    bucket = server.client().bucket("bkt")
    bucket.blob("pipeline/x").delete()
    server.put("bkt", "pipeline/y", b"")
    found = attributes(received(emulator, 2))
    assert {each["objectId"] for each in found} == {"pipeline/x", "pipeline/y"}
    assert {each["origin"] for each in found} == {"here"}


def test_payload_is_the_object_resource(emulator: str, server: StrictGcs) -> None:
    client = server.client()
    notification = client.bucket("bkt").notification(
        "changes", topic_project="p", event_types=["OBJECT_METADATA_UPDATE"], payload_format="JSON_API_V1"
    )
    notification.create()
    blob = client.bucket("bkt").blob("x")
    blob.upload_from_string(b"data")
    blob.metadata = {"key": "value"}
    blob.patch()
    [message] = received(emulator, 1)
    assert message["attributes"]["eventType"] == "OBJECT_METADATA_UPDATE"
    resource = json.loads(base64.b64decode(message["data"]))
    assert (resource["name"], resource["metageneration"], resource["metadata"]) == ("x", "2", {"key": "value"})


def test_lost_and_doubled_on_command(emulator: str, server: StrictGcs) -> None:
    server.notify("bkt", TOPIC)
    server.notification_copies(0)
    server.put("bkt", "lost", b"")
    server.notification_copies(2)
    server.put("bkt", "twice", b"")
    assert [each["objectId"] for each in attributes(received(emulator, 2))] == ["twice", "twice"]


def test_an_upload_does_not_fail_by_its_notification(emulator: str, server: StrictGcs) -> None:
    server.notify("bkt", "projects/p/topics/missing")
    server.client().bucket("bkt").blob("x").upload_from_string(b"data")
    wait_until(lambda: server.publish_failures, "the failure to be noted")
    assert "404" in server.publish_failures[0]
    assert server.published == []


def test_configurations_are_kept_and_limited() -> None:
    with strict_gcs() as server:
        server.create_bucket("bkt")
        bucket = server.client().bucket("bkt")
        made = [
            bucket.notification("topic", topic_project="project", event_types=["OBJECT_FINALIZE"]) for _ in range(11)
        ]
        for notification in made[:10]:
            notification.create()
        with pytest.raises(BadRequest):
            made[10].create()
        other = bucket.notification(
            "topic", topic_project="project", event_types=["OBJECT_DELETE"], blob_name_prefix="a/"
        )
        other.create()
        assert len(list(bucket.list_notifications())) == 11
        found = bucket.get_notification(other.notification_id)
        assert (found.blob_name_prefix, found.event_types) == ("a/", ["OBJECT_DELETE"])
        found.delete()
        with pytest.raises(NotFound):
            bucket.get_notification(other.notification_id)
        server.put("bkt", "x", b"")
        wait_until(lambda: len(server.published) == 10, "ten messages")
