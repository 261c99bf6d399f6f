"""Subscriptions: full names from short ones, one of a node's own, and whether one still has its topic.

A node's own subscription is for a fleet whose size nobody knows beforehand: made when the node starts, removed when it
stops, and expired by Pub/Sub a day after a node that died.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import google.auth
from google.api_core import exceptions
from google.auth import exceptions as auth

from poltergust.base.errors import UsageError
from poltergust.base.urls import split_cloud
from poltergust.sources.pubsub.notifications import printable
from poltergust.sources.pubsub.problems import NotPulled, TopicDeleted

TIMEOUT = 20.0
"""Seconds for each call about a subscription."""

DELETED_TOPIC = "_deleted-topic_"
"""What `topic` reads once the topic is gone:
https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#Subscription.FIELDS.topic"""

MAX_FILTER = 256
"""Bytes: https://cloud.google.com/pubsub/docs/subscription-message-filter"""

_RETENTION = timedelta(hours=1)  # the scan finds what is older, at the start if not before
_EXPIRATION = timedelta(days=1)  # the least there is; must not be below the retention
_ACK_DEADLINE = 30  # seconds; messages are acknowledged as they come

_RECORDS_OF_A_BUCKET = ".poltergust/"
"""Where nodes write when their path is a whole bucket; see `path.layout`, which is above this room."""

# Letters, digits and -_.~+%, 3 to 255 of them, a letter first: https://cloud.google.com/pubsub/docs/pubsub-basics
_ID = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_PLAIN = re.compile(r"[A-Za-z0-9 /._=+-]*")


@dataclass(frozen=True)
class Named:
    """A subscription that somebody made for this node. `name` is a full one. Never made again here when it is gone: its
    filter, grants and owner are not known."""

    name: str
    topic: None = None


@dataclass(frozen=True)
class Own:
    """A subscription the node makes for itself. `topic` is a full name; the subscription lives in its project.
    `prefix` is the URL that it listens below, with a slash at its end."""

    topic: str
    node: str
    prefix: str

    @property
    def name(self) -> str:
        """Named after the node, and after what it listens to: two agents of one machine never share one."""
        root = self.prefix.removesuffix("/")
        what = hashlib.sha256("\n".join([self.topic, root, self.filter]).encode()).hexdigest()[:8]
        node = re.sub(r"[^A-Za-z0-9._~+%-]", "-", self.node)[:200]
        return f"projects/{self.topic.split('/')[1]}/subscriptions/poltergust-{node}-{what}"

    @property
    def filter(self) -> str:
        """Finalized objects below the path, as far as that can be said in 256 bytes of plain text. Of a whole bucket,
        not what the nodes write there themselves."""
        bucket, key = split_cloud(self.prefix)
        text = 'attributes.eventType = "OBJECT_FINALIZE"'
        if not key:
            text += f' AND NOT hasPrefix(attributes.objectId, "{_RECORDS_OF_A_BUCKET}")'
        for value, clause in (
            (key, f'hasPrefix(attributes.objectId, "{key}")'),
            (bucket, f'attributes.bucketId = "{bucket}"'),
        ):
            longer = f"{text} AND {clause}"
            if value and _PLAIN.fullmatch(value) and len(longer) <= MAX_FILTER:
                text = longer
        return text

    def create(self, client: Any) -> None:
        """Make it unless it is there. Raises Google's errors, NotFound if the topic is missing."""
        request = {
            "name": self.name,
            "topic": self.topic,
            "filter": self.filter,
            "ack_deadline_seconds": _ACK_DEADLINE,
            "message_retention_duration": _RETENTION,
            "expiration_policy": {"ttl": _EXPIRATION},
            "labels": {"made-by": "poltergust"},
        }
        try:
            client.create_subscription(request=request, retry=None, timeout=TIMEOUT)
        except exceptions.AlreadyExists:
            # From before, of this topic and with this filter: both are part of the name. If the topic was deleted and
            # made again it is an orphan all the same.
            found = look(client, self.name)
            if found is not None and (found.topic == DELETED_TOPIC or found.detached):
                self.remove(client)
                client.create_subscription(request=request, retry=None, timeout=TIMEOUT)

    def remove(self, client: Any) -> None:
        """Delete it; missing is fine. Raises Google's errors."""
        try:
            client.delete_subscription(request={"subscription": self.name}, retry=None, timeout=TIMEOUT)
        except exceptions.NotFound:
            return


def look(client: Any, subscription: str) -> Any | None:
    """The subscription as it is now; None if the node may not ask (``pubsub.subscriptions.get`` is not in
    roles/pubsub.subscriber). Raises Google's errors, NotFound if there is no such subscription."""
    try:
        return client.get_subscription(request={"subscription": subscription}, retry=None, timeout=TIMEOUT)
    except exceptions.PermissionDenied:
        return None


def check(client: Any, subscription: str) -> bool:
    """Raise what is wrong with the subscription; False if the node may not ask."""
    found = look(client, subscription)
    if found is None:
        return False
    if found.topic == DELETED_TOPIC:
        raise TopicDeleted
    if delivers_elsewhere(found):
        raise NotPulled("it delivers elsewhere, by push or export")
    if found.detached:
        raise NotPulled("it is detached from its topic")
    return True


def delivers_elsewhere(found: Any) -> bool:
    """Whether Pub/Sub itself hands the messages of that subscription on, so that nobody may pull them."""
    return bool(found.push_config.push_endpoint or found.bigquery_config.table or found.cloud_storage_config.bucket)


def project_of_credentials() -> str | None:
    """The project that Google's default credentials name, if any. Raises `UsageError` if they cannot be read."""
    try:
        project = google.auth.default()[1]
    except auth.DefaultCredentialsError:
        return None
    except (OSError, AttributeError) as error:  # may not be read, is a folder, holds something else
        raise UsageError(
            f"Google's credentials cannot be read ({printable(str(error), 200)}); set GOOGLE_APPLICATION_CREDENTIALS "
            "to a key file that this user may read"
        ) from None
    return None if project is None else str(project)


def full_subscription(name: str, project: str | None) -> str:
    """``projects/P/subscriptions/S`` from that or from S. Raises UsageError if it cannot be one."""
    return _full("subscription", name, project)


def full_topic(name: str, project: str | None) -> str:
    """``projects/P/topics/T`` from that or from T. Raises UsageError if it cannot be one."""
    return _full("topic", name, project)


def _full(kind: str, name: str, project: str | None) -> str:
    parts = name.split("/")
    if len(parts) == 1:
        if not project:
            raise UsageError(
                f"--{kind} {name!r} is a short name and the credentials name no project; "
                f"give --project, or projects/PROJECT/{kind}s/{name}"
            )
        parts = ["projects", project, f"{kind}s", name]
    if (
        len(parts) != 4
        or (parts[0], parts[2]) != ("projects", f"{kind}s")
        or not re.fullmatch(r"[A-Za-z0-9.:_-]+", parts[1])
        or not _ID.fullmatch(parts[3])
        or parts[3].lower().startswith("goog")
    ):
        raise UsageError(
            f"--{kind} {name!r} is not a {kind}'s name; expected projects/PROJECT/{kind}s/NAME, the name of 3 to 255 "
            "letters, digits and -_.~+% beginning with a letter and not with goog"
        )
    return "/".join(parts)
