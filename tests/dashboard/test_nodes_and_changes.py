"""Who waits where and for what, what nodes are, and what changed since the run before."""

from __future__ import annotations

import json
from pathlib import Path

from poltergust.path.content import content_digest
from poltergust.path.records import PhaseTimings, RunEnvironment, RunRecord, State
from poltergust.path.tasks import TaskState
from tests.dashboard.serving import Site


def test_a_config_in_line_says_its_place_and_the_node_its_queue_in_order(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.heartbeat(
        "node-1", running=("nightly",), slots=1, queue=("urgent", "weekly"), waiting=3, labels=("gpu", "zone=a")
    )
    environment = RunEnvironment("e.yaml", "py3.11-0123456789", "3.11.7")
    site.record(RunRecord("nightly", site.config("nightly"), "node-1", State.RUNNING, environment=environment))
    for name in ("urgent", "weekly", "looks-for-data"):
        site.config(name)
    with site.served() as page:
        overview, nodes, run = (page.get(path).text for path in ("/", "/nodes", "/runs/weekly"))
    for html in (overview, run):
        assert '2nd in line on node-1; 1 of 1 slots taken by <a href="/runs/nightly">nightly</a>' in html
    assert ">1/1<" in overview
    assert '<span class="label">zone=a</span>' in overview
    assert nodes.index('href="/runs/urgent"') < nodes.index('href="/runs/weekly"')
    assert "and 1 more" in nodes
    assert "Python 3.11.7" in nodes


def test_a_node_of_another_version_shows_which(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.heartbeat("node-1", version="0.1.9")
    with site.served() as page:
        assert "0.1.9</span>" not in page.get("/").text
    site.heartbeat("node-2", version="0.2.0")
    with site.served() as page:
        assert "0.1.9</span>" in page.get("/").text


def lines(*events: dict[str, object]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_what_changed_since_the_run_before(tmp_path: Path) -> None:
    site = Site(tmp_path)
    texts = {"1": "task: <b>old</b>\n", "2": "task: <b>new</b>\n"}
    for generation, text in texts.items():
        site.state.content.keep([text.encode(), b"dependencies: []\n"])
        site.record(
            RunRecord(
                "nightly",
                generation,
                "node-1",
                State.ENDED,
                "done",
                "complete",
                renamed=True,
                started=float(generation),
                environment=RunEnvironment("e.yaml", "py3.11-0", "3.11.7", f"py3.11-{generation}@7"),
                config_digest=content_digest(text.encode()),
                environment_digest=content_digest(b"dependencies: []\n"),
            )
        )
    site.config("nightly", kind="done")
    with site.served() as page:
        html = page.get("/runs/nightly?view=changes").text
        site.config("once", kind="done")
        assert "There is no run before this one" in page.get("/runs/once?view=changes").text
    assert '<span class="removed">-task: &lt;b&gt;old&lt;/b&gt;</span>' in html
    assert '<span class="added">+task: &lt;b&gt;new&lt;/b&gt;</span>' in html
    assert "what the environment file's dependencies name has changed" in html
    assert html.index("Environment file") < html.index("The same.") < html.index("Not kept of both runs.")


def test_a_task_is_lost_or_was_complete_and_nothing_else(tmp_path: Path) -> None:
    site = Site(tmp_path)
    generation = site.config("nightly")
    site.record(RunRecord("nightly", generation, "node-1", State.ENDED, "error", "gave-up", started=1.0))
    events = lines(
        {"event": "process", "worker": "w", "format": 1},
        {"event": "announced", "task": "A_1", "family": "A", "params": {}, "complete": True},
        {"event": "announced", "task": "B_1", "family": "B", "params": {}},
        {"event": "started", "task": "B_1", "time": 5.0},
    )
    site.state.store.append(site.state.path.tasks("nightly", generation, "node-1"), events)
    with site.served() as page:
        told = page.get("/api/runs/nightly").json()
        html = page.get("/runs/nightly?state=lost").text
        graph = page.get("/runs/nightly?view=graph").text
    assert {one["family"]: one["state"] for one in told["tasks"]} == {"A": "complete", "B": "lost"}
    assert told["counts"][TaskState.LOST.value] == 1
    assert "the process that ran it ended before it did" in html
    assert "<strong>A</strong>" not in html
    assert ">Lost</th>" in graph
    assert ">Complete</th>" in graph


def test_an_environment_has_its_size_its_users_and_the_log_of_its_build(tmp_path: Path) -> None:
    site = Site(tmp_path)
    environment = RunEnvironment("e.yaml", "py3.11-0123", "3.11.7", "lock", built=True, size=291 * 1024**2)
    generation = site.config("nightly")
    timings = PhaseTimings(environment=12.0)
    site.record(
        RunRecord("nightly", generation, "node-1", State.RUNNING, started=1.0, environment=environment, timings=timings)
    )
    with site.served() as page:
        html = page.get("/environments").text
        (told,) = page.get("/api/environments").json()["environments"]
    assert "291 MB" in html
    assert '<a href="/runs/nightly?view=logs">build log</a>' in html
    assert (told["size"], told["configs"], told["nodes"]) == (291 * 1024**2, ["nightly"], ["node-1"])
