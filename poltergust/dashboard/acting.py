"""What a person may do from the page, behind a session, its form token and an Origin check: submit, retry, cancel.

A GET changes nothing. Each action is the one of the command line (`path.actions`), and ends at the run's page.
"""

from __future__ import annotations

from dataclasses import dataclass

from tornado import web

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.dashboard import guards
from poltergust.dashboard.base_handler import BaseHandler
from poltergust.dashboard.filters import address
from poltergust.dashboard.pages import checked_name
from poltergust.documents import MAX_BYTES
from poltergust.path.actions import CheckedTaskFile, check_environment


class SignInPage(BaseHandler):
    """``/sign-in``: the token for a session. A script sends here what the printed address holds after its #."""

    def get(self) -> None:
        self.write_page("sign_in.html", None, wrong=False)

    def post(self) -> None:
        headers = self.request.headers
        if not guards.same_origin(self.request.host, headers.get("Origin"), headers.get("Sec-Fetch-Site")):
            raise web.HTTPError(403, reason="this did not come from the page itself")
        session = self.parts.sessions.begin(self.get_body_argument("token", ""))
        if session is None:
            self.set_status(403)
            self.write_page("sign_in.html", None, wrong=True)
            return
        self.set_cookie(guards.COOKIE, session.key, httponly=True, samesite="Strict", path="/")
        self.redirect("/", status=303)


class SignOut(BaseHandler):
    """``POST /sign-out``"""

    def post(self) -> None:
        self.parts.sessions.end(self.check_change())
        self.clear_cookie(guards.COOKIE)
        self.redirect("/", status=303)


class Retry(BaseHandler):
    """``POST /actions/retry``: `name`, and `force` for one that is done or cancelled."""

    async def post(self) -> None:
        self.check_change()
        parts = self.parts
        name = checked_name(parts.reading.path, self.body_text("name"))
        force = bool(self.get_body_argument("force", ""))
        await parts.watcher.in_thread(lambda: parts.reading.state.actions.retry(name, force=force))
        parts.watcher.forget()
        self.redirect(address("/runs/", name), status=303)


class Cancel(BaseHandler):
    """``POST /actions/cancel``: `name`."""

    async def post(self) -> None:
        self.check_change()
        parts = self.parts
        name = checked_name(parts.reading.path, self.body_text("name"))
        await parts.watcher.in_thread(lambda: parts.reading.state.actions.cancel(name))
        parts.watcher.forget()
        self.redirect(address("/runs/", name), status=303)


@dataclass(frozen=True)
class Draft:
    """What somebody wrote into the form, and what came of checking it: one message a line."""

    name: str = ""
    text: str = ""
    replace: bool = False
    messages: tuple[str, ...] = ()
    sound: bool = False


class SubmitPage(BaseHandler):
    """``/submit``: a task file pasted or dropped; `check` shows what is wrong with it, `submit` puts it on the path."""

    def get(self) -> None:
        self.write_page("submit.html", None, draft=Draft(name=self.get_query_argument("name", "")))

    async def post(self) -> None:
        self.check_change()
        parts = self.parts
        text = self.body_text("text").replace("\r\n", "\n")
        name = self.body_text("name").removesuffix(".config.yaml")
        replace = bool(self.get_body_argument("replace", ""))
        try:
            checked = await parts.watcher.in_thread(lambda: self._checked(name, text))
            if self.get_body_argument("do", "") == "submit":
                await parts.watcher.in_thread(lambda: parts.reading.state.actions.submit(checked, replace=replace))
                parts.watcher.forget()
                self.redirect(address("/runs/", name), status=303)
                return
        except PoltergustError as error:
            self.set_status(409)
            messages = tuple(str(error).splitlines())
            self.write_page("submit.html", None, draft=Draft(name, text, replace, messages))
            return
        self.write_page("submit.html", None, draft=Draft(name, text, replace, sound=True))

    def _checked(self, name: str, text: str) -> CheckedTaskFile:
        reading = self.parts.reading
        if not name:
            raise UsageError("give the config a name")
        data = text.encode()
        if len(data) > MAX_BYTES:
            raise UsageError(f"the file is larger than {MAX_BYTES} bytes")
        checked = reading.state.actions.check(name, data, f"{name}.config.yaml")
        check_environment(reading.stores.of(checked.environment), checked)
        return checked
