"""Objects and buckets as JSON resources, partial responses, times. Pure.

https://cloud.google.com/storage/docs/json_api/v1/objects#resource
https://cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from urllib.parse import quote

from tests.emulators.gcs.errors import invalid
from tests.emulators.gcs.model import Bucket, Json, StoredObject


def timestamp(seconds: float, digits: int = 3) -> str:
    """RFC 3339 in UTC: milliseconds in resources, microseconds in notifications."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[: 20 + digits] + "Z"


def etag(generation: int, metageneration: int) -> str:
    """Opaque; differs whenever data or metadata do, https://cloud.google.com/storage/docs/hashes-etags#etags"""
    return base64.b64encode(f"{generation}/{metageneration}".encode()).decode()


def object_resource(found: StoredObject, base: str, retention: int | None = None) -> Json:
    """`base` is the server's own address as the client wrote it, so that links lead back here."""
    where = f"storage/v1/b/{found.bucket}/o/{quote(found.name, safe='')}"
    made: Json = {
        "kind": "storage#object",
        "id": f"{found.bucket}/{found.name}/{found.generation}",
        "selfLink": f"{base}/{where}",
        "mediaLink": f"{base}/download/{where}?generation={found.generation}&alt=media",
        "name": found.name,
        "bucket": found.bucket,
        "generation": str(found.generation),
        "metageneration": str(found.metageneration),
        "storageClass": "STANDARD",
        "size": str(len(found.data)),
        "crc32c": found.crc32c,
        "etag": etag(found.generation, found.metageneration),
        "timeCreated": timestamp(found.created),
        "updated": timestamp(found.updated),
        "timeStorageClassUpdated": timestamp(found.created),
        "timeFinalized": timestamp(found.created),
        **found.properties,
    }
    if found.md5 is not None:
        made["md5Hash"] = found.md5
    if found.components is not None:
        made["componentCount"] = found.components
    if retention is not None and found.properties.get("eventBasedHold") is not True:
        made["retentionExpirationTime"] = timestamp(found.retained_from + retention)
    return made


def bucket_resource(bucket: Bucket, base: str) -> Json:
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{base}/storage/v1/b/{bucket.name}",
        "name": bucket.name,
        "projectNumber": "123456789012",
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        "metageneration": str(bucket.metageneration),
        "etag": etag(0, bucket.metageneration),
        "timeCreated": timestamp(bucket.created),
        "updated": timestamp(bucket.updated),
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "inherited"},
        **bucket.settings,
    }


def merged(old: Mapping[str, object], changes: Mapping[str, object]) -> Json:
    """Patch semantics: null removes, mappings merge, all else replaces.

    https://cloud.google.com/storage/docs/json_api#patch
    """
    made = dict(old)
    for key, value in changes.items():
        before = made.get(key)
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            made[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            made[key] = value
    return made


def selected(resource: object, fields: str) -> object:
    """What `fields` leaves of a resource: `a,b`, `a/b`, `a(b,c)`, `*`. What is not named is not there.

    A listing whose fields leave out nextPageToken therefore ends after its first page, as it does on Google's side.
    """
    tree, rest = _selectors(fields, 0)
    if rest != len(fields):
        raise invalid(f"Invalid field selection {fields!r}")
    return _prune(resource, tree)


def _selectors(text: str, at: int) -> tuple[Json, int]:
    """Parse a comma list of selectors from `at`; stops at a closing parenthesis or the end."""
    tree: Json = {}
    while at < len(text) and text[at] != ")":
        start = at
        while at < len(text) and text[at] not in ",()/":
            at += 1
        name = text[start:at].strip()
        if not name:
            raise invalid(f"Invalid field selection {text!r}")
        below: Json = {}
        if at < len(text) and text[at] == "(":
            below, at = _selectors(text, at + 1)
            if at >= len(text):
                raise invalid(f"Invalid field selection {text!r}: a parenthesis is not closed")
            at += 1
        elif at < len(text) and text[at] == "/":
            below, at = _one(text, at + 1)
        known = tree.get(name)
        tree[name] = {**known, **below} if isinstance(known, dict) and known and below else below
        if at < len(text) and text[at] == ",":
            at += 1
    return tree, at


def _one(text: str, at: int) -> tuple[Json, int]:
    """The single selector after a slash."""
    end, depth = at, 0
    while end < len(text) and (depth or text[end] not in ",)"):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    if at == end:
        raise invalid(f"Invalid field selection {text!r}")
    return _selectors(text[at:end], 0)[0], end


def _prune(resource: object, tree: Mapping[str, object]) -> object:
    if not tree or ("*" in tree and not tree["*"]):
        return resource
    if isinstance(resource, list):
        return [_prune(each, tree) for each in resource]
    if not isinstance(resource, dict):
        return resource
    star = tree.get("*")
    chosen: Json = {}
    for key, value in resource.items():
        below = tree.get(key, star)
        if isinstance(below, dict):
            chosen[key] = _prune(value, below)
    return chosen
