"""The page on a path of this machine, in this process, as the command serves it; and a path to look at."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poltergust.dashboard.reading import PathReading
from poltergust.dashboard.server import serve
from poltergust.dashboard.settings import DashboardSettings
from poltergust.observe.scheduler_view import SchedulerView
from poltergust.path.layout import WatchedPath
from poltergust.path.records import NodeRecord, RunRecord
from poltergust.path.state import PathState
from poltergust.stores import Stores

TASK_FILE = b"environment: ../environment/plain.yaml\ntask:\n  name: DailyReport\n  module: stations\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.text))


@dataclass(frozen=True)
class Served:
    """A running page. `url` ends with a slash."""

    url: str

    @property
    def netloc(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        return self.ask("POST", path, urllib.parse.urlencode(form), headers)

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Header names with underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.netloc, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()


class Site:
    """A folder that is watched, with what nodes write beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pipeline").mkdir(parents=True)
        (root / "environment").mkdir()
        (root / "environment" / "plain.yaml").write_text("dependencies: []\n")
        self.state = PathState.open(WatchedPath(str(root / "pipeline")), "node-1", "instance")

    def config(self, name: str, data: bytes = TASK_FILE, kind: str = "config") -> str:
        """Put it there; its generation."""
        url = str(self.root / "pipeline" / f"{name}.{kind}.yaml")
        self.state.store.write(url, data)
        return self.state.store.read(url).generation

    def record(self, record: RunRecord) -> None:
        store = PathState(self.state.store, self.state.path, record.node, "instance")
        store.records.save_run(record)

    def heartbeat(self, node: str, **values: Any) -> None:
        store = PathState(self.state.store, self.state.path, node, "instance")
        given: dict[str, Any] = {
            "instance": "i",
            "version": "1.0",
            "host": "host",
            "pid": 1,
            "scheduler": "",
            "embedded": False,
            "taking": True,
            "state": "ready",
        }
        store.records.save_node(NodeRecord(node=node, **{**given, **values}))

    @contextlib.contextmanager
    def served(self, scheduler: str | None = None, **settings: Any) -> Iterator[Served]:
        """The page while the context is open. `scheduler` is asked for every run; None: none is."""
        reading = PathReading(self.state, Stores(self.state.path.state_prefix), SchedulerView("elsewhere", scheduler))
        with serving(DashboardSettings(address=("127.0.0.1", 0), **settings), reading) as url:
            yield Served(url)


@contextlib.contextmanager
def serving(settings: DashboardSettings, reading: PathReading, interval: float = 0.1) -> Iterator[str]:
    """Its address, ending with a slash."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    found: list[str] = []
    up = threading.Event()

    def ready(url: str) -> None:
        found.append(url)
        up.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(serve(settings, reading, ready=ready, stop=stop, interval=interval))
        finally:
            up.set()
            loop.close()

    thread = threading.Thread(target=run, name="page under test")
    thread.start()
    try:
        assert up.wait(20)
        assert found, "the page did not start"
        yield found[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
