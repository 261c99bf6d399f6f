"""From a request to the call it is: one table of routes, the request log, faults before and after the effect.

Paths: https://cloud.google.com/storage/docs/json_api/v1 and https://cloud.google.com/storage/docs/request-endpoints.
Names in a path are one percent-encoded component each, https://cloud.google.com/storage/docs/request-endpoints#encoding
"""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from tests.emulators.gcs import resources
from tests.emulators.gcs.batch import answer_batch
from tests.emulators.gcs.buckets_api import BucketsApi
from tests.emulators.gcs.errors import ApiError, Disconnect, invalid
from tests.emulators.gcs.exchange import Request, Response
from tests.emulators.gcs.faults import Fault, Faults
from tests.emulators.gcs.notifications import Publisher, messages
from tests.emulators.gcs.objects_api import ObjectsApi
from tests.emulators.gcs.state import State
from tests.emulators.gcs.uploads import Uploads

Handler = Callable[..., Response]


@dataclass
class Record:
    """One request, logged as it arrives. `status` is None until it is answered, and for one that never was."""

    call: str
    method: str
    path: str
    query: dict[str, str]
    user_agent: str
    token: str
    object: str
    """The object's name where the call is about one (the source, for copies and moves)."""
    time: float
    """Seconds since the epoch by this machine's clock."""
    base: str
    """The server as the client wrote it: who calls it by a name of its own is told apart."""
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Route:
    method: str
    path: re.Pattern[str]
    call: str
    handler: Handler


class Service:
    """The whole server apart from its sockets."""

    def __init__(self, pubsub: str | None = None) -> None:
        self.offset = 0.0
        """Seconds the server's clock is ahead of this machine's."""
        self.latency = 0.0
        """Seconds by which each call takes effect later than it arrives, as if the server were so far away."""
        self.base = ""
        self.faults = Faults()
        self.publisher = Publisher(pubsub)
        self.state = State(self.clock, lambda bucket, event: self.publisher.put(messages(bucket, event, self.base)))
        self.objects = ObjectsApi(self.state)
        self.buckets = BucketsApi(self.state, self.clock)
        self.uploads = Uploads(self.state, self.objects)
        self.crashes: list[str] = []
        """Tracebacks of this server's own errors; each was answered with 500."""
        self._records: list[Record] = []
        self._lock = threading.Lock()
        self._routes = self._table()

    def clock(self) -> float:
        return time.time() + self.offset

    def requests(self) -> list[Record]:
        with self._lock:
            return list(self._records)

    def reset(self) -> None:
        """Empty of everything: buckets, sessions, faults, log, clock. Held calls go on."""
        self.latency = 0.0
        self.faults.clear()
        self.state.clear()
        self.uploads.clear()
        self.buckets.denied.clear()
        self.offset = 0.0
        self.publisher.clear()
        self.forget_requests()

    def forget_requests(self) -> None:
        with self._lock:
            self._records.clear()

    def answer(self, request: Request) -> Response:
        """The response, errors included; raises Disconnect where a fault ends the connection instead."""
        route, names = self._find(request)
        call = "objects.download" if route.call == "objects.get" and request.query.get("alt") == "media" else route.call
        name = names[1] if call.startswith("objects.") and len(names) > 1 else self.uploads.name_of(request)
        record = Record(
            call,
            request.method,
            request.path,
            dict(request.query),
            request.user_agent,
            request.token,
            name,
            time.time(),
            request.base,
        )
        with self._lock:
            self._records.append(record)
        if self.latency:
            time.sleep(self.latency)
        fault = self.faults.find(call, request, name)
        record.fault = fault.how if fault else None
        response = self._guarded(request, route, names, fault)
        if fault:
            fault.strike_after(response)
        record.status = response.status
        return response

    def _guarded(self, request: Request, route: Route, names: list[str], fault: Fault | None) -> Response:
        try:
            if fault:
                fault.strike_before()
            response = route.handler(request, *names)
            if response.resource is not None:
                fields = request.query.get("fields")
                chosen = resources.selected(response.resource, fields) if fields else response.resource
                response.body = json.dumps(chosen).encode()
                response.headers.setdefault("Content-Type", "application/json; charset=UTF-8")
            return response
        except ApiError as error:
            return refusal(error)
        except Disconnect:
            raise
        except Exception:  # noqa: BLE001 - an error of the server's own must not look like one of the client's network
            self.crashes.append(traceback.format_exc())
            return refusal(ApiError(500, "The test server has an error of its own; see its `crashes`."))

    def _find(self, request: Request) -> tuple[Route, list[str]]:
        other = False
        for route in self._routes:
            match = route.path.fullmatch(request.path)
            if match and route.method == request.method:
                try:
                    return route, [unquote(name, errors="strict") for name in match.groups()]
                except UnicodeDecodeError:
                    return _refusing(invalid("The path is not valid UTF-8.")), []
            other = other or match is not None
        error = ApiError(405, "Method Not Allowed") if other else ApiError(404, "Not Found")
        return _refusing(error), []

    def _batch(self, request: Request) -> Response:
        return answer_batch(request, self.answer)

    def _table(self) -> list[Route]:
        objects, buckets, uploads = self.objects, self.buckets, self.uploads
        bucket, item = "/storage/v1/b/([^/]+)", "/storage/v1/b/([^/]+)/o/([^/]+)"
        upload = "(?:/resumable)?/upload/storage/v1/b/([^/]+)/o"
        table: list[tuple[str, str, str, Handler]] = [
            ("GET", f"(?:/download)?{item}", "objects.get", objects.get),
            ("GET", f"{bucket}/o", "objects.list", objects.list),
            ("POST", upload, "objects.insert", uploads.insert),
            ("PUT", upload, "uploads.chunk", uploads.chunk),
            ("DELETE", upload, "uploads.cancel", uploads.cancel),
            ("DELETE", item, "objects.delete", objects.delete),
            ("PATCH", item, "objects.patch", objects.patch),
            ("PUT", item, "objects.update", objects.update),
            ("POST", f"{item}/copyTo/b/([^/]+)/o/([^/]+)", "objects.copy", objects.copy),
            ("POST", f"{item}/rewriteTo/b/([^/]+)/o/([^/]+)", "objects.rewrite", objects.rewrite),
            ("POST", f"{item}/moveTo/o/([^/]+)", "objects.move", objects.move),
            ("POST", f"{item}/compose", "objects.compose", objects.compose),
            ("GET", f"{bucket}/iam/testPermissions", "buckets.testIamPermissions", buckets.test_permissions),
            ("GET", f"{bucket}/storageLayout", "buckets.getStorageLayout", buckets.storage_layout),
            ("GET", f"{bucket}/notificationConfigs", "notifications.list", buckets.list_notifications),
            ("POST", f"{bucket}/notificationConfigs", "notifications.insert", buckets.add_notification),
            ("GET", f"{bucket}/notificationConfigs/([^/]+)", "notifications.get", buckets.get_notification),
            ("DELETE", f"{bucket}/notificationConfigs/([^/]+)", "notifications.delete", buckets.delete_notification),
            ("GET", bucket, "buckets.get", buckets.get),
            ("PATCH", bucket, "buckets.patch", buckets.patch),
            ("PUT", bucket, "buckets.update", buckets.patch),
            ("DELETE", bucket, "buckets.delete", buckets.delete),
            ("GET", "/storage/v1/b", "buckets.list", buckets.list),
            ("POST", "/storage/v1/b", "buckets.insert", buckets.insert),
            ("GET", "/storage/v1/projects/([^/]+)/serviceAccount", "serviceAccount.get", buckets.service_account),
            ("POST", "/batch(?:/storage/v1)?", "batch", self._batch),
        ]
        return [Route(method, re.compile(path), call, handler) for method, path, call, handler in table]


def _refusing(error: ApiError) -> Route:
    def refuse(_request: Request) -> Response:
        raise error

    return Route("*", re.compile(".*"), "unknown", refuse)


def refusal(error: ApiError) -> Response:
    """Google's error body; 304 has none."""
    if error.status == 304:
        return Response(304)
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return Response(error.status, body=json.dumps(error.resource()).encode(), headers=headers)
