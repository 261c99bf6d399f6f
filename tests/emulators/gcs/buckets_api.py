"""The calls on buckets, notification configurations and the project: as much as clients and tests ask for.

https://cloud.google.com/storage/docs/json_api/v1/buckets
https://cloud.google.com/storage/docs/json_api/v1/notifications
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.emulators.gcs import resources
from tests.emulators.gcs.errors import ApiError, invalid
from tests.emulators.gcs.exchange import Request, Response
from tests.emulators.gcs.model import Bucket, Json
from tests.emulators.gcs.preconditions import number, refuse_unknown
from tests.emulators.gcs.state import State

EVENT_TYPES = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
_TOPIC = re.compile(r"(?://pubsub\.googleapis\.com/)?(projects/[^/]+/topics/[^/]+)")
_METAGENERATION = ("ifMetagenerationMatch", "ifMetagenerationNotMatch")
_SERVER_PROPERTIES = (
    "kind",
    "id",
    "selfLink",
    "name",
    "projectNumber",
    "metageneration",
    "etag",
    "timeCreated",
    "updated",
)


class BucketsApi:
    """One method a call; each takes the request and the names in its path."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self.denied: set[str] = set()
        """Permissions that nobody has on any bucket as a whole."""

    def insert(self, request: Request) -> Response:
        body = request.json()
        _refuse_versioning(body)
        made = self._state.add_bucket(
            str(body.get("name", "")), request.query.get("project", "test-project"), _settings(body)
        )
        return Response(resource=resources.bucket_resource(made, request.base))

    def list(self, request: Request) -> Response:
        prefix, project = request.query.get("prefix", ""), request.query.get("project")
        if not project:
            raise ApiError(400, "Required parameter: project", "required")
        names = sorted(name for name in list(self._state.buckets) if name.startswith(prefix))
        items = []
        for name in names:
            with self._state.bucket(name) as bucket:
                items.append(resources.bucket_resource(bucket, request.base))
        return Response(resource={"kind": "storage#buckets", "items": items})

    def get(self, request: Request, name: str) -> Response:
        with self._state.bucket(name) as bucket:
            _check(bucket, request)
            return Response(resource=resources.bucket_resource(bucket, request.base))

    def patch(self, request: Request, name: str) -> Response:
        body = request.json()
        _refuse_versioning(body)
        with self._state.bucket(name) as bucket:
            _check(bucket, request)
            changed = resources.merged(bucket.settings, body) if request.method == "PATCH" else body
            bucket.settings = _settings(changed)
            self._touch(bucket)
            return Response(resource=resources.bucket_resource(bucket, request.base))

    def delete(self, request: Request, name: str) -> Response:
        with self._state.bucket(name) as bucket:
            _check(bucket, request)
            self._state.remove_bucket(name)
        return Response(204)

    def test_permissions(self, request: Request, name: str) -> Response:
        """Every permission asked about is granted but those in `denied`, see `StrictGcs.deny`.

        https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
        """
        with self._state.bucket(name):
            asked = [value for key, value in request.pairs if key == "permissions" and value not in self.denied]
        return Response(resource={"kind": "storage#testIamPermissionsResponse", "permissions": asked})

    def storage_layout(self, request: Request, name: str) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout: a flat bucket."""
        with self._state.bucket(name):
            return Response(
                resource={
                    "kind": "storage#storageLayout",
                    "bucket": name,
                    "location": "US",
                    "locationType": "multi-region",
                    "hierarchicalNamespace": {"enabled": False},
                }
            )

    def service_account(self, request: Request, project: str) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/projects/serviceAccount/get"""
        address = f"service-123456789012@gs-{project}.iam.gserviceaccount.com"
        return Response(resource={"kind": "storage#serviceAccount", "email_address": address})

    def add_notification(self, request: Request, name: str) -> Response:
        return Response(resource=self.notify(name, request.json(), request.base))

    def notify(self, name: str, body: Json, base: str) -> Json:
        """Keep a notification configuration. Up to 100 in a bucket, 10 for one event type:

        https://cloud.google.com/storage/docs/pubsub-notifications#notification-configurations
        """
        topic = _TOPIC.fullmatch(str(body.get("topic", "")))
        if topic is None:
            raise invalid(f"Invalid Google Cloud Pub/Sub topic: {body.get('topic')!r}")
        if body.get("payload_format") not in ("NONE", "JSON_API_V1"):
            raise ApiError(400, "Required: payload_format, NONE or JSON_API_V1", "required")
        types = body.get("event_types") or []
        if not isinstance(types, list) or any(each not in EVENT_TYPES for each in types):
            raise invalid(f"Invalid event_types: {types!r}")
        with self._state.bucket(name) as bucket:
            for each in types or EVENT_TYPES:
                same = [config for config in bucket.notifications.values() if each in _types(config)]
                if len(same) >= 10:
                    raise invalid(f"A bucket can have at most 10 notification configurations for {each}.")
            if len(bucket.notifications) >= 100:
                raise invalid("A bucket can have at most 100 notification configurations.")
            key = str(1 + max((int(each) for each in bucket.notifications), default=0))
            config: Json = {
                "kind": "storage#notification",
                "id": key,
                "selfLink": f"{base}/storage/v1/b/{name}/notificationConfigs/{key}",
                "topic": f"//pubsub.googleapis.com/{topic[1]}",
                "payload_format": body["payload_format"],
                "etag": key,
            }
            for optional in ("event_types", "custom_attributes", "object_name_prefix"):
                if body.get(optional):
                    config[optional] = body[optional]
            bucket.notifications[key] = config
            self._touch(bucket)
            return config

    def list_notifications(self, request: Request, name: str) -> Response:
        with self._state.bucket(name) as bucket:
            made: Json = {"kind": "storage#notifications"}
            if bucket.notifications:
                made["items"] = list(bucket.notifications.values())
            return Response(resource=made)

    def get_notification(self, request: Request, name: str, key: str) -> Response:
        with self._state.bucket(name) as bucket:
            return Response(resource=_config(bucket, key))

    def delete_notification(self, request: Request, name: str, key: str) -> Response:
        with self._state.bucket(name) as bucket:
            _config(bucket, key)
            del bucket.notifications[key]
            self._touch(bucket)
        return Response(204)

    def _touch(self, bucket: Bucket) -> None:
        bucket.metageneration += 1
        bucket.updated = self._clock()


def _types(config: Json) -> tuple[str, ...]:
    given = config.get("event_types")
    return tuple(given) if isinstance(given, list) else EVENT_TYPES


def _config(bucket: Bucket, key: str) -> Json:
    if key not in bucket.notifications:
        raise ApiError(404, f"Notification {key} not found in bucket {bucket.name}.")
    return bucket.notifications[key]


def _settings(body: Json) -> Json:
    return {key: value for key, value in body.items() if key not in _SERVER_PROPERTIES and value is not None}


def _refuse_versioning(body: Json) -> None:
    """An honest refusal: noncurrent generations are not kept here."""
    versioning = body.get("versioning")
    if isinstance(versioning, dict) and versioning.get("enabled"):
        raise ApiError(501, "Object Versioning is not kept by this test server.")


def _check(bucket: Bucket, request: Request) -> None:
    """Bucket preconditions: metageneration only, https://cloud.google.com/storage/docs/json_api/v1/buckets/get"""
    refuse_unknown(request.query, _METAGENERATION)
    match, unmatch = (number(request.query, key) for key in _METAGENERATION)
    if match is not None and match != bucket.metageneration:
        raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
    if unmatch is not None and unmatch == bucket.metageneration:
        raise ApiError(304, "Not Modified")
