"""URL text: ``gs://bucket/key`` for Cloud Storage, an absolute file path for a folder. Pure, no I/O."""

from __future__ import annotations

MAX_OBJECT_NAME_BYTES = 1024
"""Of UTF-8, for a key: https://cloud.google.com/storage/docs/objects#naming"""


def is_cloud(url: str) -> bool:
    """Whether `url` names something in Cloud Storage; else it is a file of this machine or of a mount."""
    return url.startswith("gs://")


def split_cloud(url: str) -> tuple[str, str]:
    """Bucket and key of a ``gs://`` URL; the key is empty for the bucket itself. Raises `ValueError` for another."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise ValueError(f"not a gs:// URL: {url!r}")
    return bucket, key


def can_be_looked_up(host: str) -> bool:
    """Whether `host` of an http URL is one that a resolver takes: labels of 1 to 63 bytes. Others make Python's own
    raise `UnicodeError`, which no caller expects of a connection."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
