"""How calls travel to the scheduler: a connection is made once and kept, where Luigi makes one for each call.

Where `requests` is installed Luigi keeps connections itself. Elsewhere each call of its own would cost a round trip
more, and both sides a quarter more work.
"""

# mypy: allow-untyped-calls
import base64
import http.client
import importlib
import os
import threading
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

IDLE_SECONDS = 60.0  # unused for longer, it may have been dropped on the way without a word (Google's network: 600 s)

rpc: Any = importlib.import_module("luigi.rpc")  # untyped on purpose, see `remote.py`


def fetcher(url: str) -> Any:
    """One for `RemoteScheduler._fetcher`, with the credentials of `url` in a header. Luigi's would send what stands in
    the URL without decoding it."""
    parts = urlsplit(url)
    header = authorization(url)
    if rpc.HAS_REQUESTS:
        return Requests(header)
    proxied = parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
    return Proxied(header) if proxied or parts.scheme not in ("http", "https") else Kept(header)


def authorization(url: str) -> str:
    """The header for the credentials of `url`; empty if it has none."""
    parts = urlsplit(url)
    pair = "{}:{}".format(unquote(parts.username or ""), unquote(parts.password or "")).encode()
    return "Basic " + base64.b64encode(pair).decode() if parts.username else ""


def without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def decode_credentials() -> None:
    """In the clients that Luigi itself makes, as for a `luigi.build` in a task; `requests` does so by itself."""
    rpc.URLLibFetcher = Decoding


class Decoding(rpc.URLLibFetcher):  # type: ignore[misc]
    def _create_request(self, full_url: str, body: Any = None) -> Any:
        header = authorization(full_url)
        request = super()._create_request(without_credentials(full_url), body)
        if header:
            request.add_header("Authorization", header)
        return request


class Requests(rpc.RequestsFetcher):  # type: ignore[misc]
    def __init__(self, header: str) -> None:
        super().__init__()
        self._header = header

    def check_pid(self) -> None:
        super().check_pid()
        self.session.auth = self._sign if self._header else None

    def _sign(self, request: Any) -> Any:
        request.headers["Authorization"] = self._header
        return request


class Proxied(rpc.URLLibFetcher):  # type: ignore[misc]
    """By urllib, which knows how proxies are spoken to."""

    def __init__(self, header: str) -> None:
        self._header = header

    def _create_request(self, full_url: str, body: Any = None) -> Any:
        request = super()._create_request(full_url, body)
        if self._header:
            request.add_header("Authorization", self._header)
        return request


class Kept(Proxied):
    """Keeps a connection for each thread; raises what urllib raises."""

    def __init__(self, header: str) -> None:
        super().__init__(header)
        self._own = threading.local()

    def fetch(self, full_url: str, body: Any, timeout: float) -> str:
        data = urlencode(body).encode()
        kept: Any = self._own.__dict__.pop("kept", None)
        if kept is not None and kept.usable:
            try:
                return self._ask(kept, full_url, data)
            except (ConnectionError, http.client.BadStatusLine):
                pass  # the other side has closed it. A call that got no answer is one that Luigi repeats
        return self._ask(Connection(full_url, timeout), full_url, data)

    def _ask(self, connection: "Connection", full_url: str, data: bytes) -> str:
        text = connection.post(full_url, data, self._header)
        self._own.kept = connection
        return text


class Connection:
    """Made at once, and closed when nobody has it any more."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._http = kind(parts.netloc, timeout=timeout)
        self._process = os.getpid()
        self._used = time.monotonic()
        try:
            self._http.connect()
        except OSError as error:
            raise URLError(error) from error

    def __del__(self) -> None:
        self._http.close()

    @property
    def usable(self) -> bool:
        """Not the parent's before a fork, which goes on speaking through it, and not closed or too old."""
        here = self._process == os.getpid() and self._http.sock is not None
        return here and time.monotonic() - self._used < IDLE_SECONDS

    def post(self, url: str, data: bytes, header: str) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if header:
            headers["Authorization"] = header
        self._http.request("POST", urlsplit(url).path, data, headers)
        answer = self._http.getresponse()
        text = answer.read()
        self._used = time.monotonic()
        if answer.status != http.client.OK:
            raise HTTPError(url, answer.status, answer.reason, answer.headers, None)
        return text.decode()
