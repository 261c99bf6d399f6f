"""The page's server: which address is answered by which handler, and its life from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado import httpserver, netutil, web

from poltergust.base.errors import UsageError
from poltergust.base.urls import is_cloud
from poltergust.dashboard import acting, api, events_handler, pages
from poltergust.dashboard.base_handler import NotFoundHandler, PageParts, StaticHandler
from poltergust.dashboard.events import Hub
from poltergust.dashboard.guards import Sessions
from poltergust.dashboard.reading import PathReading
from poltergust.dashboard.rendering import Renderer
from poltergust.dashboard.settings import DashboardSettings
from poltergust.dashboard.watching import Watcher
from poltergust.observe.http import shown

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")

CLOUD_INTERVAL_SECONDS = 5.0
FOLDER_INTERVAL_SECONDS = 1.0
"""How often what somebody looks at is read again: a bucket's listing costs money, a folder's nothing."""

MAX_BODY_BYTES = 2 * 1024 * 1024
IDLE_SECONDS = 60.0
MAX_HEADER_BYTES = 16 * 1024


def application(parts: PageParts) -> web.Application:
    routes: list[Any] = [
        (r"/", pages.OverviewPage),
        (r"/runs/(.+)", pages.RunPage),
        (r"/history/(.+)", pages.HistoryPage),
        (r"/nodes", pages.NodesPage),
        (r"/environments", pages.EnvironmentsPage),
        (r"/submit", acting.SubmitPage),
        (r"/sign-in", acting.SignInPage),
        (r"/sign-out", acting.SignOut),
        (r"/actions/retry", acting.Retry),
        (r"/actions/cancel", acting.Cancel),
        (r"/api/overview", api.OverviewApi),
        (r"/api/nodes", api.NodesApi),
        (r"/api/runs/(.+)", api.RunApi),
        (r"/api/graph/(.+)", api.GraphApi),
        (r"/api/logs/(.+)", api.LogsApi),
        (r"/api/history/(.+)", api.HistoryApi),
        (r"/api/environments", api.EnvironmentsApi),
        (r"/events", events_handler.EventsHandler),
    ]
    return web.Application(
        [
            *((pattern, handler, {"parts": parts}) for pattern, handler in routes),
            (r"/static/(.*)", StaticHandler, {"parts": parts, "path": str(STATIC)}),
        ],
        default_handler_class=NotFoundHandler,
        default_handler_args={"parts": parts},
        compress_response=True,
        log_function=_log_request,
    )


async def serve(
    settings: DashboardSettings,
    reading: PathReading,
    *,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    interval: float | None = None,
) -> None:
    """Answer until `stop` is set. `ready` gets the page's address once it answers. `interval` in seconds; None: what
    suits the path. Raises `UsageError` where the address cannot be had."""
    sockets = _bind(settings.address)
    if interval is None:
        interval = CLOUD_INTERVAL_SECONDS if is_cloud(reading.path.root) else FOLDER_INTERVAL_SECONDS
    hub = Hub()
    watcher = Watcher(hub, interval)
    parts = PageParts(settings, reading, watcher, hub, Sessions(settings.token), Renderer())
    server = httpserver.HTTPServer(
        application(parts),
        max_body_size=MAX_BODY_BYTES,
        max_buffer_size=MAX_BODY_BYTES + MAX_HEADER_BYTES,
        max_header_size=MAX_HEADER_BYTES,
        idle_connection_timeout=IDLE_SECONDS,
        body_timeout=IDLE_SECONDS,
    )
    server.add_sockets(sockets)
    watching = asyncio.create_task(watcher.watch())
    try:
        host, port = sockets[0].getsockname()[:2]
        ready(f"http://{shown((str(host), int(port)))}/")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if watching.done():  # it never ends by itself: what ended it ends the server, with its traceback
            watching.result()
    finally:
        server.stop()
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        watcher.close()
        await server.close_all_connections()


def _bind(address: tuple[str, int]) -> list[socket.socket]:
    host, port = address
    try:
        return netutil.bind_sockets(port, host)[:1] if port == 0 else netutil.bind_sockets(port, host)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"--http {shown(address)}: {why}; name another address or port") from None


def _log_request(handler: web.RequestHandler) -> None:
    log.debug("%d %s %s", handler.get_status(), handler.request.method, handler.request.path)
