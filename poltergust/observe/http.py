"""A small web server for pages that are read by people, load balancers and Prometheus: GET and HEAD, nothing else.

Bounded in every direction, because whoever can connect can also misbehave: so many requests at a time, so long for each
in all (a client that sends one byte every few seconds included), one request for a connection.
"""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import logging
import math
import socket
import socketserver
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from poltergust.base.errors import UsageError

log = logging.getLogger(__name__)

MAX_REQUESTS = 16
"""Requests served side by side; for a further one the oldest is ended."""

MAKE_ROOM_SECONDS = 1.0
"""How long a connection waits for the place of the one that was ended."""

CLIENT_TIMEOUT_SECONDS = 5.0
"""How long a client may say nothing, or not read."""

CONNECTION_LIMIT_SECONDS = 15.0
"""For one connection in all."""


@dataclass(frozen=True)
class Answer:
    """`body` is sent as UTF-8."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"


Page = Callable[[str], Answer]
"""Takes the request's Accept header. Called from many threads."""


class PageServer:
    """Serves `pages`, by path, on `address` (host, port; port 0: any free one) between `start` and `stop`."""

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Page]) -> None:
        """Binds at once. Raises `UsageError` if the address cannot be had."""
        try:
            self._server = _Server(address, pages)
        except OSError as error:
            why = error.strerror or str(error)
            text = f"--http {shown(address)}: {why}; name another address or port, or leave --http out"
            raise UsageError(text) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="poltergust-http", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{shown((str(host), int(port)))}"

    def start(self) -> None:
        log.info("serving health and metrics at %s", self.url)
        if not loopback(str(self._server.server_address[0])):
            log.warning("everybody who reaches %s can read this node's status; there is no password", self.url)
        self._thread.start()

    def stop(self) -> None:
        """No new request after this; those under way are left to their time limits."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Page]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.pages = pages
        self._slots = threading.BoundedSemaphore(MAX_REQUESTS)
        self._lock = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}  # of open connections, monotonic seconds
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: it looks the host's full name up, which can hang where DNS does.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def host_allowed(self, header: str | None) -> bool:
        """On loopback only its own names: a web page can lead a browser on this machine here under a name of its own
        (DNS rebinding). What listens to others answers them all anyway."""
        if header is None or not loopback(self.server_name):
            return True
        try:
            return loopback(urllib.parse.urlsplit(f"//{header}").hostname or "")
        except ValueError:
            return False

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self._end_oldest()
            if not self._slots.acquire(timeout=MAKE_ROOM_SECONDS):
                self.shutdown_request(request)
                return
        with self._lock:
            self._deadlines[request] = time.monotonic() + CONNECTION_LIMIT_SECONDS
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had
            self._close(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._close(request)

    def service_actions(self) -> None:
        """Called about twice a second by `serve_forever`: end what takes too long."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, deadline in self._deadlines.items() if deadline < now]
        for request in late:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError as error:  # closed meanwhile
                log.debug("a slow connection had ended: %s", error)

    def _end_oldest(self) -> None:
        """Clients that hold all places, because they are slow or wish to, do not keep others out."""
        with self._lock:
            oldest = min(self._deadlines, key=self._deadlines.__getitem__, default=None)
            if oldest is not None:
                self._deadlines[oldest] = math.inf  # the next one that needs room ends another
        if oldest is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                oldest.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or was too slow is its own business."""
        log.debug("a request could not be answered", exc_info=True)

    def _close(self, request: Any) -> None:
        with self._lock:
            self._deadlines.pop(request, None)
        self._slots.release()


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = CLIENT_TIMEOUT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._answer(self._page())

    def do_HEAD(self) -> None:
        self._answer(self._page(), body=False)

    def version_string(self) -> str:
        return "poltergust"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("http: " + format, *args)

    def _page(self) -> Answer:
        if not self.server.host_allowed(self.headers.get("Host")):
            return Answer(421, "this address is not a name of this server; use the one that --http names\n")
        path = self.path.partition("?")[0]
        page = self.server.pages.get(path)
        if page is None:
            return Answer(404, f"no such page; there are: {' '.join(self.server.pages)}\n")
        try:
            return page(self.headers.get("Accept", ""))
        except Exception:
            log.exception("the page %s could not be made", path)
            return Answer(500, "this page could not be made; the agent's log says why\n")

    def _answer(self, answer: Answer, *, body: bool = True) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if body:
            self.wfile.write(data)
