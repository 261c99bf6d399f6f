"""What `poltergust doctor` asks Cloud Storage: credentials, permissions, settings of the bucket that are in the way.

Every request here is made once, with a short timeout, and none leaves anything behind: where the bucket does not grant
a permission as a whole (a condition or a managed folder may grant it for the path alone), the call itself is tried on
an object that does not exist, or on a condition that cannot hold. Who may not gets 403 before either is looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from google.api_core import exceptions as api
from google.auth import credentials as google_credentials

from poltergust.base.checks import Check, fail, ok, skip, warn
from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.text import shown
from poltergust.base.urls import split_cloud
from poltergust.stores.gs.calls import TRANSPORT, connect, refuses_call, status_error, translated

PERMISSIONS = {
    "storage.objects.list": "find configs",
    "storage.objects.get": "read configs and environments",
    "storage.objects.create": "write outcomes, logs and records",
    "storage.objects.delete": "take the config away when it is renamed",
    "storage.objects.move": "rename in one step",
}
"""What a node needs below the path and beside it, and what for. roles/storage.objectUser holds them all:
https://cloud.google.com/storage/docs/access-control/iam-roles"""

NEVER = 1
"""A generation no object has: they are microseconds since 1970."""

_REQUESTER_PAYS = "requester pays"
"""In the words of the 400 that every request to such a bucket gets which names no project, but for its owner's:
https://cloud.google.com/storage/docs/requester-pays"""

_TIMEOUT = (3.0, 5.0)
_ONCE: Any = {"timeout": _TIMEOUT, "retry": None}


class Bucket:
    """The bucket of a path, looked at from this node."""

    def __init__(self, prefix: str, state_prefix: str) -> None:
        """`prefix` is that of all configs, `state_prefix` that of what nodes write beside them, both as URLs.

        Raises `UsageError` without credentials.
        """
        self._prefix = prefix
        self._state_prefix = state_prefix
        self._client = connect()
        self._name = split_cloud(prefix)[0]
        self.reachable = True

    def credentials(self) -> Check:
        """Whose credentials these are; whether they are good shows with the first request."""
        found = self._client._credentials  # no public name
        if isinstance(found, google_credentials.AnonymousCredentials):
            return ok("credentials", f"none, as {self._client.api_endpoint} is an emulator (STORAGE_EMULATOR_HOST)")
        who = getattr(found, "service_account_email", None) or "a user's, by gcloud auth application-default login"
        return ok("credentials", f"Google's application-default credentials: {shown(str(who))}")

    def permissions(self) -> Iterator[Check]:
        """What the node may do below the path and beside it. Sets `reachable`."""
        where = f"gs://{self._name}"
        why = ""
        try:
            with translated(where):
                granted = self._client.bucket(self._name).test_iam_permissions(list(PERMISSIONS), **_ONCE)
        except PoltergustError as error:
            cause = error.__cause__
            if isinstance(cause, api.NotFound) and not refuses_call(cause):
                self.reachable = False
                remedy = f"correct --path, or make it: gcloud storage buckets create {where}"
                yield fail("bucket", f"{where} does not exist", remedy)
                return
            if _REQUESTER_PAYS in str(error):
                self.reachable = False
                yield _requester_pays(where)
                return
            if not refuses_call(cause) and not isinstance(cause, api.Forbidden):
                self.reachable = False
                yield fail("bucket", str(error), "check the network, the credentials and the name of the bucket")
                return
            if isinstance(cause, api.Forbidden):
                why = f" ({error})"  # who has no right may ask all the same: a perimeter, or billing that is off
            granted = []  # a server that does not know the call, or refuses it: try each
        missing = [permission for permission in PERMISSIONS if permission not in granted]
        refused: dict[str, list[str]] = {}
        for prefix in (self._prefix, self._state_prefix) if missing else ():
            for permission in missing:
                if not self._granted(permission, prefix):
                    refused.setdefault(prefix, []).append(permission)
        for prefix, permissions in refused.items():
            wanted = "; ".join(f"{permission} to {PERMISSIONS[permission]}" for permission in permissions)
            yield fail(
                "permissions",
                f"below {prefix} this node is refused {wanted}{why}",
                f"grant its service account roles/storage.objectUser on {prefix} (infra/terraform does)",
            )
        if not refused:
            where = f"{self._prefix} and {self._state_prefix}"
            yield ok("permissions", f"list, read, write, rename and delete below {where}")

    def settings(self) -> Iterator[Check]:
        """Retention, holds, versioning: what makes a rename impossible, or costly."""
        try:
            bucket = self._client.get_bucket(self._name, **_ONCE)
        except api.Forbidden:
            yield skip(
                "bucket-settings",
                "retention, holds and versioning cannot be seen: no storage.buckets.get (a node does not need it)",
                "to have them checked, run doctor as somebody with roles/storage.legacyBucketReader",
            )
            return
        except (api.GoogleAPIError, *TRANSPORT) as error:
            yield skip("bucket-settings", f"no answer about the bucket's settings ({type(error).__name__})")
            return
        found = list(self._in_the_way(bucket))
        yield from found
        if not found:
            yield ok("bucket-settings", "no retention policy, no default hold, no versioning")

    def notifications(self, topic: str | None) -> Iterator[Check]:
        """Whether an upload below the path is published to `topic` (a full name; None: to any)."""
        try:
            configs = self._notification_configs()
        except api.Forbidden:
            yield skip(
                "notification",
                "the bucket's notification configs cannot be seen: no storage.buckets.get (a node does not need it)",
                f"look as an owner: gcloud storage buckets notifications list gs://{self._name}",
            )
            return
        except (api.GoogleAPIError, *TRANSPORT) as error:
            yield skip("notification", f"no answer about notification configs ({type(error).__name__})")
            return
        yield _judge(configs, self._name, split_cloud(self._prefix)[1], topic)

    def close(self) -> None:
        self._client.close()

    def _notification_configs(self) -> list[Mapping[str, Any]]:
        """As the server returns them: the client library refuses topics whose project has an unusual name.

        https://cloud.google.com/storage/docs/json_api/v1/notifications/list
        """
        address = f"{self._client.api_endpoint}/storage/v1/b/{quote(self._name)}/notificationConfigs"
        with self._client._http.get(address, timeout=_TIMEOUT) as answer:  # no public name
            if answer.status_code != 200:
                raise status_error(answer)
            found: list[Mapping[str, Any]] = answer.json().get("items", [])
            return found

    def _granted(self, permission: str, prefix: str) -> bool:
        _, start = split_cloud(prefix)
        bucket = self._client.bucket(self._name)
        blob = bucket.blob(f"{start}poltergust-doctor-{secrets.token_hex(8)}")

        def create() -> None:
            blob.upload_from_string(b"", if_generation_match=NEVER, **_ONCE)
            blob.delete(**_ONCE)  # a server that does not know preconditions: leave nothing behind

        tries: dict[str, Callable[[], object]] = {
            "storage.objects.list": lambda: list(
                self._client.list_blobs(self._name, prefix=start, max_results=1, **_ONCE)
            ),
            "storage.objects.get": lambda: blob.download_as_bytes(**_ONCE),
            "storage.objects.create": create,
            "storage.objects.delete": lambda: blob.delete(**_ONCE),
            "storage.objects.move": lambda: bucket.move_blob(
                blob, f"{blob.name}-moved", if_source_generation_match=NEVER, **_ONCE
            ),
        }
        try:
            with translated(prefix):
                tries[permission]()
        except PoltergustError as error:
            return not isinstance(error.__cause__, (api.Forbidden, api.Unauthorized))
        return True

    def _in_the_way(self, bucket: Any) -> Iterator[Check]:
        where = f"gs://{self._name}"
        if bucket.retention_period:
            locked = ", locked" if bucket.retention_policy_locked else ""
            yield fail(
                "retention",
                f"{where} keeps every object for {bucket.retention_period} s{locked}: no config can be renamed before",
                "use a bucket without, or: gcloud storage buckets update --clear-retention-period " + where,
            )
        if bucket.default_event_based_hold:
            yield fail(
                "holds",
                f"{where} puts an event-based hold on every new object: no config can be renamed until it is released",
                f"gcloud storage buckets update --no-default-event-based-hold {where}",
            )
        if bucket.requester_pays:
            yield _requester_pays(where)
        if bucket.versioning_enabled and not _expires_old_versions(bucket):
            yield warn(
                "versioning",
                f"{where} keeps every version of every object, a node's logs and heartbeats too, for ever",
                "add a lifecycle rule that deletes noncurrent versions, such as daysSinceNoncurrentTime: 7",
            )


def _requester_pays(where: str) -> Check:
    return fail(
        "requester-pays",
        f"{where} makes the requester pay, which needs a billing project with each request",
        f"gcloud storage buckets update --no-requester-pays {where}",
    )


def _expires_old_versions(bucket: Any) -> bool:
    conditions = [rule["condition"] for rule in bucket.lifecycle_rules if rule["action"]["type"] == "Delete"]
    return any({"numNewerVersions", "daysSinceNoncurrentTime", "isLive"} & set(condition) for condition in conditions)


def _judge(configs: list[Mapping[str, Any]], bucket: str, start: str, topic: str | None) -> Check:
    """Of the bucket's notification configs the one that counts: finalized objects of the path, to the topic."""
    prefix = f" --object-prefix={start}" if start else ""
    make = (
        f"gcloud storage buckets notifications create gs://{bucket} --topic={topic or 'TOPIC'}"
        f" --event-types=OBJECT_FINALIZE --payload-format=none{prefix}"
    )
    publishing = [config for config in configs if "OBJECT_FINALIZE" in config.get("event_types", ("OBJECT_FINALIZE",))]
    if not publishing:
        return fail("notification", f"gs://{bucket} notifies of no new objects: only the scan finds them", make)
    covering = [config for config in publishing if start.startswith(config.get("object_name_prefix", ""))]
    if not covering:
        prefixes = ", ".join(sorted({shown(config["object_name_prefix"]) for config in publishing}))
        part = "all of " if any(config["object_name_prefix"].startswith(start) for config in publishing) else ""
        text = f"gs://{bucket} notifies only of objects below {prefixes}, not of {part}{start or '/'}"
        return fail("notification", text, make)
    topics = [str(config["topic"]).removeprefix("//pubsub.googleapis.com/") for config in covering]
    if topic is not None and topic not in topics:
        text = f"uploads are published to {', '.join(sorted(set(topics)))}, but this node listens to {topic}"
        return fail("notification", text, f"make the subscription on that topic, or: {make}")
    several = topics.count(topic or topics[0])
    if several > 1:
        return warn(
            "notification",
            f"{several} notification configs publish the same uploads to the same topic: each arrives {several} times",
            f"delete all but one: gcloud storage buckets notifications list gs://{bucket}",
        )
    published = topic or ", ".join(sorted(set(topics)))
    return ok("notification", f"uploads below {start or '/'} are published to {published}")


def open_bucket(prefix: str, state_prefix: str) -> tuple[Bucket | None, Check]:
    """The bucket (see `Bucket`), None without credentials; and what is to be said of them."""
    try:
        bucket = Bucket(prefix, state_prefix)
    except UsageError as error:
        what, _, remedy = str(error).rpartition("; ")
        return None, fail("credentials", what, remedy)
    return bucket, bucket.credentials()
