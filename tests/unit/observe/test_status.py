"""Alive and ready: each thing that can be wrong is said, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poltergust.observe import pages
from poltergust.observe.status import RunSeen, SourceSeen, summary, unhealthy, unready
from tests.unit.observe.parts import status


def test_a_node_that_is_well_is_alive_and_ready() -> None:
    assert unhealthy(status()) == []
    assert unready(status()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": 1}, "1 of 2 worker threads have ended"),
        ({"untaken": 500.0, "due": 9}, "names have been due for 500 s"),
        ({"scanning": False}, "the scan's thread has ended"),
        ({"since_beat": 1000.0}, "the heartbeat's thread made no turn for 1000 s"),
        ({"dead_threads": ("poltergust-probe (KeyError)",)}, "the thread poltergust-probe (KeyError) has died"),
    ],
)
def test_threads_that_make_no_progress_are_neither_alive_nor_ready(changes: dict[str, Any], said: str) -> None:
    (reason,) = unhealthy(status(**changes))
    assert said in reason
    assert unready(status(**changes)) == [reason]


def test_a_backlog_with_every_worker_busy_is_no_sickness() -> None:
    assert unhealthy(status(due=10_000, untaken=5000.0, processing=2)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "starting"}, "this node is starting"),
        ({"state": "draining", "workers": 0, "scanning": False}, "this node is draining"),
        ({"since_scan": None}, "no scan of the path went through yet"),
        ({"since_scan": 700.0}, "the last whole scan of the path ended 700 s ago"),
        ({"sources": (SourceSeen("pubsub", alive=False, since_event=None),)}, "pubsub: no events arrive"),
        ({"problems": ("subscription s is gone",)}, "subscription s is gone"),
    ],
)
def test_what_keeps_a_config_from_being_served_is_said_by_a_process_that_is_alive(
    changes: dict[str, Any], said: str
) -> None:
    (reason,) = unready(status(**changes))
    assert said in reason
    assert unhealthy(status(**changes)) == []
    assert said in summary(status(**changes))


def test_the_documents_hold_everything_but_no_flood_and_no_terminal_codes() -> None:
    runs = tuple(RunSeen(f"n{number}", "1", "waiting", "others-run", "\x1b[31mred") for number in range(500))
    content = json.loads(pages.as_json(status(runs=runs)))
    assert (content["format"], content["ready"], content["reasons"], content["known_runs"]) == (1, True, [], 500)
    assert len(content["runs"]) == pages.SHOWN_RUNS
    text = pages.text(status(runs=runs))
    assert "and 300 more" in text
    assert "\x1b" not in text
    assert "node here: ready" in text
    assert "node here: NOT READY" in pages.text(status(state="starting"))
