"""What the server keeps: objects, buckets, events. Plain values and the rules for names; no I/O, no lock.

Object resource: https://cloud.google.com/storage/docs/json_api/v1/objects#resource
Bucket resource: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import google_crc32c

from tests.emulators.gcs.errors import invalid

Json = dict[str, object]

WRITABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "eventBasedHold",
    "metadata",
    "storageClass",
    "temporaryHold",
)
"""Properties of an object that its owner sets; all else is the server's."""

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True)
class StoredObject:
    """One generation of one object. Times are seconds since the epoch by the server's clock."""

    bucket: str
    name: str
    data: bytes
    generation: int
    metageneration: int
    created: float
    updated: float
    retained_from: float
    """When the bucket's retention period began to count: creation, or the release of an event-based hold."""
    properties: Mapping[str, object]
    crc32c: str
    md5: str | None
    """None for composed objects: https://cloud.google.com/storage/docs/composite-objects"""
    components: int | None = None

    @property
    def held(self) -> str | None:
        """The kind of hold that is on the object, for a person."""
        if self.properties.get("temporaryHold") is True:
            return "Temporary"
        if self.properties.get("eventBasedHold") is True:
            return "Event-Based"
        return None


@dataclass
class Bucket:
    """A bucket and what is in it. `settings` holds the writable properties as they were given."""

    name: str
    project: str
    created: float
    updated: float
    metageneration: int = 1
    settings: Json = field(default_factory=dict)
    objects: dict[str, StoredObject] = field(default_factory=dict)
    notifications: dict[str, Json] = field(default_factory=dict)

    @property
    def retention(self) -> int | None:
        """Seconds every object is kept from its creation, https://cloud.google.com/storage/docs/bucket-lock"""
        policy = self.settings.get("retentionPolicy")
        if not isinstance(policy, dict) or policy.get("retentionPeriod") is None:
            return None
        return int(str(policy["retentionPeriod"]))


@dataclass(frozen=True)
class Event:
    """One change, as a notification tells it: https://cloud.google.com/storage/docs/pubsub-notifications#attributes"""

    type: str
    object: StoredObject
    time: float
    overwrote: int | None = None
    overwritten_by: int | None = None


def crc32c_of(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def check_object_name(name: object) -> str:
    """400 unless `name` obeys https://cloud.google.com/storage/docs/objects#naming.

    1 to 1,024 bytes of UTF-8, no carriage return or line feed, not "." or "..", not below
    ".well-known/acme-challenge/". Other control characters are allowed, and nothing is normalised.
    """
    if not isinstance(name, str) or not name:
        raise invalid("Required object name.")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise invalid("The object name is not valid Unicode.") from None
    if size > 1024:
        raise invalid(f"The maximum object name length is 1024 characters, but got a name with {size} characters.")
    if "\r" in name or "\n" in name:
        raise invalid("Disallowed unicode characters present in object name: carriage return or line feed.")
    if name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name!r}.")
    return name


def check_bucket_name(name: object) -> str:
    """400 unless `name` obeys https://cloud.google.com/storage/docs/buckets#naming (the part a test can trip over)."""
    if not isinstance(name, str) or not _BUCKET_NAME.fullmatch(name) or ".." in name or name.startswith("goog"):
        raise invalid(f"Invalid bucket name: {name!r}")
    if any(len(part) > 63 for part in name.split(".")):
        raise invalid(f"Invalid bucket name: {name!r}")
    return name


def writable(resource: Mapping[str, object]) -> Json:
    """The owner's properties of a resource; `metadata` is checked to map text to text."""
    chosen = {key: resource[key] for key in WRITABLE if resource.get(key) is not None}
    custom = chosen.get("metadata")
    if custom is not None and not (isinstance(custom, dict) and all(isinstance(v, str) for v in custom.values())):
        raise invalid("Invalid metadata: a mapping of text to text was expected.")
    return chosen
