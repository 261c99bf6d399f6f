"""What keeps an object from being deleted, replaced or changed just now. Pure.

Reasons are those of https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from tests.emulators.gcs.errors import ApiError
from tests.emulators.gcs.model import Bucket, StoredObject
from tests.emulators.gcs.resources import timestamp


def removable(bucket: Bucket, found: StoredObject, now: float) -> None:
    """403 where a hold or the bucket's retention policy keeps an object from being deleted or replaced.

    https://cloud.google.com/storage/docs/object-holds and https://cloud.google.com/storage/docs/bucket-lock
    """
    where = f"Object '{found.bucket}/{found.name}'"
    if found.held:
        raise ApiError(
            403,
            f"{where} is under active {found.held} hold and cannot be deleted, overwritten or archived until hold is "
            "removed.",
            "objectUnderActiveHold",
        )
    if bucket.retention is not None and now < found.retained_from + bucket.retention:
        until = timestamp(found.retained_from + bucket.retention)
        raise ApiError(
            403,
            f"{where} is subject to bucket's retention policy and cannot be deleted, overwritten or archived until "
            f"{until}",
            "retentionPolicyNotMet",
        )


def not_too_soon(found: StoredObject, now: float, interval: float) -> None:
    """429 for writes of one object less than `interval` seconds apart.

    Google's limit is about one a second, https://cloud.google.com/storage/quotas#objects; the test server holds callers
    to it only when told to, since most tests write faster.
    """
    if 0 <= now - found.updated < interval:
        raise ApiError(
            429,
            f"The object {found.bucket}/{found.name} exceeded the rate limit for object mutation operations (create, "
            "update, and delete). Please reduce your request rate.",
        )
