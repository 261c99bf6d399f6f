"""`luigid` as it should be run: quick take-over, kept state, Prometheus metrics, a password, and no foreign Host.

Whoever reaches a luigid runs code on the nodes: it tells them which task of which module to load. Luigi's own server
knows no password and answers any page that a browser has open, so its application stands behind `Guard` here: each
request names this scheduler in its Host header, comes from no page of another site, and bears a password if there is
one. The scheduler itself and its pages are Luigi's.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import luigi.configuration
import luigi.server
from tornado import httpserver, httputil, netutil, routing, web

from poltergust.base.errors import UsageError
from poltergust.luigi_run import LOOPBACK, QUICK_TAKE_OVER
from poltergust.luigi_run.own_state import check_state
from poltergust.luigi_run.passwords import AcceptedPasswords
from poltergust.luigi_run.spared_scheduler import SparedScheduler

SETTINGS: Mapping[str, str] = {**QUICK_TAKE_OVER, "metrics_collector": "prometheus"}
"""Of `[scheduler]`, where the operator's own configuration of Luigi says nothing else."""

PRUNE_SECONDS = 60.0
"""Between two looks for what is to be forgotten, as Luigi's own server has it."""

TURN_SECONDS = 1.0
MAX_TURN_SECONDS = 10.0
"""After so long without a turn of its loop the scheduler counts as stuck."""

IDLE_CONNECTION_SECONDS = 120.0
"""After which an unused connection is closed. Runs keep theirs for a minute (`inside/connections.py`)."""

_API = "/api/"
_QUESTIONS = frozenset(
    """
    dep_graph fetch_error get_running_task_resources get_scheduler_message_response get_task_progress_percentage
    get_task_status_message graph has_task_history inverse_dep_graph is_pause_enabled is_paused resource_list
    task_list task_search worker_list
    """.split()  # noqa: SIM905
)
"""Luigi's calls that change nothing, and may be asked by an address alone. Every other one changes something."""

_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104  # compared with, never bound to

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LuigidSettings:
    """`state` is the folder for what is kept. `passwords` None: nobody is asked for one. `hosts` are further names,
    without a port, that it may be asked under."""

    address: str
    port: int
    state: Path
    passwords: AcceptedPasswords | None = None
    hosts: frozenset[str] = frozenset()

    @property
    def all_hosts(self) -> frozenset[str]:
        """Every name it answers to, lower case. IP addresses are not listed: no site can make a browser send one that
        is not the site's own."""
        names = {*LOOPBACK, *self.hosts}
        if self.address not in LOOPBACK:
            names.add(socket.gethostname())
            names.add(socket.gethostname().partition(".")[0])
            if self.address not in _WILDCARDS:
                names.add(self.address)
        return frozenset(name.lower() for name in names)


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    text: str


class Guard(routing.Router):
    """Hands a request on to `application` if nothing is wrong with it."""

    def __init__(
        self, application: web.Application, hosts: frozenset[str], passwords: AcceptedPasswords | None
    ) -> None:
        self._application = application
        self._hosts = hosts
        self._passwords = passwords

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> httputil.HTTPMessageDelegate | None:
        refusal = (
            self._foreign_host(request)
            or self._foreign_page(request)
            or self._no_password(request)
            or self._change_by_address(request)
        )
        if refusal is None:
            return self._application.find_handler(request, **kwargs)
        return self._application.get_handler_delegate(request, _Refused, {"refusal": refusal})

    def _foreign_host(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        """A site can let its own name lead to this address, and a browser then takes the two for one."""
        host = httputil.split_host_and_port(request.host.lower())[0].strip("[]")
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return None
        if host in self._hosts:
            return None
        text = "this scheduler does not go by that name; if it should, start it with --allow-host and the name"
        return Refusal(HTTPStatus.MISDIRECTED_REQUEST, text)

    def _foreign_page(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        """Browsers send requests that any open page asks for, and add the password they remember."""
        headers = request.headers
        origin = headers.get("Origin")
        site, mode = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Mode", "")
        followed_link = mode == "navigate" and request.method == "GET" and not request.path.startswith(_API)
        foreign = origin is not None and origin.partition("://")[2].lower() != request.host.lower()
        if foreign or (site not in ("none", "same-origin") and not followed_link):
            return Refusal(HTTPStatus.FORBIDDEN, "this request comes from a page of another site")
        return None

    def _change_by_address(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        """Luigi takes a GET for a POST. Any page can have a browser send a GET, with no Origin, and by plain HTTP to
        another machine with no Sec-Fetch-Site either (https://www.w3.org/TR/fetch-metadata/). A POST has its Origin;
        the header that Luigi's own pages send (jQuery's) is one that a page of another site cannot set."""
        path = request.path
        by_address = request.method in ("GET", "HEAD") and "X-Requested-With" not in request.headers
        if by_address and path.startswith(_API) and path.removeprefix(_API) not in _QUESTIONS:
            return Refusal(HTTPStatus.FORBIDDEN, "this call may change something; send it with POST")
        return None

    def _no_password(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        if self._passwords is None or self._passwords.accepts(*_given(request.headers.get("Authorization", ""))):
            return None
        return Refusal(HTTPStatus.UNAUTHORIZED, "this scheduler wants its user and password")


def _given(header: str) -> tuple[str, str]:
    """User and password of a Basic authorization (RFC 7617), empty where there is none."""
    kind, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    user, _, password = text.partition(":")
    return user, password


class _Refused(web.RequestHandler):
    def initialize(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def prepare(self) -> None:
        self.set_status(self._refusal.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if self._refusal.status is HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Basic realm="poltergust scheduler", charset="UTF-8"')
        self.finish(self._refusal.text + "\n")


class Luigid:
    """One scheduler and its server; `serve` once."""

    def __init__(self, settings: LuigidSettings) -> None:
        """Loads the state. Raises `UsageError`: the folder or the state in it is somebody else's."""
        self._settings = settings
        check_state(settings.state)
        os.umask(0o077)
        config = luigi.configuration.get_config()
        for name, value in SETTINGS.items():
            if config.get("scheduler", name, None) is None:
                config.set("scheduler", name, value)
        config.set("scheduler", "state_path", str(settings.state / "state.pickle").replace("%", "%%"))
        self._scheduler: Any = SparedScheduler()
        # luigi/server.py reads its settings of cross-origin requests for each request: a quarter of what one takes.
        cors: Any = luigi.server.cors()
        luigi.server.cors = lambda: cors  # type: ignore[assignment,misc]
        self._scheduler.load()
        self._turned = time.monotonic()

    def metrics(self) -> str:
        """In Prometheus' text format; empty where the operator configured another collector."""
        return bytes(self._scheduler._state._metrics_collector.generate_latest() or b"").decode()

    def answers(self) -> bool:
        """Whether its loop goes round. Usable from any thread."""
        return time.monotonic() - self._turned < MAX_TURN_SECONDS

    async def serve(self, on_ready: Callable[[], None], on_turn: Callable[[], None]) -> None:
        """Until SIGTERM or SIGINT, then keep the state. `on_turn` is called about once a second. Raises `UsageError`
        if the address cannot be had."""
        settings = self._settings
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        application: web.Application = luigi.server.app(self._scheduler)
        guard = Guard(application, settings.all_hosts, settings.passwords)
        server = httpserver.HTTPServer(guard, idle_connection_timeout=IDLE_CONNECTION_SECONDS)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each run keeps two or three connections
        try:
            server.add_sockets(netutil.bind_sockets(settings.port, address=settings.address))
        except OSError as error:
            where = f"{settings.address}:{settings.port}"
            raise UsageError(f"cannot listen on {where}: {error.strerror}; choose another address or port") from None
        on_ready()
        pruned = time.monotonic()
        try:
            while not stop.is_set():
                self._turned = time.monotonic()
                on_turn()
                if self._turned - pruned >= PRUNE_SECONDS:
                    self._scheduler.prune()
                    pruned = self._turned
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stop.wait(), TURN_SECONDS)
        finally:
            server.stop()
            self._scheduler.dump()
