"""Submit, retry and cancel from the page: for who has the token, from the page itself, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.serving import TASK_FILE, Answer, Served, Site

TOKEN = "the token of this test"


class Person:
    """Somebody with a browser: keeps the session, sends what a browser sends with a form."""

    def __init__(self, page: Served) -> None:
        self.page = page
        self.cookie = ""

    def sign_in(self, token: str = TOKEN) -> Answer:
        answer = self.page.post("/sign-in", {"token": token}, Origin=self.origin)
        self.cookie = answer.headers.get("Set-Cookie", "").partition(";")[0]
        return answer

    @property
    def origin(self) -> str:
        return self.page.url.rstrip("/")

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', self.page.get("/submit", Cookie=self.cookie).text)
        return "" if found is None else found[1]

    def send(self, action: str, **form: str) -> Answer:
        return self.page.post(action, {"form_token": self.form_token, **form}, Origin=self.origin, Cookie=self.cookie)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def person(site: Site) -> Iterator[Person]:
    with site.served(token=TOKEN) as page:
        yield Person(page)


def standing(site: Site, name: str) -> list[str]:
    return sorted(path.name for path in (site.root / "pipeline").glob(f"{name}.*"))


def test_who_has_the_token_submits_retries_and_cancels(site: Site, person: Person) -> None:
    signed_in = person.sign_in()
    assert signed_in.status == 303
    cookie = signed_in.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    text = TASK_FILE.decode()
    assert person.send("/submit", name="nightly", text=text, do="check").status == 200
    assert standing(site, "nightly") == []
    submitted = person.send("/submit", name="nightly", text=text, do="submit")
    assert (submitted.status, submitted.headers["Location"]) == (303, "/runs/nightly")
    assert (site.root / "pipeline" / "nightly.config.yaml").read_bytes() == TASK_FILE
    assert person.send("/actions/cancel", name="nightly").status == 303
    assert standing(site, "nightly") == ["nightly.cancelled.yaml"]
    refused = person.send("/actions/retry", name="nightly")
    assert refused.status == 409
    assert "not an error" in refused.text
    assert person.send("/actions/retry", name="nightly", force="1").status == 303
    assert standing(site, "nightly") == ["nightly.config.yaml"]


def test_what_is_wrong_with_a_file_is_said_before_it_is_submitted(site: Site, person: Person) -> None:
    person.sign_in()
    answer = person.send(
        "/submit", name="nightly", text="environment: e.yaml\ntask:\n  name: X\n  modul: y\n", do="submit"
    )
    assert answer.status == 409
    assert "did you mean" in answer.text
    assert "modul: y" in answer.text  # what was written is still there
    assert standing(site, "nightly") == []


@pytest.mark.parametrize("name", ["../outside", "a/../../b", "/etc/x", "..", "a\x00b", ""])
def test_no_name_leads_outside_the_path(site: Site, person: Person, name: str) -> None:
    person.sign_in()
    for action in ("/actions/retry", "/actions/cancel"):
        assert person.send(action, name=name, force="1").status == 404
    assert person.send("/submit", name=name, text=TASK_FILE.decode(), do="submit").status in (404, 409)
    assert sorted(path.name for path in site.root.iterdir()) == ["environment", "pipeline"]
    assert list((site.root / "pipeline").iterdir()) == []


ACTIONS = ["/actions/retry", "/actions/cancel", "/submit", "/sign-out"]


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_done_for_another_page_a_forged_form_or_a_stranger(site: Site, person: Person, action: str) -> None:
    site.config("nightly")
    site.config("broken", kind="error")
    before = standing(site, "*")
    person.sign_in()
    good = {"form_token": person.form_token, "name": "nightly", "text": TASK_FILE.decode(), "do": "submit"}
    cookie, origin = person.cookie, person.origin
    page = person.page
    refused = [
        page.post(action, good, Cookie=cookie, Origin="http://evil.example"),
        page.post(action, good, Cookie=cookie, Origin="null"),
        page.post(action, good, Cookie=cookie, Origin=origin.replace("127.0.0.1", "127.0.0.2")),
        page.post(action, good, Cookie=cookie),  # a browser of today sends one of the two
        page.post(action, good, Cookie=cookie, Sec_Fetch_Site="same-site"),
        page.post(action, {**good, "form_token": "x"}, Cookie=cookie, Origin=origin),
        page.post(action, {**good, "form_token": ""}, Cookie=cookie, Origin=origin),
        page.post(action, good, Origin=origin),
        page.post(action, good, Cookie="poltergust_session=guessed", Origin=origin),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)
    assert standing(site, "*") == before


def test_a_get_never_acts(site: Site, person: Person) -> None:
    site.config("nightly")
    person.sign_in()
    for action in ("/actions/retry", "/actions/cancel", "/sign-out"):
        answer = person.page.get(f"{action}?name=nightly&form_token={person.form_token}", Cookie=person.cookie)
        assert answer.status == 405
    assert standing(site, "nightly") == ["nightly.config.yaml"]


def test_a_wrong_token_begins_nothing_and_cannot_be_tried_for_ever(person: Person) -> None:
    for _ in range(10):
        assert person.sign_in("a wrong token, quite long").status == 403
    assert person.sign_in().status == 403  # not even the right one, for a minute
    assert person.cookie == ""


def test_a_page_that_only_shows_takes_no_token(site: Site) -> None:
    site.config("nightly")
    with site.served() as page:
        person = Person(page)
        assert person.sign_in().status == 403
        assert page.post("/actions/cancel", {"name": "nightly"}, Origin=person.origin).status == 403
        assert "Sign in" not in page.get("/").text
    assert standing(site, "nightly") == ["nightly.config.yaml"]


def test_the_token_is_on_no_page(site: Site, person: Person) -> None:
    site.config("nightly")
    person.sign_in()
    for path in ("/", "/runs/nightly", "/submit", "/sign-in", "/api/overview", "/api/runs/nightly"):
        assert TOKEN not in person.page.get(path, Cookie=person.cookie).text


def test_who_signed_out_can_do_nothing_more(site: Site, person: Person) -> None:
    site.config("nightly")
    person.sign_in()
    form = {"form_token": person.form_token, "name": "nightly"}
    assert person.send("/sign-out").status == 303
    assert person.page.post("/actions/cancel", form, Cookie=person.cookie, Origin=person.origin).status == 403
