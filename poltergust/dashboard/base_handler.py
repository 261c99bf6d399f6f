"""What all answers have in common: the guards before, the security headers, errors as pages, sessions."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tornado import web

from poltergust.base.errors import PoltergustError, Temporary
from poltergust.base.redaction import without_credentials
from poltergust.base.text import one_line
from poltergust.dashboard import guards
from poltergust.dashboard.events import Hub
from poltergust.dashboard.guards import Session, Sessions
from poltergust.dashboard.reading import PathReading
from poltergust.dashboard.rendering import Renderer
from poltergust.dashboard.settings import DashboardSettings
from poltergust.dashboard.watching import TopicSnapshot, Watcher
from poltergust.stores import StoreError

log = logging.getLogger(__name__)

FRAGMENT_HEADER = "X-Poltergust-Fragment"
"""A script of ours asks with it for the changing part of a page alone."""


@dataclass(frozen=True)
class PageParts:
    """What the handlers work with; one for the whole server."""

    settings: DashboardSettings
    reading: PathReading
    watcher: Watcher
    hub: Hub
    sessions: Sessions
    renderer: Renderer


class BaseHandler(web.RequestHandler):
    """`parts` is set before anything else happens."""

    parts: PageParts

    def initialize(self, parts: PageParts) -> None:
        self.parts = parts

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in guards.SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        if not guards.host_allowed(self.parts.settings, self.request.headers.get("Host")):
            raise web.HTTPError(421, reason="this page does not go by that name; add it: --allow-host NAME")

    @property
    def session(self) -> Session | None:
        return self.parts.sessions.find(self.get_cookie(guards.COOKIE))

    def body_text(self, name: str) -> str:
        """A field of the form as it was sent, "" if there is none. Tornado's own way puts blanks in the place of
        control characters, and what is checked has to be what was written. Raises 400 for what is no UTF-8."""
        try:
            return self.request.body_arguments.get(name, [b""])[-1].decode()
        except UnicodeDecodeError:
            raise web.HTTPError(400, reason=f"the field {name} is not UTF-8") from None

    def check_change(self) -> Session:
        """Before anything is changed: who sent this form is signed in, and sent it from this page. Raises 403."""
        headers = self.request.headers
        if not guards.same_origin(self.request.host, headers.get("Origin"), headers.get("Sec-Fetch-Site")):
            raise web.HTTPError(403, reason="this did not come from the page itself")
        if not self.parts.sessions.possible:
            raise web.HTTPError(403, reason="this page only shows; start it with --allow-actions")
        session = self.session
        if session is None:
            raise web.HTTPError(403, reason="sign in first, with the token")
        if not guards.form_token_right(session, self.get_body_argument("form_token", "")):
            raise web.HTTPError(403, reason="this form is not of your session; load the page again")
        return session

    def write_json(self, value: Mapping[str, Any]) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        text = json.dumps({"format": 1, **value}, ensure_ascii=False, indent=1)
        self.write(without_credentials(text) + "\n")

    def write_page(self, template: str, snapshot: TopicSnapshot[Any] | None, topic: str = "", **values: object) -> None:
        """A whole page, or its changing part where a script of ours asks for that."""
        session = self.session
        common: dict[str, object] = {
            "path": self.parts.reading.path.root,
            "here": self.request.path,
            "uri": self.request.uri,
            "topic": topic,
            "signature": "" if snapshot is None else f"{snapshot.signature & (2**64 - 1):x}",
            "problem": "" if snapshot is None else snapshot.problem,
            "can_act": session is not None,
            "could_act": self.parts.sessions.possible,
            "form_token": "" if session is None else session.form_token,
        }
        fragment = FRAGMENT_HEADER in self.request.headers
        render = self.parts.renderer.main if fragment else self.parts.renderer.page
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(render(template, **common, **values))

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, (web.HTTPError, PoltergustError)):
            log.info("%s %s: %s", self.request.method, one_line(self.request.path), one_line(str(value)))
        else:
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **arguments: Any) -> None:
        error = arguments.get("exc_info", (None, None, None))[1]
        if isinstance(error, (StoreError, Temporary)):
            status_code, text = 503, str(error)
        elif isinstance(error, PoltergustError):
            status_code, text = 409, str(error)
        else:
            text = self._reason if isinstance(error, web.HTTPError) else "this page could not be made; the log says why"
        self.set_status(status_code)
        text = one_line(without_credentials(text), 2000)
        if self.request.path.startswith("/api/") or "json" in self.request.headers.get("Accept", ""):
            self.write_json({"error": text})
        elif status_code == 421:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.write(text + "\n")
        else:
            self.write_page("error.html", None, status=status_code, text=text)


class NotFoundHandler(BaseHandler):
    """Everything that is no page of ours."""

    def prepare(self) -> None:
        super().prepare()
        raise web.HTTPError(404, reason="there is no such page")


class StaticHandler(web.StaticFileHandler):
    """Scripts and styles of the package, behind the same guards."""

    def initialize(self, parts: PageParts, path: str) -> None:  # type: ignore[override]  # one argument more, by name
        super().initialize(path)
        self.parts = parts

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in guards.SECURITY_HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if not guards.host_allowed(self.parts.settings, self.request.headers.get("Host")):
            raise web.HTTPError(421)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")  # asked again each time, answered with 304
