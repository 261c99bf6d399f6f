"""What every request passes before a page is made: the Host it names, who asks, and where a form came from.

A browser can be led to send requests here by any other page it has open. So the Host header has to be a name of ours
(a foreign name that resolves to this address is refused), nothing is changed by a GET, and a change needs a session
begun with the token, the session's own form token, and an Origin that is this very page.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poltergust.dashboard.settings import DashboardSettings

COOKIE = "poltergust_session"
SESSION_SECONDS = 12 * 3600.0
MAX_SESSIONS = 100
"""The oldest ends when one more begins."""
MAX_TRIES_PER_MINUTE = 10
"""Wrong tokens, from everybody together; after that each is refused unseen."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser sends forms with the Origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_allowed(settings: DashboardSettings, header: str | None) -> bool:
    """Whether the Host header, port or not, is a name this page goes by."""
    if not header:
        return False
    return _without_port(header).lower() in settings.hosts


def same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a change comes from a page of ours. Browsers send Origin with every POST; one without is believed only
    where the browser says in Sec-Fetch-Site that it is the same."""
    if origin is not None:
        return origin.partition("://")[2].lower() == host.lower() and origin != "null"
    return fetch_site == "same-origin"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


@dataclass(frozen=True)
class Session:
    """Somebody who gave the token. `form_token` has to come with every form they send."""

    key: str
    form_token: str
    until: float


class Sessions:
    """Who may act. `token` None: nobody. Used from the event loop's thread only."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._wrong: list[float] = []

    @property
    def possible(self) -> bool:
        return self._token is not None

    def begin(self, token: str) -> Session | None:
        """A session for the right token; None for a wrong one, or while too many wrong ones came."""
        now = self._clock()
        self._wrong = [at for at in self._wrong if now - at < 60.0]
        if self._token is None or len(self._wrong) >= MAX_TRIES_PER_MINUTE:
            return None
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            self._wrong.append(now)
            return None
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now + SESSION_SECONDS)
        self._sessions[session.key] = session
        return session

    def find(self, key: str | None) -> Session | None:
        """The session of that cookie, None if it ended."""
        session = self._sessions.get(key or "")
        if session is not None and session.until <= self._clock():
            self.end(session)
            return None
        return session

    def end(self, session: Session) -> None:
        self._sessions.pop(session.key, None)


def form_token_right(session: Session, given: str) -> bool:
    return hmac.compare_digest(session.form_token.encode(), given.encode())
