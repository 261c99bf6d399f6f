"""One run: its tasks, its graph, its logs, its files; and what of all that must stay text, or stay unseen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from poltergust.base.progress import TaskFailure
from poltergust.dashboard import graph
from poltergust.dashboard.ansi import Piece, pieces
from poltergust.dashboard.lanes import task_lanes
from poltergust.dashboard.logs import WINDOW_BYTES
from poltergust.dashboard.tasks import TaskView, ordered, task_views
from poltergust.luigi_run.scheduler import Graph, GraphTask
from poltergust.path.reading.model import ConfigState, ConfigView
from poltergust.path.records import RunEnvironment, RunRecord, State
from poltergust.path.tasks import TaskState
from tests.dashboard.serving import Served, Site
from tests.emulators.servers import free_port, port_open, running


def task(name: str, state: TaskState = TaskState.DONE, *deps: str, started: float | None = None) -> TaskView:
    family = name.partition("-")[0]
    ended = None if started is None or state is TaskState.RUNNING else started + 1.0
    return TaskView(name, family, state, node="node-1", started=started, ended=ended, deps=deps)


def failed_run(site: Site) -> str:
    generation = site.config("nightly", kind="error")
    failure = TaskFailure(
        "Clean_1", "Clean", "Traceback (most recent call last):\n  File x\nValueError: <b>413</b> °C\n"
    )
    record = RunRecord("nightly", generation, "node-1", State.ENDED, "error", "task-failed", failures=(failure,))
    site.record(record)
    return generation


def test_the_exception_of_a_failed_task_is_on_the_page_of_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path)
    failed_run(site)
    with site.served() as page:
        html, told = page.get("/runs/nightly").text, page.get("/api/runs/nightly").json()
    assert "<summary>ValueError: &lt;b&gt;413&lt;/b&gt; °C</summary>" in html
    assert [(one["family"], one["state"]) for one in told["tasks"]] == [("Clean", "failed")]


@pytest.mark.parametrize("cut", [0, 45])
def test_a_failure_is_headed_by_the_first_line_of_its_exception(tmp_path: Path, cut: int) -> None:
    site = Site(tmp_path)
    generation = site.config("nightly", kind="error")
    error = 'Traceback (most recent call last):\n  File "work.py", line 7, in run\n    step()\n'
    error += '  File "work.py", line 9, in step\nValueError: first\nsecond\nlast\n'
    failures = (TaskFailure("Clean_1", "Clean", error[cut:]),)
    site.record(RunRecord("nightly", generation, "node-1", State.ENDED, "error", "task-failed", failures=failures))
    with site.served() as page:
        html = page.get("/runs/nightly").text
    assert "<summary>ValueError: first</summary>" in html


def test_failed_tasks_come_first_then_what_runs() -> None:
    listed = ordered([task("A-1"), task("B-1", TaskState.RUNNING), task("C-1", TaskState.PENDING)])
    assert [one.state for one in listed] == [TaskState.RUNNING, TaskState.PENDING, TaskState.DONE]
    assert ordered([*listed, task("D-1", TaskState.FAILED)])[0].task_id == "D-1"


def test_the_parameters_that_differ_within_a_family_come_first() -> None:
    tasks = [TaskView(f"F_{n}", "F", TaskState.DONE, params={"folder": "/data", "part": str(n)}) for n in range(3)]
    assert [list(one.params) for one in ordered(tasks)] == [["part", "folder"]] * 3


def test_a_graph_of_two_thousand_tasks_is_one_box_for_each_family() -> None:
    tasks = [task(f"Fetch-{n}") for n in range(2000)]
    tasks += [task("Join-1", TaskState.FAILED, *(one.task_id for one in tasks))]
    boxes = graph.families(tasks)
    assert [(box.key, box.state) for box in boxes.boxes] == [("Join", TaskState.FAILED), ("Fetch", TaskState.DONE)]
    assert boxes.edges == (("Fetch", "Join"),)
    near = graph.focus(tasks)
    assert near.boxes[0].key == "Join-1"
    assert len(near.boxes) == graph.MAX_BOXES
    assert near.hidden == 2001 - graph.MAX_BOXES


def test_the_neighbours_of_what_failed_or_runs_are_one_step_away() -> None:
    tasks = [
        task("Root", TaskState.PENDING, "Middle"),
        task("Middle", TaskState.PENDING, "Broken"),
        task("Broken", TaskState.FAILED, "Below"),
        task("Below", TaskState.DONE, "Deep"),
        task("Deep"),
    ]
    boxes = graph.focus(tasks)
    assert {box.key for box in boxes.boxes} == {"Middle", "Broken", "Below"}
    assert set(boxes.edges) == {("Broken", "Middle"), ("Below", "Broken")}


def test_tasks_that_overlap_on_a_node_stand_in_rows_of_their_own() -> None:
    drawing = task_lanes([task("A", started=0.0), task("B", started=0.5), task("C", started=1.0)], now=2.0)
    assert drawing is not None
    (lane,) = drawing.lanes
    assert [[bar.name for bar in row] for row in lane.rows] == [["A", "C"], ["B"]]


def test_a_task_that_the_worker_of_another_config_ran_stands_in_its_nodes_lane() -> None:
    worker = "poltergust-node-7-1a2b3c-0123abcd-1"
    graph = Graph("A_1", {"A_1": GraphTask("A_1", "A", "DONE", running_on=worker, started=1.0, updated=2.0)})
    drawing = task_lanes(
        task_views(ConfigView("nightly", ConfigState.DONE, "/p/nightly", 0.0, 0.0), graph, ()), now=3.0
    )
    assert drawing is not None
    assert [lane.label for lane in drawing.lanes] == ["node-7"]


def test_colours_become_class_names_and_other_codes_nothing() -> None:
    assert pieces("\x1b[1;31mred\x1b[0m plain") == [Piece("red", "ansi-bold ansi-red"), Piece(" plain")]
    assert pieces("\x1b[38;5;1mindexed\x1b[38;2;1;31;4mtrue\x1b[39m") == [Piece("indexed"), Piece("true")]
    assert pieces("a\x1b]0;title\x07b\x1b[2Jc\x00") == [Piece("abc\\x00")]
    assert pieces("<b>\x1b[92m</b>") == [Piece("<b>"), Piece("</b>", "ansi-green")]


def test_a_log_is_shown_from_its_end_and_each_line_has_an_address(tmp_path: Path) -> None:
    site = Site(tmp_path)
    generation = failed_run(site)
    lines = [f"line {number} \x1b[31mred\x1b[0m <i>" for number in range(20_000)]
    lines[7] = "\x1b[31mERR\x1b[1mOR\x1b[0m it is too hot"
    lines[8:11] = ["Traceback (most recent call last):", "  File x", "ValueError: 413"]
    lines[11] = "2026-05-01 12:00:00,000 INFO it goes on"  # else it could be the exception's second line
    data = ("\n".join(lines) + "\n").encode()
    site.state.store.append(site.state.path.log("nightly", generation, "node-1"), data)
    with site.served() as page:
        end = page.get("/runs/nightly?view=logs").text
        assert "line 19999" in end
        assert "line 5 " not in end
        assert len(end) < 12 * WINDOW_BYTES
        assert '<span class="ansi-red">red</span> &lt;i&gt;' in end
        found = page.get("/runs/nightly?view=logs&errors=1").text
        assert "it is too hot" in found
        assert "  File x" in found
        assert "line 9" not in found
        at = data.index(b"\x1b[31mERR")
        assert f"at={at}#at-{at}" in found
        there = page.get(f"/runs/nightly?view=logs&node=node-1&at={at}").text
        assert f'id="at-{at}"' in there
        assert "line 6 " in there
        assert "line 15000 " in page.get("/runs/nightly?view=logs&q=LINE+15000+").text
        assert page.get("/api/logs/nightly").json()["lines"][-1]["text"].startswith("line 19999")


def test_of_several_logs_that_of_the_node_with_the_failure_is_opened(tmp_path: Path) -> None:
    site = Site(tmp_path)
    generation = failed_run(site)
    lines = (
        {"event": "announced", "task": "Clean_1", "family": "Clean"},
        {"event": "started", "task": "Clean_1", "time": 1},
    )
    events = (*lines, {"event": "ended", "task": "Clean_1", "time": 2, "status": "FAILED", "error": "E"})
    data = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    site.state.store.append(site.state.path.tasks("nightly", generation, "node-2"), data)
    for node in ("node-1", "node-2", "node-3"):
        site.state.store.append(site.state.path.log("nightly", generation, node), f"said by {node}\n".encode())
    with site.served() as page:
        assert "said by node-2" in page.get("/runs/nightly?view=logs").text
        assert "said by node-3" in page.get("/runs/nightly?view=logs&node=node-3").text
        assert page.get("/api/logs/nightly").json()["node"] == "node-2"


@pytest.mark.parametrize("path", ["/submit", "/sign-in", "/runs/nothing"])
def test_a_page_that_does_not_change_says_nothing_of_being_live_and_names_no_json(tmp_path: Path, path: str) -> None:
    with Site(tmp_path).served() as page:
        still, overview = page.get(path).text, page.get("/").text
    for sign in ('id="live"', "this page as JSON"):
        assert sign in overview
        assert sign not in still


def test_secrets_of_the_files_are_masked_and_only_environment_files_are_shown(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "private.txt").write_text("root:x:0:0: not for a page\n")
    task_text = b"  name: A\n  module: b\nvariables:\n  DB_PASSWORD: hunter2hunter2\n  DB_HOST: shown.example\n"
    site.config("nightly", b"environment: ../environment/plain.yaml\ntask:\n" + task_text)
    site.config("curious", b"environment: ../private.txt\ntask:\n" + task_text)
    with site.served() as page:
        html = page.get("/runs/nightly?view=files").text
        assert "hunter2hunter2" not in html
        assert "shown.example" in html
        assert "dependencies" in html
        assert "not for a page" not in page.get("/runs/curious?view=files").text


def test_names_of_ones_own_are_secret_too(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "environment" / "plain.yaml").write_text("dependencies: []\nvariables:\n  CUSTOMER_ID: 4711-4711\n")
    task = b"  name: A\n  module: b\n  customer_name: Miller and Sons\n  place: shown.example\n"
    site.config("nightly", b"environment: ../environment/plain.yaml\ntask:\n" + task)
    port, log = free_port(), tmp_path / "log"
    argv = [sys.executable, "-m", "poltergust", "dashboard", "--path", site.state.path.root]
    argv += [f"--http=127.0.0.1:{port}", "--redact-variables=CUSTOMER_*"]
    with running(argv, ready=lambda: port_open(port), log=log, cwd=tmp_path):
        html = Served(f"http://127.0.0.1:{port}/").get("/runs/nightly?view=files").text
    assert "shown.example" in html
    assert "4711-4711" not in html
    assert "Miller" not in html


def test_a_lock_named_in_a_record_leads_nowhere_else(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "secret.txt").write_text("not for a page")
    generation = site.config("nightly")
    used = RunEnvironment(key="k", lock="../../secret@1")
    site.record(RunRecord("nightly", generation, "node-1", State.RUNNING, environment=used))
    with site.served() as page:
        answer = page.get("/runs/nightly?view=files")
    assert answer.status == 200
    assert "not for a page" not in answer.text


def test_runs_of_a_name_stand_side_by_side(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number, outcome in ((1, "error"), (2, "done")):
        used = RunEnvironment(url="e", key=f"k{number}", python="3.11.7", lock=f"l{number}")
        site.record(
            RunRecord(
                "nightly", f"g{number}", "node-1", State.ENDED, outcome, started=1000.0 * number, environment=used
            )
        )
    with site.served() as page:
        html = page.get("/history/nightly?a=g1&b=g2").text
        told = page.get("/api/history/nightly").json()
    assert "Two runs side by side" in html
    assert 'href="/runs/nightly?view=logs&amp;generation=g1"' in html
    assert "installed versions" in html
    assert {run["outcome"] for run in told["runs"]} == {"error", "done"}


def test_installed_versions_side_by_side_are_the_locks_generation_and_the_same_where_equal(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number, lock in (
        (1, "py3.11-0123@1700000000000001"),
        (2, "py3.11-0123@1700000000000001"),
        (3, "py3.11-0123@2"),
    ):
        used = RunEnvironment(url="e", key="py3.11-0123", python="3.11.7", lock=lock)
        past = RunRecord(
            "nightly", f"g{number}", "node-1", State.ENDED, "done", started=float(number), environment=used
        )
        site.record(past)
    with site.served() as page:
        equal, unequal = (page.get(f"/history/nightly?a=g1&b={other}").text for other in ("g2", "g3"))
    row = '<th scope="row">Installed versions</th>'
    assert row + "<td><code>1700000000000001</code></td><td>same</td>" in equal
    assert row + "<td><code>1700000000000001</code></td><td><code>2</code></td>" in unequal


def test_the_log_of_an_earlier_run_is_shown_as_such_and_only_of_this_name(tmp_path: Path) -> None:
    site = Site(tmp_path)
    failed_run(site)
    for name, generation in (("nightly", "earlier"), ("other", "g")):
        site.state.store.append(site.state.path.log(name, generation, "node-1"), f"said by {name}\n".encode())
    with site.served() as page:
        earlier = page.get("/runs/nightly?view=logs&generation=earlier").text
        assert "said by nightly" in earlier
        assert "Of an earlier run" in earlier
        for hostile in ("../other/g", "..", ".", "earlier/../../other/g"):
            assert "said by" not in page.get(f"/runs/nightly?view=logs&generation={hostile}").text


def test_what_to_type_in_a_terminal_works_as_it_stands_there(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config("two words; ls")
    with site.served() as page:
        html = page.get("/runs/two%20words%3B%20ls").text
    assert f"poltergust status &#39;two words; ls&#39; --path {tmp_path}/pipeline" in html
