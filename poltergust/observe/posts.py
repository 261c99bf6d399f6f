"""`--notify URL`: each outcome is posted once, by the node that renamed the config.

In the background: no run waits for somebody's web server. One thread, a bounded queue, growing delays; what cannot be
delivered is logged and dropped, never kept for ever. The body is signed with HMAC-SHA256, so that the receiver
knows who speaks; `id` is the same for every try, so that a receiver whose answer was lost can tell a repetition.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import random
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
from poltergust.base.errors import UsageError
from poltergust.path.outcome import RenameResult
from poltergust.runs.run import Run, Verdict

log = logging.getLogger(__name__)

SIGNATURE = "X-Poltergust-Signature-256"
"""Header: ``sha256=`` and the hexadecimal HMAC-SHA256 of the body's bytes, by the secret."""

MOST = 1000
"""Outcomes that wait to be posted; beyond that the newest are logged and dropped."""

TIMEOUT = 10.0
FIRST_RETRY, LAST_RETRY = 1.0, 60.0
GIVE_UP = 3600.0
"""Seconds: for one request, between tries, and from an outcome to giving up."""

FLUSH = 10.0
"""Seconds that a stop gives what still waits."""

_AGAIN = (408, 425, 429)
"""Refusals that pass (https://httpwg.org/specs/rfc9110.html); all others below 500 are for good."""


@dataclass(frozen=True)
class _Notice:
    name: str
    body: bytes
    until: float


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
        give_up: float = GIVE_UP,
        most: int = MOST,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        """`hurry`: a stop waits no longer, asked again and again while it waits."""
        self._url = check_url(url)
        self._host = (
            urllib.parse.urlsplit(url).hostname or ""
        )  # all of the URL that is ever logged: its path may be a key
        self._secret = secret.encode() if secret else None
        self._path = path
        self._node = node
        self._result = result
        self._give_up = give_up
        self._most = most
        self._hurry = hurry
        self._opener = urllib.request.build_opener(_NoRedirect, *_proxies(self._host))
        self._changed = threading.Condition()
        self._waiting: deque[_Notice] = deque()
        self._closing: float | None = None  # when a stop no longer waits, monotonic seconds
        self._thread = threading.Thread(target=self._run, name="poltergust-notify", daemon=True)

    def start(self) -> None:
        signed = "signed" if self._secret else "unsigned, set POLTERGUST_NOTIFY_SECRET to sign them"
        log.info("outcomes are posted to %s (%s)", self._host, signed)
        self._thread.start()

    def renamed(self, run: Run, verdict: Verdict, result: RenameResult) -> None:
        """See `RunObserver.renamed`: queues a notice if this node renamed a config; returns at once."""
        if result is not RenameResult.WON or verdict.outcome is None:
            return
        notice = _Notice(run.name, self._body(run, verdict), time.monotonic() + self._give_up)
        with self._changed:
            if len(self._waiting) < self._most and self._closing is None:
                self._waiting.append(notice)
                self._changed.notify_all()
                return
        self._drop(notice, f"{self._most} others wait already" if self._closing is None else "this node stops")

    def stop(self, flush: float = FLUSH) -> None:
        """Try for `flush` seconds to deliver what waits; the rest is logged."""
        with self._changed:
            self._closing = time.monotonic() + flush
            self._changed.notify_all()
        while self._thread.is_alive() and self._over() > 0:
            self._thread.join(0.1)
        with self._changed:
            left, self._waiting = list(self._waiting), deque()
        for notice in left:
            self._drop(notice, "this node stops")

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
        return json.dumps(content, ensure_ascii=False).encode()

    def _run(self) -> None:
        delay = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing is not None)
                if delay and self._closing is None:
                    self._changed.wait_for(lambda: self._closing is not None, delay)
                elif delay:
                    self._changed.wait(min(FIRST_RETRY, max(0.0, self._over())))
                if not self._waiting or self._over() <= 0:
                    return
                notice = self._waiting[0]
            failure, again = self._post(notice.body)
            if failure and again and time.monotonic() < notice.until:
                if not delay:
                    log.warning(
                        "the outcome of %s cannot be posted to %s: %s; tried again", notice.name, self._host, failure
                    )
                delay = min(LAST_RETRY, max(FIRST_RETRY, delay * 2)) * (1 - random.random() / 4)
                continue
            delay = 0.0
            with self._changed:
                if self._waiting and self._waiting[0] is notice:
                    self._waiting.popleft()
            if failure:
                self._drop(notice, failure)
            else:
                self._result("delivered")

    def _over(self) -> float:
        """Seconds until a stop no longer waits."""
        if self._closing is None:
            return float("inf")
        return 0.0 if self._hurry() else self._closing - time.monotonic()

    def _post(self, body: bytes) -> tuple[str, bool]:
        """What went wrong, empty if nothing, and whether it may pass."""
        headers = {"Content-Type": "application/json", "User-Agent": f"poltergust/{__version__}"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body)
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=max(0.5, min(TIMEOUT, self._over()))):
                return "", False
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code}", error.code >= 500 or error.code in _AGAIN
        except urllib.error.URLError as error:
            return str(error.reason), True
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__, True

    def _drop(self, notice: _Notice, why: str) -> None:
        log.error("the outcome of %s was not posted to %s: %s", notice.name, self._host, why)
        self._result("undelivered")


def signature(secret: bytes, body: bytes) -> str:
    """The value of the header `SIGNATURE`."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def check_url(url: str) -> str:
    """Raises `UsageError`, which does not repeat the URL: it may hold a key."""
    try:
        parts = urllib.parse.urlsplit(url)
        plain = url.isprintable() and " " not in url  # http.client's complaint would show all of it
        valid = plain and parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        valid = False
    if not valid:
        raise UsageError("--notify: write https://host/path, without a user name in it")
    return url


def _proxies(host: str) -> list[urllib.request.BaseHandler]:
    """The machine's proxy is for the world outside."""
    return [urllib.request.ProxyHandler({})] if host in ("127.0.0.1", "localhost", "::1") else []


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is a refusal: followed, the post would become a GET, and would go where nobody said it should."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
