"""`--notify URL`: each outcome is posted once, by the node that renamed the config.

In the background: no run waits for somebody's web server. One thread, a bounded queue, growing delays; what cannot be
delivered is logged and dropped, never kept for ever. The body is signed with HMAC-SHA256, so that the receiver
knows who sent it; `id` is the same for every try, so that a receiver whose answer was lost can tell a repetition.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import math
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from poltergust import __version__
from poltergust.base.backoff import Backoff
from poltergust.base.errors import UsageError
from poltergust.base.json_text import json_bytes
from poltergust.base.loops import Loop
from poltergust.base.urls import can_be_looked_up
from poltergust.path.outcome import RenameResult
from poltergust.runs.run import Run, Verdict

log = logging.getLogger(__name__)

SIGNATURE = "X-Poltergust-Signature-256"
"""Header: ``sha256=`` and the hexadecimal HMAC-SHA256 of the body's bytes, by the secret."""

MAX_WAITING = 1000
"""Outcomes that wait to be posted; beyond that the newest are logged and dropped."""

REQUEST_TIMEOUT_SECONDS = 10.0

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
"""Between two tries of one outcome, at first and after many failures."""

GIVE_UP_SECONDS = 3600.0
"""From an outcome to giving up."""

FLUSH_SECONDS = 10.0
"""How long a stop tries to deliver what still waits."""

_TEMPORARY_REFUSALS = (408, 425, 429)
"""HTTP codes that pass (https://httpwg.org/specs/rfc9110.html); all others below 500 are final."""


@dataclass(frozen=True)
class _Post:
    name: str
    body: bytes
    until: float  # monotonic seconds; not tried again after that


class OutcomePosts:
    """Posts outcomes of runs on `path` by `node` to `url`. `result` counts: delivered, undelivered."""

    def __init__(
        self,
        url: str,
        secret: str | None,
        *,
        path: str,
        node: str,
        result: Callable[[str], None] = lambda _: None,
        give_up: float = GIVE_UP_SECONDS,
        most: int = MAX_WAITING,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        """All durations in seconds. `hurry` is asked again and again while a stop waits: true ends the wait."""
        self._url = check_url(url)
        # All of the URL that is ever logged: its path may be a key.
        self._host = urllib.parse.urlsplit(url).hostname or ""
        self._secret = secret.encode() if secret else None
        self._path = path
        self._node = node
        self._result = result
        self._give_up = give_up
        self._most = most
        self._hurry = hurry
        self._opener = urllib.request.build_opener(_NoRedirect, *_proxies(self._host))
        # Guards the two below.
        self._lock = threading.Lock()
        self._waiting: deque[_Post] = deque()
        self._closing: float | None = None  # when a stop no longer waits, monotonic seconds
        self._backoff = Backoff(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, jitter=0.25)
        self._loop = Loop("posts", self._turn)

    def start(self) -> None:
        signed = "signed" if self._secret else "unsigned, set POLTERGUST_NOTIFY_SECRET to sign them"
        log.info("outcomes are posted to %s (%s)", self._host, signed)
        self._loop.start()

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        """See `RunObserver.renamed`: queues a notice if this node renamed a config; returns at once."""
        if result is not RenameResult.WON or verdict.outcome is None:
            return
        post = _Post(run.name, self._body(run, verdict), time.monotonic() + self._give_up)
        with self._lock:
            closing = self._closing is not None
            taken = len(self._waiting) < self._most and not closing
            if taken:
                self._waiting.append(post)
            alone = len(self._waiting) == 1
        if not taken:
            self._drop(post, "this node stops" if closing else f"{self._most} others wait already")
        elif alone:  # else the thread is on its way to it, and a delay after a failure is not to be cut short
            self._loop.wake()

    def stop(self, flush: float = FLUSH_SECONDS) -> None:
        """Try for `flush` seconds to deliver what waits; the rest is logged."""
        with self._lock:
            self._closing = time.monotonic() + flush
        self._loop.wake()
        while self._remaining() > 0 and not self._loop.join(0.1):
            pass
        self._loop.request_stop()
        with self._lock:
            left, self._waiting = list(self._waiting), deque()
        for post in left:
            self._drop(post, "this node stops")

    def _body(self, run: Run, verdict: Verdict) -> bytes:
        assert verdict.outcome is not None
        what = f"{self._path}\0{run.name}\0{run.config.generation}\0{verdict.outcome.value}"
        content = {
            "format": 1,
            "id": hashlib.sha256(what.encode()).hexdigest()[:32],
            "time": round(time.time(), 3),
            "path": self._path,
            "name": run.name,
            "generation": run.config.generation,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason.code,
            "text": verdict.text,
            "node": self._node,
            "started": run.record.started,
            "failures": [{"task_id": each.task_id, "family": each.family} for each in verdict.failures],
        }
        return json_bytes(content)

    def _turn(self) -> float | None:
        with self._lock:
            if self._closing is not None and (not self._waiting or self._remaining() <= 0):
                return None
            if not self._waiting:
                return math.inf
            post = self._waiting[0]
        failure, temporary = self._post(post.body)
        if failure and temporary and time.monotonic() < post.until:
            if not self._backoff.failures():
                log.warning("the outcome of %s cannot be posted to %s: %s; tried again", post.name, self._host, failure)
            delay = self._backoff.delay()
            return delay if self._closing is None else min(FIRST_RETRY_SECONDS, self._remaining())
        self._backoff.forget()
        with self._lock:
            if self._waiting and self._waiting[0] is post:
                self._waiting.popleft()
        if failure:
            self._drop(post, failure)
        else:
            self._result("delivered")
        return 0.0

    def _remaining(self) -> float:
        """Seconds until a stop no longer waits; infinity while none was asked for."""
        if self._closing is None:
            return math.inf
        return 0.0 if self._hurry() else max(0.0, self._closing - time.monotonic())

    def _post(self, body: bytes) -> tuple[str, bool]:
        """What went wrong, empty if nothing, and whether it may pass."""
        headers = {"Content-Type": "application/json", "User-Agent": f"poltergust/{__version__}"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body)
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310  # the scheme was checked to be http or https
        try:
            with self._opener.open(request, timeout=max(0.5, min(REQUEST_TIMEOUT_SECONDS, self._remaining()))):
                return "", False
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code}", error.code >= 500 or error.code in _TEMPORARY_REFUSALS
        except urllib.error.URLError as error:
            return str(error.reason), True
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__, True

    def _drop(self, post: _Post, why: str) -> None:
        log.error("the outcome of %s was not posted to %s: %s", post.name, self._host, why)
        self._result("undelivered")


def signature(secret: bytes, body: bytes) -> str:
    """The value of the header `SIGNATURE`."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def check_url(url: str) -> str:
    """Raises `UsageError`, which does not repeat the URL: it may hold a key."""
    try:
        parts = urllib.parse.urlsplit(url)
        plain = url.isprintable() and " " not in url  # http.client's complaint would show all of it
        host = parts.hostname or ""
        valid = plain and parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc
        valid = valid and parts.port != 0 and can_be_looked_up(host)
    except ValueError:  # brackets that hold no address, a port that is no number
        valid = False
    if not valid:
        raise UsageError("--notify: write https://host/path, without a user name in it")
    if not f"{parts.path}{parts.query}".isascii():
        raise UsageError("--notify: write letters of its path that are not ASCII as a request has them: %C3%BC for ü")
    return url


def _proxies(host: str) -> list[urllib.request.BaseHandler]:
    """The machine's proxy is for the world outside."""
    return [urllib.request.ProxyHandler({})] if host in ("127.0.0.1", "localhost", "::1") else []


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is a refusal: followed, the post would become a GET, and would go to a host that nobody named."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
