"""How Cloud Storage is asked: the client, one retry policy for every request, and answers turned into our errors.

Every request is made with the client library's own retries off and repeated here instead, so that a store operation
knows whether an earlier answer was lost: only then may "not found" or "precondition failed" mean "it was me".
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import google_crc32c
import requests
import requests.adapters
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage import exceptions as media
from google.cloud.storage.retry import DEFAULT_RETRY

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.base.text import shown
from poltergust.stores import Conflict, Denied, NotFound, StoreError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECTIONS = 32
"""Kept open to the server: as many as an agent has threads that may ask at once (requests keeps 10 by default)."""
TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and without a byte from the server."""
MAX_RETRY_SECONDS = 30.0
"""Seconds after which an operation stops repeating itself and the work queue's back-off takes over."""
POLICY: Any = DEFAULT_RETRY.with_delay(initial=0.25, maximum=5.0, multiplier=2.0).with_timeout(MAX_RETRY_SECONDS)

FIRST_ANSWER_SECONDS = 1.5
"""How long the first answer may take before a person hears what is waited for."""

_answered = threading.Event()
"""The storage has answered this process."""
_reported = threading.Event()
"""It was reported that it had not."""

TRANSPORT = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    media.InvalidResponse,
    media.DataCorruption,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
)
_SLOW_DOWN = {"rateLimitExceeded", "userRateLimitExceeded"}  # may come as 403: docs/json_api/v1/status-codes

_NO_BUCKET = "The specified bucket does not exist"
"""In the API's words: https://cloud.google.com/storage/docs/json_api/v1/status-codes#404-not-found"""

_CONSTRAINT = "violates constraint"
"""How a 412 says that it is about a policy of the organization and no precondition of ours; its reason is the same:
https://github.com/googleapis/java-storage/issues/1240"""


class DamagedDownload(ConnectionError):
    """Bytes changed on the way. As a kind of `ConnectionError` it is tried again by `POLICY`."""


class Lost:
    """Counts the answers that never came, or told to come again: the effect may have happened all the same."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _error: Exception) -> None:
        self.count += 1

    def __bool__(self) -> bool:
        return self.count > 0


def connect() -> Any:
    """A client with application-default credentials, or for STORAGE_EMULATOR_HOST.

    Raises `UsageError` where there are no credentials or the emulator's address is no URL.
    """
    try:
        client = storage.Client(project=None)  # nothing that a node does needs one
    except (auth.DefaultCredentialsError, OSError, AttributeError) as error:
        # The last two are of a key file that this user may not read, is a folder, or holds something else.
        why = error.args[0] if isinstance(error, auth.DefaultCredentialsError) and error.args else error
        raise UsageError(
            f"no Google credentials for gs:// ({shown(str(why).splitlines()[0])}); on this node run "
            "`gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from error
    if not client.api_endpoint.startswith(("http://", "https://")):
        raise UsageError(
            f"STORAGE_EMULATOR_HOST {shown(client.api_endpoint)!r} is no URL; write for example http://127.0.0.1:9023"
        )
    session = client._http  # the library has no public name for it, and no setting for the pool's size
    if not getattr(session, "is_mtls", False):  # with a client certificate an adapter of Google's is mounted already
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
    _look_at_environment_once(session, client.api_endpoint)
    # With OpenTelemetry importable (Pub/Sub's client brings it) the library fetches each bucket's metadata in a thread
    # of its own, for its traces: a request and a permission (storage.buckets.get) that a node can do without.
    client._bucket_metadata_cache = None
    return client


def _look_at_environment_once(session: requests.Session, endpoint: str) -> None:
    """Proxies and certificates that the environment names are the same for each request; requests looks for them
    each time, and in ~/.netrc for a password, which it would send instead of Google's token."""
    found = session.merge_environment_settings(endpoint, {}, stream=None, verify=None, cert=None)
    session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
    session.trust_env = False


def ask(request: Callable[[], T], where: str, lost: Lost | None = None) -> T:
    """Call `request` until it is answered, at most `MAX_RETRY_SECONDS`; `lost` counts the answers that went missing."""
    with translated(where), reported_if_silent(where):
        answer: T = POLICY(request, on_error=lost)()
        return answer


def listed(pages: Iterable[T], where: str) -> Iterator[T]:
    """The items of a listing, whose first answer is waited for here."""
    items = iter(pages)
    with reported_if_silent(where):
        first = next(items, None)
    if first is not None:
        yield first
        yield from items


@contextmanager
def reported_if_silent(where: str) -> Iterator[None]:
    """While this process has had no answer yet, a request that waits for one is reported: once, and soon."""
    if _answered.is_set():
        yield
        return
    timer = threading.Timer(FIRST_ANSWER_SECONDS, _report_silence, (shown(where),))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    _answered.set()


def _report_silence(where: str) -> None:
    if not _reported.is_set():
        _reported.set()
        log.warning("waiting for the storage: no answer about %s yet; asking for up to %g s", where, MAX_RETRY_SECONDS)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Google's, requests' and urllib3's errors as `Conflict`, `NotFound`, `Denied` or `Unavailable`."""
    try:
        yield
    except PoltergustError:
        raise
    except TRANSPORT as error:
        raise _ours(error, shown(where)) from error


def check_whole(data: bytes, headers: Mapping[str, str], *, unpacked: bool) -> None:
    """Raises `DamagedDownload` where `data` is not what the server says it stores; the request is then repeated.

    An object that was stored compressed and arrives unpacked has no checksum of what arrives, and some servers send
    none: https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash
    `unpacked`: what was stored compressed would have been unpacked on the way.
    """
    hashes = dict(part.strip().split("=", 1) for part in headers.get("x-goog-hash", "").split(",") if "=" in part)
    expected = hashes.get("crc32c")
    if expected is None or (unpacked and headers.get("x-goog-stored-content-encoding", "identity") != "identity"):
        return
    if base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode() != expected:
        raise DamagedDownload("what arrived is not what the server stores")


def status_error(answer: requests.Response) -> Exception:
    """The error that the client library would have raised for this answer."""
    made: Any = api
    error: Exception = made.from_http_response(answer)
    return error


def refuses_call(error: BaseException | None) -> bool:
    """Whether this is how servers answer that do not know a call: 400, 405, 501, or a 404 that is not the API's."""
    if not isinstance(error, api.GoogleAPICallError):
        return False
    if error.code == http.client.NOT_FOUND:
        return _answer(error) is None  # a web server's "404 page not found", not an API's {"error": …}
    return error.code in (400, 405, 501)


def _ours(error: Exception, where: str) -> StoreError:
    cause = error.cause if isinstance(error, api.RetryError) and error.cause is not None else error
    code = getattr(cause, "code", None)
    if isinstance(cause, media.InvalidResponse):
        code = cause.response.status_code
    said = _said(cause)
    if code == 404 and _NO_BUCKET in said:
        return NotFound(f"{where}: there is no such bucket; make it first, or correct its name")
    if code == 404:
        return NotFound(f"{where} does not exist")
    if code == 412 and _CONSTRAINT not in said:
        return Conflict(f"{where} is another generation now")
    if code in (400, 401, 403, 405, 412) and not _reasons(cause) & _SLOW_DOWN:
        return Denied(f"{where}: the storage refuses: {said}")
    if isinstance(cause, auth.RefreshError) and not cause.retryable:
        return Denied(f"{where}: the node's Google credentials are refused; renew them ({type(cause).__name__})")
    return Unavailable(f"{where}: no good answer from the storage ({said})")


def _answer(error: Any) -> dict[str, Any] | None:
    """The `error` object of the API's JSON answer, None where the answer is something else."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    try:
        body = json.loads(response.content)
    except (ValueError, RuntimeError):  # RuntimeError: the body of a streamed answer was already consumed
        return None
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else None


def _said(error: Exception) -> str:
    """The server's own words, or the kind of failure. Never a request's URL, which may hold an upload's secret id."""
    answer = _answer(error)
    status = getattr(error, "code", None)
    if answer and isinstance(answer.get("message"), str):
        return shown(f"{status or answer.get('code')}: {answer['message']}")
    return f"{int(status)} {type(error).__name__}" if isinstance(status, int) else type(error).__name__


def _reasons(error: Exception) -> set[str]:
    listed = (_answer(error) or {}).get("errors")
    return {str(one.get("reason")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
