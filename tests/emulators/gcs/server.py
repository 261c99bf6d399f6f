"""The server as a test sees it: start, look inside, make things go wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tests.emulators.gcs.control import Control
from tests.emulators.gcs.exchange import Request, Response
from tests.emulators.gcs.faults import Fault, How
from tests.emulators.gcs.model import Json, StoredObject
from tests.emulators.gcs.notifications import Message
from tests.emulators.gcs.service import Record, Service
from tests.emulators.gcs.transport import Server, tls_context

if TYPE_CHECKING:
    from google.cloud.storage import Client


NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    "storage.objects.list": ("objects.list",),
    "storage.objects.get": ("objects.get", "objects.download"),
    "storage.objects.create": ("objects.insert", "objects.move"),
    "storage.objects.delete": ("objects.delete",),
    "storage.objects.move": ("objects.move",),
    "storage.buckets.get": ("buckets.get", "notifications.list"),
}
"""Which calls are refused without a permission: https://cloud.google.com/storage/docs/access-control/iam-json"""


class StrictGcs:
    """A Cloud Storage server on loopback, http on `url` and https on `https_port`. All methods are thread-safe."""

    def __init__(self, *, pubsub: str | None = None, port: int = 0, https_port: int = 0) -> None:
        self._service = Service(pubsub)
        self._control = Control(self._service)
        self._plain = Server(port, self._answer, self._service.clock)
        self._secure = Server(https_port, self._answer, self._service.clock, tls_context())
        self._service.base = self.url

    @property
    def port(self) -> int:
        return self._plain.port

    @property
    def https_port(self) -> int:
        return self._secure.port

    @property
    def url(self) -> str:
        """As STORAGE_EMULATOR_HOST wants it: http://127.0.0.1:PORT"""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for each in (self._service.publisher, self._plain, self._secure):
            each.start()

    def close(self) -> None:
        """Stop; held calls go on first, so that no thread is left waiting."""
        self._service.faults.clear()
        for each in (self._plain, self._secure, self._service.publisher):
            each.close()

    def _answer(self, request: Request) -> Response:
        return self._control.answer(request) or self._service.answer(request)

    # What is in it

    def create_bucket(self, name: str, **settings: object) -> None:
        """`settings` are properties of the bucket resource, such as `retentionPolicy={"retentionPeriod": "60"}`."""
        self._service.state.add_bucket(name, settings=settings)

    def objects(self, bucket: str) -> dict[str, StoredObject]:
        """All live objects by name."""
        with self._service.state.bucket(bucket) as found:
            return dict(sorted(found.objects.items()))

    def put(self, bucket: str, name: str, data: bytes, **resource: object) -> StoredObject:
        """Store an object without a request in the log. Notifications go out as for any other."""
        return self._service.state.insert(bucket, name, data, resource)

    def notify(
        self,
        bucket: str,
        topic: str,
        *,
        prefix: str = "",
        event_types: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
        payload: str = "NONE",
    ) -> str:
        """Add a notification configuration for `topic` (projects/p/topics/t); its number as text."""
        body: Json = {
            "topic": topic,
            "payload_format": payload,
            "event_types": list(event_types),
            "custom_attributes": dict(attributes or {}),
            "object_name_prefix": prefix,
        }
        return str(self._service.buckets.notify(bucket, body, self.url)["id"])

    def shift(self, seconds: float) -> None:
        """Move the server's clock; times and Date headers follow. Generations go on growing whichever way it moves."""
        self._service.offset += seconds

    def reset(self) -> None:
        """Empty of everything: buckets, sessions, faults, log, clock. Held calls go on."""
        self._service.reset()

    # What happened

    @property
    def requests(self) -> list[Record]:
        """Every call since the start or `forget_requests`, in order of arrival; those of a batch each for itself."""
        return self._service.requests()

    def forget_requests(self) -> None:
        self._service.forget_requests()

    def calls(self, call: str) -> list[Record]:
        """The requests of one kind, such as `objects.list`."""
        return [record for record in self.requests if record.call == call]

    @property
    def published(self) -> list[Message]:
        return list(self._service.publisher.published)

    @property
    def publish_failures(self) -> list[str]:
        return list(self._service.publisher.failures)

    @property
    def crashes(self) -> list[str]:
        return list(self._service.crashes)

    # What goes wrong

    def fail(
        self,
        call: str,
        *,
        how: How = "status",
        status: int = 503,
        times: int | None = 1,
        skip: int = 0,
        seconds: float | None = None,
        object: str | None = None,
        token: str | None = None,
        user_agent: str | None = None,
        message: str | None = None,
    ) -> Fault:
        """Let the next `times` calls of a kind go wrong (None: all), after letting `skip` of them through.

        `call` is a name as the request log has it, or a glob over names (`objects.*`, `*`). The other filters: a glob
        over the object's name, the bearer token, a part of the User-Agent. See `faults` for what `how` can be.
        """
        fault = Fault(call, how, status, times, skip, seconds, object, token, user_agent, message)
        return self._service.faults.add(fault)

    def deny(self, *permissions: str, only_as_a_whole: bool = False) -> None:
        """Take permissions away until `heal`: testIamPermissions does not name them, and calls that need them get 403.

        `only_as_a_whole`: the calls go through all the same, as where a condition or a managed folder grants them.
        """
        self._service.buckets.denied.update(permissions)
        for permission in () if only_as_a_whole else permissions:
            for call in NEEDED_BY[permission]:
                self.fail(call, status=403, times=None)

    def hold(self, call: str, *, skip: int = 0, times: int | None = 1, user_agent: str | None = None) -> Fault:
        """Stop the next call before its effect: `wait_reached()`, then `release()` or `drop()`.

        With `skip` counting up from 0, a client can be killed between any two requests. Use `objects.*` for that rather
        than `*`: google-cloud-storage also asks for the bucket (`buckets.get`) in a background thread of its own.
        """
        return self.fail(call, how="hold", times=times, skip=skip, user_agent=user_agent)

    def heal(self) -> None:
        """Forget all faults and denials; held calls go on."""
        self._service.faults.clear()
        self._service.buckets.denied.clear()

    def limit_writes(self, interval: float = 1.0) -> None:
        """Answer 429 to writes of one object less than `interval` seconds apart by the server's clock; 0 ends it."""
        self._service.state.write_interval = interval

    def add_latency(self, seconds: float) -> None:
        """Every call takes so much longer from now on, calls at the same time side by side; 0 ends it."""
        self._service.latency = seconds

    def notification_copies(self, copies: int) -> None:
        """How often each later change is told: 0 loses notifications, 2 duplicates them."""
        self._service.publisher.copies = copies

    # Clients

    def client(self) -> Client:
        """An anonymous google-cloud-storage client of this server."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
        return storage.Client("test-project", anonymous, client_options={"api_endpoint": self.url})


@contextlib.contextmanager
def strict_gcs(pubsub: str | None = None, *, port: int = 0, https_port: int = 0) -> Iterator[StrictGcs]:
    """Run the server while the context is open. `pubsub` is a Pub/Sub emulator's HOST:PORT.

    Raises AssertionError at the end if the server itself failed in any call.
    """
    server = StrictGcs(pubsub=pubsub, port=port, https_port=https_port)
    server.start()
    try:
        yield server
    finally:
        server.close()
    if server.crashes:
        raise AssertionError("the test server failed:\n" + "\n".join(server.crashes))
