"""The history of a name on screens of all sizes, and its chart, which is drawn on a canvas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from poltergust.base.redaction import Redactor
from poltergust.path.records import RunEnvironment, RunRecord, State
from tests.dashboard.browser import look
from tests.dashboard.serving import Site

MORNING = 1_785_600_000.0  # 2026-08-01 16:00:00 UTC

RECORD_TEXTS = """
window.drawn = [];
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...where) {
  window.drawn = [];
  return clear.apply(this, where);
};
const fill = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
  const ratio = devicePixelRatio, width = this.measureText(text).width / ratio, at = this.getTransform();
  const left = { center: width / 2, right: width, end: width }[this.textAlign] ?? 0;
  window.drawn.push({ text, y: y + at.f, left: (x + at.e) / ratio - left, width });
  return fill.call(this, text, x, y, ...rest);
};
"""


def site_with_runs(root: Path, apart: float) -> Site:
    site = Site(root)
    site.config("nightly", kind="done")
    for number, outcome in enumerate(("error", "error", "done", "done")):
        started = MORNING + number * apart
        record = RunRecord(
            "nightly",
            f"{number + 1}",
            "node-1",
            State.ENDED,
            outcome,
            renamed=True,
            started=started,
            ended=started + 5.0 + number,
            environment=RunEnvironment("e.yaml", "py3.11-0", "3.11.7"),
            config_digest=f"digest-{number // 2}",
        )
        site.record(record)
        with site.state.task_log("nightly", f"{number + 1}", redact=Redactor(())) as log:
            log.events([{"event": "announced", "task": "A_1", "family": "A", "params": {}, "complete": number > 1}])
    return site


@pytest.mark.parametrize("width", [375, 768])
@pytest.mark.parametrize("apart", [47.0, 5000.0, 3_000_000.0])
def test_the_times_of_the_chart_are_iso_in_utc_and_do_not_overlap(
    browser: Browser, tmp_path: Path, width: int, apart: float
) -> None:
    site = site_with_runs(tmp_path, apart)
    abroad: dict[str, Any] = {"locale": "en-US", "timezone_id": "America/New_York"}
    with site.served() as page, look(browser, page.url, viewport={"width": width, "height": 800}, **abroad) as seen:
        seen.page.add_init_script(RECORD_TEXTS)
        seen.open("/history/nightly")
        expect(seen.page.locator("#durations-chart canvas")).to_be_visible()
        seen.page.wait_for_function("window.drawn.some((one) => /2026/.test(one.text))")
        drawn: list[dict[str, Any]] = seen.page.evaluate("window.drawn")
    times = [one for one in drawn if not one["text"].endswith(" s")]
    assert [one["text"] for one in times if not re.fullmatch(r"2026-\d\d-\d\d|\d\d:\d\d(:\d\d)?", one["text"])] == []
    assert {"2026-08-01"} <= {one["text"] for one in times} or apart > 86400
    assert apart > 3600 or [one["text"] for one in times if one["text"].startswith("16:")]
    for one in times:
        for other in times:
            if one["y"] == other["y"] and one["left"] < other["left"]:
                assert one["left"] + one["width"] < other["left"], (one, other)


@pytest.mark.parametrize("width", [375, 768])
def test_on_a_small_screen_what_is_chosen_and_what_changed_has_a_name(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    site = site_with_runs(tmp_path, 60.0)
    with site.served() as page, look(browser, page.url, viewport={"width": width, "height": 800}) as seen:
        seen.open("/history/nightly")
        first = seen.page.locator("table.stack tbody tr").first
        for side in ("A", "B"):
            expect(first.locator("label", has_text=side)).to_be_visible()
        changed = seen.page.get_by_text("changed: config")
        expect(changed).to_have_count(1)
        expect(seen.page.locator(".only-small", has_text="changed:").first).to_be_visible()
        expect(seen.page.get_by_role("list", name="Squares")).to_contain_text("complete without this run")
        button = seen.page.get_by_role("button", name="Compare the two chosen").bounding_box()
        table = seen.page.locator("form table").bounding_box()
        assert button is not None
        assert table is not None
        assert button["y"] + button["height"] + 4 < table["y"]
