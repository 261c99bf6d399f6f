"""A live cluster in a real browser: configs run, fail, are retried and cancelled while somebody looks on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import Look, look
from tests.dashboard.cluster import Cluster


@pytest.fixture
def seen(browser: Browser, live: Cluster) -> Iterator[Look]:
    with look(browser, live.page) as opened:
        yield opened


def sign_in(seen: Look, live: Cluster) -> None:
    """By the address that the command printed."""
    seen.page.goto(f"{live.page}#token={live.token}")
    expect(seen.page.get_by_role("link", name="Submit", exact=True)).to_be_visible()


def test_configs_appear_run_and_end_without_loading_the_page_again(seen: Look, live: Cluster) -> None:
    page = seen.open("/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.evaluate("window.loadedOnce = true")
    live.run("good")
    live.run("bad", broken=101)
    live.run("held", held=True, stations=2)
    expect(page.locator("#config-good")).to_contain_text("done", timeout=90_000)
    expect(page.locator("#config-bad")).to_contain_text("error", timeout=60_000)
    expect(page.locator("#config-bad")).to_contain_text("413.2 °C, warmer than air can be")
    expect(page.locator("#config-held")).to_contain_text("running", timeout=60_000)
    expect(page.locator(".nodes .node-ready")).to_have_count(3)
    expect(page.locator(".bar-done").first).to_be_attached()
    assert page.evaluate("window.loadedOnce")


def test_a_word_typed_into_the_search_leaves_what_holds_it(seen: Look, live: Cluster) -> None:
    page = seen.open("/")
    page.get_by_role("searchbox").fill("warmer air")
    expect(page.locator("table.configs tbody tr")).to_have_count(1)
    expect(page.locator("#config-bad")).to_be_visible()
    assert page.url.endswith("?q=warmer+air")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("warmer air")
    page.get_by_role("searchbox").fill("")
    expect(page.locator("table.configs tbody tr")).to_have_count(3)
    page.get_by_role("link", name="Failed 1").click()
    expect(page.locator("table.configs tbody tr")).to_have_count(1)


def test_from_the_first_page_to_the_exception_is_one_click(seen: Look, live: Cluster) -> None:
    page = seen.open("/")
    page.get_by_role("link", name="bad", exact=True).click()
    expect(page.locator(".failure pre").first).to_contain_text("ValueError: station 101 reports 413.2 °C")
    expect(page.locator(".failure pre").first).to_contain_text("stations.py")


def test_every_view_of_a_run_shows_it(seen: Look, live: Cluster) -> None:
    page = seen.open("/runs/bad")
    views = page.get_by_role("navigation", name="Views of the run")
    expect(page.locator("table.tasks tbody tr").first).to_contain_text("failed")
    views.get_by_role("link", name="Timeline").click()
    expect(page.locator(".bar-done").first).to_be_attached()
    expect(page.locator(".lane-label", has_text="node-")).not_to_have_count(0)
    views.get_by_role("link", name="Graph").click()
    expect(page.locator(".graph .box")).to_have_count(4)
    expect(page.locator(".box-failed .box-label")).to_have_text("CleanStation")
    page.get_by_role("link", name="Failed and running").click()
    expect(page.locator(".graph .box")).to_have_count(3)  # the one that failed, what it needs, what needs it
    views.get_by_role("link", name="Logs").click()
    expect(page.locator(".log-line").first).to_be_visible()
    page.get_by_role("checkbox", name="only errors").check()
    expect(page.locator(".log-line:not(.error)")).to_have_count(0)
    page.locator("a.log-line", has_text="ValueError: station 101").first.click()
    expect(page.locator(".log-line:target")).to_contain_text("ValueError: station 101")
    views.get_by_role("link", name="Files").click()
    expect(page.locator(".code").first).to_contain_text("module: stations")
    expect(page.get_by_role("heading", name="Installed versions")).to_be_visible()
    views.get_by_role("link", name="Nodes").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_a_log_grows_while_it_is_looked_at(seen: Look, live: Cluster) -> None:
    live.run("chatty", held=True, stations=1)
    live.place.until_records("chatty", "it to run", state="running")
    page = seen.open("/runs/chatty?view=logs&q=begins")  # in the logs of all nodes: any of them may have it
    expect(page.locator(".log .ansi-green").first).to_have_text("FetchStation")
    live.release("chatty")
    expect(page.locator("h1 + .state")).to_have_text("done", timeout=60_000)


def test_who_is_not_signed_in_finds_nothing_to_press(seen: Look, live: Cluster) -> None:
    page = seen.open("/runs/bad")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    seen.open("/submit")
    expect(page.locator("textarea")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name="sign in").click()
    page.get_by_label("Token").fill("not the token, but long")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not the token")


def test_a_repaired_run_is_retried_from_the_page_and_the_history_has_both(seen: Look, live: Cluster) -> None:
    sign_in(seen, live)
    page = seen.page
    assert "token" not in page.url
    seen.open("/runs/bad")
    live.repair("bad")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("h1 + .state")).to_have_text("done", timeout=90_000)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="Runs 2")).to_be_visible()
    expect(page.locator(".chart canvas")).to_be_visible()
    page.get_by_role("button", name="Compare the two chosen").click()
    compared = page.locator("table.compare tbody tr").first
    expect(compared).to_contain_text("error")
    expect(compared).to_contain_text("done")
    expect(page.locator(".grid .cell-failed")).to_have_count(1)


def test_a_run_is_cancelled_from_the_page_on_every_node(seen: Look, live: Cluster) -> None:
    sign_in(seen, live)
    page = seen.open("/runs/held")
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("h1 + .state")).to_have_text("cancelled", timeout=60_000)
    live.place.until("held", "cancelled")


def test_a_file_with_a_mistake_is_explained_and_a_sound_one_submitted(seen: Look, live: Cluster) -> None:
    sign_in(seen, live)
    page = seen.open("/submit")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['task: dropped'], 'dropped.config.yaml')); return data; }"
    )
    page.dispatch_event("form[data-drop]", "drop", {"dataTransfer": dropped})
    expect(page.get_by_label("Task file")).to_have_value("task: dropped")
    expect(page.get_by_label("Name")).to_have_value("dropped")
    page.get_by_label("Name").fill("from-the-page")
    text = "environment: ../environment/plain.yaml\ntask:\n  name: FetchStation\n  modul: stations\n  station: 1\n"
    text += f"  folder: {live.place.scratch}\n"
    page.get_by_label("Task file").fill(text)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("did you mean")
    page.get_by_label("Task file").fill(text.replace("modul:", "module:"))
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("A node would take this file.")).to_be_visible()
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator("h1 + .state")).to_have_text("done", timeout=90_000)


def test_when_everything_is_dead_the_page_still_says_what_happened(seen: Look, live: Cluster) -> None:
    """The last one: it takes the cluster down."""
    live.kill()
    page = seen.open("/")
    expect(page.locator(".nodes .node")).to_have_count(3)
    expect(page.locator("#config-good")).to_contain_text("done")
    seen.open("/history/bad")
    expect(page.get_by_role("heading", name="Runs 2")).to_be_visible()
    expect(page.get_by_text("413.2 °C").first).to_be_visible()
    seen.open("/runs/good?view=logs")
    expect(page.locator(".log")).to_contain_text("DailyReport")
