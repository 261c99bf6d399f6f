"""The list of configs: what stands first, what a filter leaves, what hostile text becomes."""

from __future__ import annotations

import re
import time
from pathlib import Path

from poltergust.base.progress import Progress
from poltergust.dashboard.overview import PAGE_SIZE, Group, Query, select
from poltergust.path.reading.model import ConfigState, ConfigView
from poltergust.path.records import RunRecord, State
from tests.dashboard.serving import Site


def config(name: str, state: ConfigState, updated: float = 0.0, text: str = "") -> ConfigView:
    return ConfigView(name, state, f"/p/{name}", updated, 0.0, text=text)


def names(configs: list[ConfigView], query: Query) -> list[str]:
    return [row.name for row in select(configs, query).rows]


CONFIGS = [
    config("old", ConfigState.DONE, 1.0),
    config("new", ConfigState.ERROR, 9.0, "ValueError: too hot"),
    config("waits", ConfigState.QUEUED, 2.0),
    config("runs", ConfigState.RUNNING, 1.0),
]


def test_what_runs_is_first_then_what_waits_then_the_newest() -> None:
    assert names(CONFIGS, Query()) == ["runs", "waits", "new", "old"]


def test_words_are_looked_for_in_names_and_reasons_and_the_counts_follow() -> None:
    page = select(CONFIGS, Query(words="HOT valueerror"))
    assert [row.name for row in page.rows] == ["new"]
    assert page.counts[Group.FAILED] == 1
    assert page.counts[Group.DONE] == 0


def test_a_page_beyond_the_last_is_the_last() -> None:
    many = [config(f"c{number:04}", ConfigState.DONE, float(number)) for number in range(PAGE_SIZE + 1)]
    page = select(many, Query(page=99))
    assert (page.page, page.pages) == (2, 2)
    assert [row.name for row in page.rows] == ["c0000"]


def test_what_makes_no_sense_in_an_address_is_left_out() -> None:
    assert Query.of("  a ", "nonsense", "-3") == Query("a")
    assert Query.of("", "failed", "7") == Query("", Group.FAILED, 7)


def test_the_page_and_its_json_tell_the_same(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.heartbeat("node-1", running=("nightly",))
    generation = site.config("nightly")
    site.record(
        RunRecord("nightly", generation, "node-1", State.RUNNING, started=1.0, progress=Progress(done=3, running=1))
    )
    site.config("broken", kind="error")
    with site.served() as page:
        html, told = page.get("/").text, page.get("/api/overview").json()
    assert told["counts"] == {"active": 1, "waiting": 0, "failed": 1, "done": 0, "cancelled": 0}
    assert [(one["name"], one["state"]) for one in told["configs"]] == [("nightly", "running"), ("broken", "error")]
    assert told["nodes"][0]["node"] == "node-1"
    assert 'href="/runs/nightly"' in html
    assert "3/4" in html


def test_names_and_reasons_stay_text(tmp_path: Path) -> None:
    site = Site(tmp_path)
    hostile = "<img src=x onerror=alert(1)>'\""
    generation = site.config(hostile)
    text = "<script>alert(1)</script>\x1b[31m\u202e http://user:hunter2secret@host/"
    site.record(RunRecord(hostile, generation, "node-1", State.RETRYING, reason="task-retry", text=text))
    with site.served() as page:
        for path in ("/", "/runs/%3Cimg%20src=x%20onerror=alert(1)%3E'%22"):
            answer = page.get(path)
            assert answer.status == 200
            assert "<img" not in answer.text
            assert "<script>alert" not in answer.text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
            assert "\x1b" not in answer.text
            assert "\u202e" not in answer.text
            assert "hunter2secret" not in answer.text
        assert "hunter2secret" not in page.get("/api/overview").text


def test_a_script_gets_the_changing_part_alone_with_the_same_content(tmp_path: Path) -> None:
    site = Site(tmp_path)
    generation = site.config("nightly")
    site.record(RunRecord("nightly", generation, "node-1", State.RUNNING, started=1.0))
    with site.served() as page:
        for path in ("/", "/nodes", "/environments", "/runs/nightly", "/runs/nightly?view=graph", "/history/nightly"):
            whole, part = page.get(path), page.get(path, X_Poltergust_Fragment="main")
            assert (whole.status, part.status) == (200, 200), path
            assert "<html" not in part.text
            assert part.text.strip()[:40] in whole.text


def test_the_timeline_says_that_it_has_the_latest_runs_and_what_each_colour_means(tmp_path: Path) -> None:
    site = Site(tmp_path)
    now = time.time()
    generation = site.config("nightly", kind="cancelled")
    for run, started in (("1", now - 900), (generation, now - 60)):
        site.record(RunRecord("nightly", run, "node-1", State.ENDED, "cancelled", started=started, ended=now))
    with site.served() as page:
        html = page.get("/").text
    timeline = html[html.index("timeline-title") : html.index("configs-title")]
    assert "the latest run of each config" in timeline
    drawn = set(re.findall(r'class="bar bar-([a-z]+)"', timeline))
    assert drawn
    assert drawn <= set(re.findall(r'<li class="bar-([a-z]+)"', timeline))
