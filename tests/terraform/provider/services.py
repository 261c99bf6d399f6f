"""The services behind the stand-in: topics and subscriptions on the Pub/Sub emulator, buckets and notification configs
on a storage emulator, IAM policies in a file. A resource without a service here lives in Terraform's state only.

`PUBSUB_EMULATOR_HOST` and `STORAGE_EMULATOR_HOST` name them, as for Google's own clients, `STANDIN_POLICIES` the file;
unset means state only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

State = dict[str, Any]
TIMEOUT = 20.0


class ServiceError(Exception):
    """An answer that is neither 2xx nor "not found"."""


def call(method: str, url: str, body: object = None) -> Any:
    """The JSON of the answer, or None for 404."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise ServiceError(f"{method} {url}: {error.code} {error.read().decode(errors='replace')[:500]}") from error


class Service(Protocol):
    """One kind of resource on a server. Every method may raise `ServiceError`."""

    def create(self, state: State) -> State:
        """Make it; answers computed values."""
        ...

    def read(self, state: State) -> State | None:
        """The attributes that the server knows, None if it is gone."""
        ...

    def update(self, state: State, changed: frozenset[str]) -> None: ...

    def delete(self, state: State) -> None: ...


class PubSub:
    """Topics and subscriptions, REST reference: https://cloud.google.com/pubsub/docs/reference/rest"""

    def __init__(
        self, host: str, collection: str, body: Callable[[State], State], attributes: Callable[[State], State]
    ):
        self.base, self.collection, self.body, self.attributes = f"http://{host}/v1", collection, body, attributes

    def url(self, state: State) -> str:
        name = urllib.parse.quote(state["name"], safe="")
        return f"{self.base}/projects/{state['project']}/{self.collection}/{name}"

    def create(self, state: State) -> State:
        call("PUT", self.url(state), self.body(state))
        return {}

    def read(self, state: State) -> State | None:
        found = call("GET", self.url(state))
        return None if found is None else self.attributes(found)

    def update(self, state: State, changed: frozenset[str]) -> None:
        body = self.body(state) | {"name": f"projects/{state['project']}/{self.collection}/{state['name']}"}
        # The emulator (0.8.20) refuses to change labels ("labels is not a known Topic field"): they are set once and
        # never read back.
        mask = sorted(_camel(name) for name in changed if name != "labels")
        if mask:
            call("PATCH", self.url(state), {self.collection.removesuffix("s"): body, "updateMask": ",".join(mask)})

    def delete(self, state: State) -> None:
        call("DELETE", self.url(state))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _without_empty(body: State) -> State:
    return {key: value for key, value in body.items() if value not in (None, {}, [])}


def topic_body(state: State) -> State:
    body = {"labels": state["labels"], "messageRetentionDuration": state["message_retention_duration"]}
    if state["message_storage_policy"]:
        regions = state["message_storage_policy"][0]["allowed_persistence_regions"]
        body["messageStoragePolicy"] = {"allowedPersistenceRegions": regions}
    return _without_empty(body | {"kmsKeyName": state["kms_key_name"]})


def topic_attributes(found: State) -> State:
    return {"message_retention_duration": found.get("messageRetentionDuration")}


def subscription_body(state: State) -> State:
    body = {
        "topic": state["topic"],
        "labels": state["labels"],
        "filter": state["filter"],
        "ackDeadlineSeconds": state["ack_deadline_seconds"],
        "messageRetentionDuration": state["message_retention_duration"],
        "retainAckedMessages": state["retain_acked_messages"],
        "enableExactlyOnceDelivery": state["enable_exactly_once_delivery"],
        "enableMessageOrdering": state["enable_message_ordering"],
    }
    if state["retry_policy"]:
        policy = state["retry_policy"][0]
        body["retryPolicy"] = {"minimumBackoff": policy["minimum_backoff"], "maximumBackoff": policy["maximum_backoff"]}
    body = _without_empty(body)
    if state["expiration_policy"]:
        ttl = state["expiration_policy"][0]["ttl"]
        body["expirationPolicy"] = {"ttl": ttl} if ttl else {}  # an empty policy: never
    return body


def subscription_attributes(found: State) -> State:
    retry = found.get("retryPolicy")
    expiration = found.get("expirationPolicy")
    return {
        "topic": found.get("topic"),
        "filter": found.get("filter"),
        "ack_deadline_seconds": found.get("ackDeadlineSeconds"),
        "message_retention_duration": found.get("messageRetentionDuration"),
        "retry_policy": [
            {"minimum_backoff": retry.get("minimumBackoff"), "maximum_backoff": retry.get("maximumBackoff")}
        ]
        if retry
        else [],
        "expiration_policy": [] if expiration is None else [{"ttl": expiration.get("ttl", "")}],
    }


class Notifications:
    """Notification configs: https://cloud.google.com/storage/docs/json_api/v1/notifications"""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/") + "/storage/v1/b"

    def url(self, state: State, one: bool = True) -> str:
        return f"{self.base}/{state['bucket']}/notificationConfigs" + (f"/{state['notification_id']}" if one else "")

    def create(self, state: State) -> State:
        body = _without_empty(
            {
                "topic": "//pubsub.googleapis.com/" + state["topic"].removeprefix("//pubsub.googleapis.com/"),
                "payload_format": state["payload_format"],
                "event_types": state["event_types"],
                "object_name_prefix": state["object_name_prefix"],
                "custom_attributes": state["custom_attributes"],
            }
        )
        made = call("POST", self.url(state, one=False), body)
        if made is None:
            raise ServiceError(f"no bucket {state['bucket']}: create it before its notification config")
        return {"notification_id": str(made["id"]), "self_link": made.get("selfLink", self.url(state, one=False))}

    def read(self, state: State) -> State | None:
        found = call("GET", self.url(state))
        if found is None:
            return None
        return {
            "payload_format": found["payload_format"],
            "event_types": found.get("event_types"),
            "object_name_prefix": found.get("object_name_prefix") or None,
        }

    def update(self, state: State, changed: frozenset[str]) -> None:
        raise ServiceError(f"a notification config cannot be changed in place: {sorted(changed)}")

    def delete(self, state: State) -> None:
        call("DELETE", self.url(state))


class Buckets:
    """Buckets, only as far as others need them to exist: https://cloud.google.com/storage/docs/json_api/v1/buckets"""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/") + "/storage/v1/b"

    def create(self, state: State) -> State:
        call("POST", f"{self.base}?project={state['project']}", {"name": state["name"]})
        return {}

    def read(self, state: State) -> State | None:
        return None if call("GET", f"{self.base}/{state['name']}") is None else {}

    def update(self, state: State, changed: frozenset[str]) -> None:
        return None  # lifecycle, labels and the like live in the state only

    def delete(self, state: State) -> None:
        call("DELETE", f"{self.base}/{state['name']}")


GRANTED_ON: Mapping[str, tuple[str, ...]] = {
    "google_project_iam_member": ("project",),
    "google_pubsub_subscription_iam_member": ("project", "subscription"),
    "google_pubsub_topic_iam_member": ("project", "topic"),
    "google_storage_bucket_iam_member": ("bucket",),
}
"""Which attributes name the resource whose policy it is."""


class Policies:
    """IAM policies: a binding is a role with its condition, and holds each member once. So two resources of Terraform
    that are equal in all three are one membership, and whoever deletes one of them takes it from both.

    https://cloud.google.com/iam/docs/reference/rest/v1/Policy#Binding
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def membership(self, state: State) -> str:
        on = [state[key] for key in GRANTED_ON[self.kind]]
        conditions = [[c["title"], c["description"], c["expression"]] for c in state.get("condition") or []]
        return json.dumps([self.kind, on, state["role"], conditions, state["member"]])

    @contextlib.contextmanager
    def policy(self) -> Iterator[set[str]]:
        with self.path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            members = set(file.read().splitlines())
            yield members
            file.truncate(0)
            file.write("".join(f"{each}\n" for each in sorted(members)))

    def create(self, state: State) -> State:
        with self.policy() as members:
            members.add(self.membership(state))
        return {}

    def read(self, state: State) -> State | None:
        with self.policy() as members:
            return {} if self.membership(state) in members else None

    def update(self, state: State, changed: frozenset[str]) -> None:
        raise ServiceError(f"a membership cannot be changed in place: {sorted(changed)}")

    def delete(self, state: State) -> None:
        with self.policy() as members:
            members.discard(self.membership(state))


def connect() -> dict[str, Service]:
    """The services that the environment names."""
    services: dict[str, Service] = {}
    if host := os.environ.get("PUBSUB_EMULATOR_HOST"):
        services["google_pubsub_topic"] = PubSub(host, "topics", topic_body, topic_attributes)
        services["google_pubsub_subscription"] = PubSub(
            host, "subscriptions", subscription_body, subscription_attributes
        )
    if base := os.environ.get("STORAGE_EMULATOR_HOST"):
        base = base if "://" in base else f"http://{base}"
        services["google_storage_notification"] = Notifications(base)
        services["google_storage_bucket"] = Buckets(base)
    if path := os.environ.get("STANDIN_POLICIES"):
        services |= {kind: Policies(Path(path), kind) for kind in GRANTED_ON}
    return services
