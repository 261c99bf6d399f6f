"""What a run asks the scheduler: with fifty nodes at it, that is what bounds them all."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from poltergust.base.reasons import Reason
from tests.emulators.servers import serving
from tests.integration.luigi_run.conftest import Node


class Recorder(ThreadingHTTPServer):
    """Hands every call on to the scheduler at `url`, and remembers its name."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = url
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self) -> list[str]:
        """But for the pings, which a thread of Luigi's sends by the clock."""
        return [call for call in self.calls if call != "ping"]


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        self.server.calls.append(self.path.rpartition("/")[2])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with urllib.request.urlopen(self.server.behind + self.path, data=body, timeout=10) as answer:
            data = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def recorder(node: Node) -> Iterator[Recorder]:
    server = Recorder(node.scheduler_url)
    with serving(server):
        yield server


@pytest.mark.parametrize("resets", [True, False])
def test_a_lone_task_is_few_questions(node: Node, recorder: Recorder, resets: bool) -> None:
    report = node.report("Marked", scheduler_url=recorder.url, reset_failures=resets)
    assert report.reason is Reason.COMPLETE, report.detail
    assert report.progress.done == report.progress.total == 1
    first = ["dep_graph"] if resets else []  # what failed earlier; else a ping says that the scheduler is there
    assert recorder.asked() == [*first, "add_task", "add_worker", "get_work", "add_task", "worker_list"]


def test_what_is_complete_is_no_question(node: Node, recorder: Recorder) -> None:
    assert node.report("Marked", scheduler_url=recorder.url).reason is Reason.COMPLETE
    recorder.calls.clear()
    assert node.report("Marked", scheduler_url=recorder.url).reason is Reason.COMPLETE
    assert recorder.calls == []
