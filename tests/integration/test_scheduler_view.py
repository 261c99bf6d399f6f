"""What a real luigid says of a run, to somebody who looks on from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from poltergust.base.progress import Progress
from poltergust.observe.scheduler_view import PAUSE, RunningTask, SchedulerView
from poltergust.path.layout import Kind
from poltergust.path.reading import summary
from poltergust.path.reading.model import ConfigState, ConfigView, NodeView
from poltergust.path.records import NodeRecord, RunRecord, Seen, State
from tests.emulators.luigid import luigid
from tests.emulators.servers import free_port


def call(url: str, method: str, **arguments: object) -> None:
    body = {"data": json.dumps(arguments)}
    requests.post(f"{url}/api/{method}", data=body, timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with luigid(tmp_path_factory.mktemp("luigid")) as url:
        call(url, "add_task", task_id="A_1", worker="w-1", family="A", status="DONE", runnable=True)
        call(url, "add_task", task_id="B_1", worker="w-1", family="B", status="PENDING", runnable=True)
        call(url, "add_task", task_id="R_1", worker="w-1", family="R", status="PENDING", deps=["A_1", "B_1"])
        call(url, "get_work", worker="w-1", host="h")
        yield url


def view(url: str, root: str = "R_1", worker: str = "w-1") -> ConfigView:
    record = RunRecord("x", "1", "n", state=State.RUNNING, scheduler=url, root_task_id=root, worker=worker)
    runs = summary.runs([Seen(record, 100.0)], (), 100.0)
    return summary.config("x", "u", 90.0, 100.0, kind=Kind.CONFIG, generation="1", found=runs)


def on(host: str, url: str) -> list[NodeView]:
    record = NodeRecord("n", "i", "1", host, 1, url, True, True, "ready")
    return [summary.node(Seen(record, 100.0), 100.0)]


def test_counts_and_running_tasks_with_their_node(scheduler: str) -> None:
    now = SchedulerView("here").now(view(scheduler), on("here", scheduler))
    assert now is not None
    assert now.progress == Progress(done=1, running=1, pending=1)
    assert now.running == (RunningTask("B_1", "B", "n"),)
    other = SchedulerView("here").now(view(scheduler, worker="w-of-an-earlier-attempt"), on("here", scheduler))
    assert other is not None
    assert other.running == (RunningTask("B_1", "B", ""),)


def test_a_scheduler_on_another_machine_s_loopback_is_not_asked(scheduler: str) -> None:
    assert SchedulerView("elsewhere").now(view(scheduler), on("here", scheduler)) is None
    assert SchedulerView("elsewhere", scheduler).now(view(scheduler), on("here", scheduler)) is not None


def test_nothing_to_ask_about(scheduler: str) -> None:
    nodes = on("here", scheduler)
    assert SchedulerView("here").now(view(scheduler, root=""), nodes) is None
    assert SchedulerView("here").now(view(scheduler, root="Unknown_1"), nodes) is None
    ended = replace(view(scheduler), state=ConfigState.DONE)
    assert SchedulerView("here").now(ended, nodes) is None


def test_one_that_does_not_answer_is_left_alone_for_a_while(scheduler: str, tmp_path: Path) -> None:
    time = [0.0]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    scheduling = SchedulerView("here", url, clock=lambda: time[0])
    assert scheduling.now(view(url), []) is None
    with luigid(tmp_path, port=port):
        call(url, "add_task", task_id="R_1", worker="w", family="R", status="PENDING")
        assert scheduling.now(view(url), []) is None
        time[0] = PAUSE
        assert scheduling.now(view(url), []) is not None
