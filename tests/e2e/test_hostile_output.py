"""What pipelines say: terminal codes reach no terminal, and no secret is in any byte that Poltergust writes, nor in the
arguments of any process, whatever a pipeline prints and however it fails.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.nodes import Node
from tests.e2e.paths import SIDE, Folder
from tests.emulators.servers import wait_until
from tests.integration.environments import packages
from tests.integration.environments.index_server import serve

# Some of them change their look when they are shown as Python, as JSON or in a URL.
NODE = {
    "GITHUB_API_TOKEN": "node-token-7Q2x",
    "AWS_SECRET_ACCESS_KEY": "node/key+with=signs%41",
    "DB_CONNECTION_STRING": "Server=db;Pwd=node'quote\"and\\slash",
    "SIGNING_PRIVATE_KEY": "-----BEGIN KEY-----\nnode-first-line-8812\nnode-second-line-9923\n-----END KEY-----",
    "PGPASSWORD": "node-pgpass-3k3k",
    "INDEX_TOKEN": "node-index-t0ken",
    "lower_case_token": "node-lower-case-1c",
    "WAREHOUSE": "https://node-user:node-url-pass@warehouse.example/db",
}
ENVIRONMENT = {"ENV_PASSWORD": "environment-pass-5566", "FEED": "ftp://u:environment-url-pass@feed.example"}
TASK = {"TASK_SECRET": "task-secret-of-eleven-words-2323", "HOOK": "https://task-url-pass@hook.example"}
SCHEDULER_PASSWORD = "scheduler-pass-4545"
SECRETS = [
    "node-token-7Q2x",
    "node/key+with=signs%41",
    "node'quote\"and\\slash",
    "node-first-line-8812",
    "node-second-line-9923",
    "node-pgpass-3k3k",
    "node-index-t0ken",
    "node-lower-case-1c",
    "node-url-pass",
    "environment-pass-5566",
    "environment-url-pass",
    "task-secret-of-eleven-words-2323",
    "task-url-pass",
    SCHEDULER_PASSWORD,
]
CUTS = range(0, 40, 3)
"""Lengths before a secret, in steps small enough that some message is cut in the middle of it."""


def looks(secret: str) -> set[bytes]:
    """The secret as it is, as Python, JSON and URLs show it."""
    shapes = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")}
    return {shape.encode() for shape in shapes}


@dataclass
class Arguments:
    """Looks at the arguments of every process on this machine, again and again, in a thread."""

    seen: set[bytes] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:  # ended meanwhile
                    continue

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@dataclass(frozen=True)
class Stage:
    place: Folder
    node: Node
    cache: Path
    arguments: Arguments


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, scheduler: str) -> Iterator[Stage]:
    place = Folder(tmp_path_factory.mktemp("leaks"))
    cache = tmp_path_factory.mktemp("cache-of-its-own")
    with serve(place.scratch / "index", f"builder:{NODE['INDEX_TOKEN']}") as index:
        packages.wheel(index.folder, "alpha", "1.0")
        lines = [f"--extra-index-url http://builder:${{INDEX_TOKEN}}@127.0.0.1:{index.port}/simple/", "alpha"]
        place.environment("plain", document(dependencies=lines, variables=ENVIRONMENT))
        place.environment("wrong", document(dependencies=[lines[0], "nothing-of-the-kind"], variables=ENVIRONMENT))
        place.environment("denied", document(dependencies=[lines[0].replace("builder:", "nobody:"), "alpha"]))
        for name, cls in {"leak": "Leak", "colours": "Colours"}.items():
            put(place, name, cls)
        for length in CUTS:
            put(place, f"cut-{length}", "LeakAtTheCut", f"  length: {length + 240}\n")
        put(place, "install", "Leak", environment="wrong")
        put(place, "refused", "Leak", environment="denied")
        arguments = Arguments()
        secret = f"http://node:{SCHEDULER_PASSWORD}@{scheduler.removeprefix('http://')}"
        options = ["--retries", "0", "--parallel", "8"]
        with place.agent("here", cache, *options, **NODE, POLTERGUST_SCHEDULER_URL=secret) as node:
            yield Stage(place, node, cache, arguments)
        arguments.stop()


def document(**parts: object) -> str:
    return json.dumps(parts)  # JSON is YAML


def put(place: Folder, name: str, cls: str, more: str = "", environment: str = "plain") -> None:
    variables = f"variables: {json.dumps(TASK)}\n"
    task = f"  module: leaks\n  name: {cls}\n  mark: {place.scratch}/{name}.mark\n{more}"
    place.put(name, task, more=variables, environment=f"../environment/{environment}.yaml")


def test_no_secret_is_in_anything_that_is_written(stage: Stage) -> None:
    place = stage.place
    names = ["leak", "install", "refused", "colours", *(f"cut-{length}" for length in CUTS)]
    for name in names:
        place.until(name, "error", timeout=180)
    assert (place.scratch / "leak.mark").exists()
    record = place.until_records("leak", "the record to end", state="ended", reason="task-failed")
    log = place.log("leak")
    assert "GITHUB_API_TOKEN=[redacted]" in log
    assert "WAREHOUSE=https://[redacted]@warehouse.example/db" in log
    assert "[redacted]" in json.dumps(record["failures"])
    heartbeat = place.heartbeat("here")
    assert "[redacted]@127.0.0.1" in heartbeat["scheduler"] or "@" not in heartbeat["scheduler"]
    stage.node.until("cut-39")
    found = []
    for where, data in written(stage):
        for secret in SECRETS:
            found += [f"{secret}: {where}" for look in looks(secret) if look in data]
    assert found == []


def test_no_half_of_a_secret_is_where_a_message_was_cut(stage: Stage) -> None:
    for length in CUTS:
        stage.place.until(f"cut-{length}", "error", timeout=180)
    half = TASK["TASK_SECRET"][:10].encode()
    assert [where for where, data in written(stage) if half in data] == []


def test_no_secret_is_in_the_arguments_of_any_process(stage: Stage) -> None:
    stage.place.until("leak", "error", timeout=180)
    stage.place.until("install", "error", timeout=180)
    seen = list(stage.arguments.seen)
    assert any(b"luigi_run/inside" in arguments for arguments in seen), "the sampling saw a pipeline at work"
    assert [arguments for arguments in seen for secret in SECRETS for look in looks(secret) if look in arguments] == []


def written(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """Everything that Poltergust wrote: beside the path, the cache, the agent's output. Not what the user did."""
    yield "the agent's output", stage.node.log.encode()
    for top in (Path(stage.place.url(SIDE)), stage.cache):
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield str(path), str(path).encode() + path.read_bytes()


def test_encoded_credentials_are_not_written_either(stage: Stage) -> None:
    stage.place.until("leak", "error", timeout=180)
    encoded = base64.b64encode(f"builder:{NODE['INDEX_TOKEN']}".encode())
    assert [where for where, data in written(stage) if encoded in data] == []


def test_terminal_codes_reach_no_terminal(stage: Stage) -> None:
    stage.place.until("colours", "error", timeout=180)
    record = stage.place.until_records("colours", "the record to end", state="ended", reason="task-failed")
    log = stage.place.log("colours")
    assert "red" in log
    assert "failed red" in record["text"]
    uncoloured = re.sub(r"\x1b\[[0-9;:]*m", "", log)  # colours alone stay in a run log, for who reads it in a terminal
    for text in (uncoloured, json.dumps(record, ensure_ascii=False), stage.node.log):
        for code in ("\x1b", "\x07", "\x08", "\x9b", "\r", "\u202e"):
            assert code not in text


def test_the_agent_is_alive_and_well(stage: Stage) -> None:
    wait_until(lambda: not list(Path(stage.place.path).glob("*.config.yaml")), "every config to have its outcome", 180)
    assert stage.node.process.poll() is None
    assert "Traceback" not in stage.node.log
