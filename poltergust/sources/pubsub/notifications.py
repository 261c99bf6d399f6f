"""From a message's attributes to the URL of the object it means. Pure; anybody may publish, so nothing is believed.

Attributes: https://cloud.google.com/storage/docs/pubsub-notifications#attributes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poltergust.base.urls import MAX_OBJECT_NAME_BYTES

_SHOWN = 120


@dataclass(frozen=True)
class Ignored:
    """A message that is none of ours. `malformed`: Cloud Storage would not have sent it. `why` is safe to log."""

    why: str
    malformed: bool = False


def printable(text: str, limit: int = _SHOWN) -> str:
    """`text` as one line without control or terminal codes, cut to `limit` characters."""
    shown = ascii(text[: limit + 1])[1:-1]
    return shown if len(shown) <= limit else shown[:limit] + "…"


def object_url(attributes: Mapping[str, str], prefix: str) -> str | Ignored:
    """The URL of the written object, which starts with `prefix` (a URL that ends with a slash), or why the message says
    nothing of the kind."""
    missing = [key for key in ("eventType", "bucketId", "objectId") if not attributes.get(key)]
    if missing:
        return Ignored(f"a message without {', '.join(missing)}", malformed=True)
    event, bucket, key = attributes["eventType"], attributes["bucketId"], attributes["objectId"]
    if event != "OBJECT_FINALIZE":
        return Ignored(f"event {printable(event)}")
    if "/" in bucket or len(key.encode("utf-8", "surrogatepass")) > MAX_OBJECT_NAME_BYTES:
        return Ignored(f"impossible object {printable(bucket)}/{printable(key)}", malformed=True)
    url = f"gs://{bucket}/{key}"
    if not url.startswith(prefix):
        return Ignored(f"object {printable(url)} is not below {prefix.removesuffix('/')}")
    return url
