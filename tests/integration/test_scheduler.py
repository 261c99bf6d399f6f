"""The embedded luigid and the client, against a real luigid and real luigi workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Temporary, UsageError
from poltergust.base.reasons import Reason
from poltergust.doctor import scheduling
from poltergust.luigi_run.embedded import EmbeddedScheduler
from poltergust.luigi_run.scheduler import Graph, GraphTask, Judgement, SchedulerClient, judge
from poltergust.processes import Exit
from poltergust.processes.child import spawn
from tests.emulators.servers import free_port, port_open, serving, wait_until
from tests.integration.test_scheduler_view import call

ENV = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_STATE_HOME") if name in os.environ}

PIPELINE = """
import os, sys, time
from pathlib import Path
import luigi

class Leaf(luigi.Task):
    name = luigi.Parameter()
    def output(self):
        return luigi.LocalTarget(f"leaf-{self.name}")
    def run(self):
        if self.name == "bad":
            raise RuntimeError("the leaf is bad")
        if self.name == "slow":
            Path("started").touch()
            while not os.path.exists("go"):
                time.sleep(0.02)
        with self.output().open("w"):
            pass

class Data(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget("data")

class Root(luigi.Task):
    leaves = luigi.ListParameter()
    data = luigi.BoolParameter()
    def requires(self):
        return [Leaf(name) for name in self.leaves] + ([Data()] if self.data else [])
    def output(self):
        return luigi.LocalTarget("root")
    def run(self):
        with self.output().open("w"):
            pass

if __name__ == "__main__":
    class Root(Root):
        retry_count = 1
    Leaf.retry_count = 1
    root = Root(leaves=sys.argv[2].split(","), data=len(sys.argv) > 3)
    print(root.task_id, flush=True)
    luigi.build([root], scheduler_url=sys.argv[1], no_lock=True, workers=1)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., EmbeddedScheduler]]:
    made: list[EmbeddedScheduler] = []

    def build(port: int | None = None) -> EmbeddedScheduler:
        scheduler = EmbeddedScheduler(spawn, tmp_path / "100% scheduler", ENV, port=port)
        made.append(scheduler)
        return scheduler

    yield build
    for scheduler in made:
        scheduler.stop()


class Run:
    """One process of the pipeline above."""

    def __init__(self, folder: Path, url: str, *arguments: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "pipeline.py").write_text(PIPELINE)
        self.folder = folder
        self.lines: list[str] = []
        self.child = spawn(
            [sys.executable, "pipeline.py", url, *arguments], env=ENV, cwd=folder, on_line=self.lines.append
        )

    @property
    def root(self) -> str:
        wait_until(lambda: any(line.startswith("Root_") for line in self.lines), "the root's task id")
        return next(line for line in self.lines if line.startswith("Root_"))

    def end(self) -> Exit:
        ended = self.child.wait(60)
        assert ended is not None, self.lines
        return ended


def test_a_pipeline_seen_from_start_to_done(make: Callable[..., EmbeddedScheduler], tmp_path: Path) -> None:
    url = make().start()
    client = SchedulerClient(url)
    assert client.healthy()
    run = Run(tmp_path / "work", url, "a,slow")
    wait_until((tmp_path / "work" / "started").exists, "the slow leaf to run")
    seen = judge(client.graph(run.root))
    assert len(seen.running) == 1
    assert seen.progress.total == 3
    assert not seen.stuck
    (worker,) = client.workers()
    assert list(worker.running) == list(seen.running)
    assert worker.host
    (tmp_path / "work" / "go").touch()
    run.end()
    done = judge(client.graph(run.root))
    assert done.root_done
    assert done.progress.done == done.progress.total == 3


def test_a_pipeline_that_cannot_go_on_and_can_again(make: Callable[..., EmbeddedScheduler], tmp_path: Path) -> None:
    url = make().start()
    client = SchedulerClient(url)
    run = Run(tmp_path / "work", url, "a,bad")
    run.end()
    seen = judge(client.graph(run.root))
    assert seen.stuck
    assert not seen.worth_a_process
    (bad,) = seen.disabled
    assert bad.startswith("Leaf_bad")
    assert seen.progress.failed == 1
    call(url, "re_enable_task", task_id=bad)
    again = judge(client.graph(run.root))
    assert not again.stuck
    assert again.worth_a_process


def test_missing_data_is_not_stuck(make: Callable[..., EmbeddedScheduler], tmp_path: Path) -> None:
    url = make().start()
    run = Run(tmp_path / "work", url, "a", "data")
    run.end()
    seen = judge(SchedulerClient(url).graph(run.root))
    assert not seen.stuck
    assert not seen.runnable
    assert [task_id.split("_")[0] for task_id in seen.unclaimed] == ["Data"]


def test_an_unknown_root(make: Callable[..., EmbeddedScheduler]) -> None:
    client = SchedulerClient(make().start())
    seen = judge(client.graph("Nothing__123"))
    assert not seen.known
    assert seen.worth_a_process
    assert not seen.stuck


def test_killed_it_comes_back_on_the_same_port(make: Callable[..., EmbeddedScheduler]) -> None:
    scheduler = make()
    client = SchedulerClient(scheduler.start())
    first = scheduler.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: scheduler.pid not in (None, first) and client.healthy(), "luigid to come back")


def test_a_clean_stop_keeps_the_state(make: Callable[..., EmbeddedScheduler], tmp_path: Path) -> None:
    first = make()
    run = Run(tmp_path / "work", first.start(), "a,bad")
    run.end()
    first.stop()
    assert not port_open(int(first.url.rpartition(":")[2]))
    seen = judge(SchedulerClient(make().start()).graph(run.root))
    assert seen.stuck


def test_loopback_only(make: Callable[..., EmbeddedScheduler]) -> None:
    scheduler = make()
    scheduler.start()
    port = int(scheduler.url.rpartition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1] for fields in listening if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")}
    assert addresses == {f"0100007F:{port:04X}"}
    assert f":{port:04X} " not in "".join(
        line for line in Path("/proc/net/tcp6").read_text().splitlines() if " 0A " in line
    )


def test_a_port_that_is_taken_is_an_error_with_its_reason(make: Callable[..., EmbeddedScheduler]) -> None:
    port = int(make().start().rpartition(":")[2])
    with pytest.raises(NodeError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use") as raised:
        make(port=port).start()
    assert raised.value.reason is Reason.START_FAILED


def test_unreachable_is_temporary_and_keeps_the_password() -> None:
    client = SchedulerClient(f"http://user:hunter2@127.0.0.1:{free_port()}/base/")
    assert not client.healthy()
    with pytest.raises(Temporary) as raised:
        client.graph("Root__1")
    assert raised.value.reason is Reason.SCHEDULER_UNREACHABLE
    assert "http://127.0.0.1:" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


class _Odd(BaseHTTPRequestHandler):
    """Not a luigid: demands a password, then answers what its path says."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        granted = self.headers.get("Authorization") == "Basic dXNlcjpwQHNz"
        self.send_response(200 if granted else 401)
        self.end_headers()
        if granted:
            self.wfile.write(b'{"response": {"x": 1}}' if self.path.startswith("/good") else b"<html>")

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def odd() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    with serving(server):
        yield f"127.0.0.1:{server.server_port}"


def test_credentials_are_sent_as_luigi_sends_them(odd: str) -> None:
    assert SchedulerClient(f"http://user:p%40ss@{odd}/good").graph("x").tasks == {}
    with pytest.raises(Temporary, match="it wants a password: name the file with --scheduler-password-file"):
        SchedulerClient(f"http://{odd}/good").graph("x")


def test_doctor_says_what_a_scheduler_wants(odd: str) -> None:
    (check,) = scheduling.scheduler(f"http://{odd}/good", {})
    assert check.text.endswith("cannot be asked: it wants a password")
    assert check.remedy == "name the file with --scheduler-password-file"


def test_something_that_is_no_luigid(odd: str) -> None:
    client = SchedulerClient(f"http://user:p%40ss@{odd}/bad")
    assert not client.healthy()
    with pytest.raises(Temporary, match="did not answer as luigid does"):
        client.graph("x")
    with pytest.raises(Temporary, match="is this a luigid"):
        SchedulerClient(f"http://user:p%40ss@{odd}/good").workers()


def test_a_luigid_that_cannot_start_says_why(tmp_path: Path) -> None:
    lines: list[str] = []
    broken = tmp_path / "modules"
    broken.mkdir()
    (broken / "tornado.py").write_text("raise ImportError('tornado is broken here')")
    env = {**ENV, "PYTHONPATH": str(broken)}
    scheduler = EmbeddedScheduler(spawn, tmp_path / "scheduler", env, on_line=lines.append)
    with pytest.raises(NodeError, match="did not come up: ImportError: tornado is broken here"):
        scheduler.start()
    assert scheduler.pid is None or not Path(f"/proc/{scheduler.pid}").exists()


@pytest.mark.parametrize("url", ["head:8082", "ftp://head", "http://", ""])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="http://host:8082"):
        SchedulerClient(url)


def _graph(**statuses: str) -> Graph:
    """root needs a and b, b needs c; a worker could run each that is not named with a `!`."""
    deps = {"root": ("a", "b"), "b": ("c",)}
    return Graph(
        "root",
        {
            name: GraphTask(name, "F", status.rstrip("!"), deps.get(name, ()), () if status.endswith("!") else ("w",))
            for name, status in statuses.items()
        },
    )


@pytest.mark.parametrize(
    ("graph", "stuck", "process"),
    [
        (_graph(), False, True),
        (_graph(root="DONE", a="DONE", b="DONE", c="DONE"), False, True),
        (_graph(root="PENDING", a="DONE", b="DONE", c="DONE"), False, True),
        (_graph(root="PENDING", a="DISABLED", b="PENDING", c="RUNNING"), False, False),
        (_graph(root="PENDING", a="DISABLED", b="PENDING", c="BATCH_RUNNING"), False, False),
        (_graph(root="PENDING", a="DISABLED", b="PENDING", c="DONE"), False, True),
        (_graph(root="PENDING", a="DISABLED", b="PENDING!", c="DONE"), False, True),
        (_graph(root="PENDING", a="DONE", b="PENDING", c="DISABLED"), True, False),
        (_graph(root="PENDING", a="DISABLED", b="DONE", c="FAILED"), False, True),
        (_graph(root="PENDING", a="DISABLED", b="PENDING", c="UNKNOWN"), False, True),
        (_graph(root="DISABLED", a="DONE", b="DONE", c="DONE"), True, False),
        (_graph(root="DONE", a="DISABLED", b="DONE", c="DONE"), False, True),
        (_graph(root="PENDING", a="DONE", b="DONE", c="RUNNING"), False, True),
    ],
)
def test_judgements(graph: Graph, stuck: bool, process: bool) -> None:
    seen: Judgement = judge(graph)
    assert (seen.stuck, seen.worth_a_process) == (stuck, process)
    assert seen.progress.total == len(graph.tasks)
