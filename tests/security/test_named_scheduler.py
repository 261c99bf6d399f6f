"""A record may name any address as its scheduler: what answers there breaks no page that asks it."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.luigi_run import scheduler
from poltergust.path.records import RunRecord, State
from tests.dashboard.serving import Site

SOUND = {"name": "A", "status": "RUNNING", "deps": [], "workers": ["w"], "params": {}, "time_running": 1.0}
ANSWERS = {
    "no times": {"A_1": {**SOUND, "time_running": 10**400}},
    "no list": {"A_1": {**SOUND, "deps": None, "workers": 3}},
    "no id": {"A_1": {**SOUND, "deps": [{}], "worker_running": []}},
    "no name": {"A_1": {}},
    "nothing": None,
    "NaN": {"A_1": {**SOUND, "time_running": float("nan"), "last_updated": float("inf")}},
}


@contextlib.contextmanager
def answering(body: bytes, *, forever: bool = False) -> Iterator[str]:
    """A server that says `body` to everything, again and again without an end if `forever`; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)
                while forever:
                    self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pages(folder: Path, url: str) -> list[int]:
    site = Site(folder)
    generation = site.config("x")
    site.record(RunRecord("x", generation, "node-1", State.RUNNING, started=1.0, root_task_id="A_1", scheduler=url))
    with site.served(url) as page:
        shown = ("/runs/x", "/runs/x?view=graph", "/runs/x?view=timeline", "/api/runs/x", "/")
        return [page.get(address).status for address in shown]


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_breaks_a_page(tmp_path: Path, answer: str) -> None:
    with answering(json.dumps({"response": ANSWERS[answer]}).encode()) as url:
        assert pages(tmp_path, url) == [200] * 5


def test_nor_does_one_that_is_nested_too_deep(tmp_path: Path) -> None:
    with answering(b'{"response": ' + b"[" * 100_000) as url:
        assert pages(tmp_path, url) == [200] * 5


def test_nor_does_one_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "MAX_ANSWER_BYTES", 2**20)
    with answering(b" " * 65536, forever=True) as url:
        assert pages(tmp_path, url) == [200] * 5
