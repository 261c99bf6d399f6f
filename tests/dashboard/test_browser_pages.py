"""Every page as different people meet it: in the dark, on a phone, with a keyboard alone, through a screen reader; and
what a pipeline may name and print to harm them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.redaction import Redactor
from poltergust.path.records import PhaseTimings, RunEnvironment, RunRecord, State
from tests.dashboard.browser import Look, look
from tests.dashboard.serving import Served, Site

TOKEN = "the token of this test"
LINKS = "[...document.querySelectorAll('a, [data-href]')].map(a => a.dataset.href ?? a.getAttribute('href'))"
HOSTILE = "<img src=x onerror=window.harmed=1>"
PAGES = [
    "/",
    "/?state=failed",
    "/nodes",
    "/environments",
    "/submit",
    "/sign-in",
    "/runs/reports/nightly",
    "/runs/reports/nightly?view=timeline",
    "/runs/reports/nightly?view=graph",
    "/runs/reports/nightly?view=logs",
    "/runs/reports/nightly?view=logs&errors=1",
    "/runs/reports/nightly?view=changes",
    "/runs/reports/nightly?view=files",
    "/runs/reports/nightly?view=nodes",
    "/history/reports/nightly",
    "/history/reports/nightly?a=g1&b=g2",
    "/runs/nothing",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A path with something in every corner, and names and texts that nobody should have chosen."""
    made = Site(tmp_path_factory.mktemp("site"))
    for number, problems in ((1, ()), (2, (f"the disk is full {HOSTILE}",)), (3, ())):
        made.heartbeat(
            f"node-{number}",
            running=("reports/nightly", HOSTILE),
            problems=problems,
            slots=2,
            queue=("in line", HOSTILE),
            labels=("gpu", HOSTILE),
            version=f"0.{number}",
        )
    environment = RunEnvironment(
        "../environment/plain.yaml", "py3.11-0123456789abcdef", "3.11.7", "py3.11-0123@9", True
    )
    failure = TaskFailure(
        "CleanStation_7_0123456789", "CleanStation", f"Traceback …\nValueError: {HOSTILE} " + "x" * 300
    )
    for generation, outcome, started in (("g1", "done", 1000.0), ("g2", "error", 2000.0)):
        record = RunRecord(
            "reports/nightly",
            generation,
            "node-1",
            State.ENDED,
            outcome,
            "task-failed" if outcome == "error" else "complete",
            f"CleanStation failed: {HOSTILE}\x1b[31m",
            renamed=True,
            attempts=1,
            started=started,
            timings=PhaseTimings(2.0, 30.0),
            environment=environment,
            failures=(failure,) if outcome == "error" else (),
            progress=Progress(done=30, failed=1, pending=2),
        )
        made.record(record)
    made.config("reports/nightly", kind="error")
    log = (
        f"\x1b[31mred\x1b[0m {HOSTILE}\nTraceback (most recent call last):\n  File x\nValueError: {HOSTILE}\n"
        + "long " * 200
    )
    made.state.store.append(made.state.path.log("reports/nightly", "g2", "node-1"), log.encode())
    waiting = made.config(HOSTILE, b"environment: e.yaml\ntask:\n  name: A\n  module: b\n  note: '</script><b>'\n")
    text = f"waits for {HOSTILE}"
    made.record(RunRecord(HOSTILE, waiting, "node-2", State.WAITING, None, "data-missing", text, started=1000.0))
    made.config("javascript:alert(1)", kind="done")
    made.config("in line")
    for number in range(60):
        made.config(f"old/c{number:02}", kind="done")
    return made


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Served]:
    with site.served(token=TOKEN) as served:
        yield served


def opened(seen: Look, path: str) -> None:
    seen.open(path)
    if "graph" in path:
        expect(seen.page.locator(".graph")).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_barrier(browser: Browser, page: Served, scheme: str) -> None:
    found = {}
    with look(browser, page.url, color_scheme=scheme, reduced_motion="reduce") as seen:
        seen.page.goto(f"{page.url}#token={quote(TOKEN)}")
        expect(seen.page.get_by_role("link", name="Submit", exact=True)).to_be_visible()
        for path in PAGES:
            opened(seen, path)
            found[path] = seen.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


@pytest.mark.parametrize("width", [375, 768])
def test_no_page_is_wider_than_a_small_screen(browser: Browser, page: Served, width: int) -> None:
    wide = {}
    with look(browser, page.url, viewport={"width": width, "height": 800}) as seen:
        seen.page.goto(f"{page.url}#token={quote(TOKEN)}")
        expect(seen.page.get_by_role("link", name="Submit", exact=True)).to_be_visible()
        for path in PAGES:
            opened(seen, path)
            if seen.overflow() > 0:
                wide[path] = seen.overflow()
    assert wide == {}


CUT_LINKS = """[...document.querySelectorAll('.top nav a, .tabs a')].filter(link => {
  const one = link.getBoundingClientRect(), around = link.parentElement.getBoundingClientRect();
  return one.right > Math.min(innerWidth, around.right) + 1 || one.left < around.left - 1;
}).map(link => link.textContent)"""


def test_on_a_phone_every_link_of_the_navigation_and_of_tabs_is_in_sight(browser: Browser, page: Served) -> None:
    cut = {}
    with look(browser, page.url, viewport={"width": 375, "height": 800}) as seen:
        seen.page.goto(f"{page.url}#token={quote(TOKEN)}")
        expect(seen.page.get_by_role("link", name="Submit", exact=True)).to_be_visible()
        for path in PAGES:
            seen.open(path)
            cut[path] = seen.page.evaluate(CUT_LINKS)
    assert {path: links for path, links in cut.items() if links} == {}


NAMED = {"/nodes": "heartbeat", "/environments": "last used", "/runs/reports/nightly?view=nodes": "attempt"}


@pytest.mark.parametrize("path", NAMED)
def test_on_a_phone_each_value_of_a_row_has_a_name(browser: Browser, page: Served, path: str) -> None:
    with look(browser, page.url, viewport={"width": 375, "height": 800}) as seen:
        seen.open(path)
        expect(seen.page.locator("tbody .only-small", has_text=NAMED[path]).first).to_be_visible()
        headers = seen.page.locator("nav[aria-label=Pages] a")
        assert len({headers.nth(number).evaluate("one => one.offsetTop") for number in range(headers.count())}) == 1


def test_dark_is_the_systems_choice_until_a_person_chooses(browser: Browser, page: Served) -> None:
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    with look(browser, page.url, color_scheme="dark") as seen:
        seen.open("/")
        assert seen.page.evaluate(brightness) < 60
        seen.page.get_by_role("button", name="Switch between light and dark").click()
        assert seen.page.evaluate(brightness) > 200
        seen.page.reload()
        assert seen.page.evaluate(brightness) > 200


def test_a_keyboard_is_enough(browser: Browser, page: Served) -> None:
    with look(browser, page.url) as seen:
        keyboard = seen.open("/").keyboard
        keyboard.press("Tab")
        expect(seen.page.get_by_role("link", name="Skip to content")).to_be_focused()
        keyboard.press("Enter")
        expect(seen.page.get_by_role("main")).to_be_focused()
        keyboard.press("/")
        expect(seen.page.get_by_role("searchbox")).to_be_focused()
        keyboard.type("nightly")
        expect(seen.page.locator("table.configs tbody tr")).to_have_count(1)
        link = seen.page.get_by_role("link", name="reports/nightly", exact=True)
        for _ in range(20):
            keyboard.press("Tab")
            if link.evaluate("link => link === document.activeElement"):
                break
        expect(link).to_be_focused()
        keyboard.press("Enter")
        seen.page.wait_for_url("**/runs/reports/nightly")
        summary = seen.page.locator(".failure summary").first
        summary.focus()
        keyboard.press("Enter")
        expect(seen.page.locator(".failure pre").first).to_be_hidden()
        seen.open("/runs/reports/nightly?view=graph")
        box = seen.page.locator(".graph a.box").first
        expect(box).to_be_visible()
        box.focus()
        keyboard.press("Enter")
        seen.page.wait_for_url("**family=CleanStation")


def test_names_texts_logs_and_files_harm_nobody(browser: Browser, page: Served) -> None:
    hostile = [f"/runs/{quote(HOSTILE)}{view}" for view in ("", "?view=files", "?view=graph", "?view=logs")]
    with look(browser, page.url) as seen:
        for path in [*PAGES, *hostile, f"/history/{quote(HOSTILE)}", f"/?q={quote(HOSTILE)}"]:
            seen.open(path)
            seen.page.wait_for_load_state("networkidle") if "graph" in path else None
            assert seen.page.evaluate("window.harmed") is None, path
            assert seen.page.locator("img").count() == 0, path
            hrefs = seen.page.evaluate(LINKS)
            assert not [href for href in hrefs if href.startswith("javascript")], path
        seen.open("/")
        expect(seen.page.locator("a.name", has_text=HOSTILE)).to_be_visible()


def test_without_scripts_the_pages_are_all_there(browser: Browser, page: Served) -> None:
    with look(browser, page.url, java_script_enabled=False) as seen:
        seen.open("/")
        expect(seen.page.locator("table.configs tbody tr")).to_have_count(50)
        seen.page.get_by_role("link", name="Older →").click()
        expect(seen.page.get_by_text("Page 2 of 2")).to_be_visible()
        seen.open("/runs/reports/nightly?view=graph")
        expect(seen.page.get_by_role("link", name="CleanStation")).to_be_visible()


CUT_OFF = """[...document.querySelectorAll('#graph .edge, #graph .box')].filter(drawn => {
  const all = drawn.ownerSVGElement.viewBox.baseVal, one = drawn.getBBox();
  const across = one.x < all.x || one.x + one.width > all.x + all.width;
  return across || one.y < all.y || one.y + one.height > all.y + all.height;
}).length"""


@pytest.mark.parametrize("width", [375, 1280])
def test_no_edge_of_a_graph_is_cut_off(browser: Browser, tmp_path: Path, width: int) -> None:
    site = Site(tmp_path)
    generation = site.config("bent", kind="done")
    site.record(RunRecord("bent", generation, "node-1", State.ENDED, "done", "complete", started=1.0))
    requires: dict[str, list[str]] = {
        "Dyn": ["Fetch"],
        "Fetch": [],
        "Load": ["Fetch"],
        "Noisy": ["Dyn", "Fetch", "Load"],
    }
    with site.state.task_log("bent", generation, redact=Redactor(())) as log:
        for family, deps in requires.items():
            log.events([{"event": "announced", "task": family, "family": family, "params": {}, "deps": deps}])
    with site.served() as served, look(browser, served.url, viewport={"width": width, "height": 900}) as seen:
        opened(seen, "/runs/bent?view=graph")
        expect(seen.page.locator("#graph .edge")).to_have_count(5)
        assert seen.page.evaluate(CUT_OFF) == 0
