"""Google's own Pub/Sub emulator (the jar that gcloud installs) on loopback, and its REST interface in four calls.

The emulator keeps everything in memory: started again on the same port it is empty. It stores filters without applying
them, knows no IAM, and takes any project's name.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests import needs
from tests.emulators import servers

_INSTALL = "gcloud components install pubsub-emulator, or apt-get install google-cloud-cli-pubsub-emulator"


def jar() -> Path:
    """The emulator's jar below gcloud's installation."""
    root = Path(os.path.realpath(needs.gcloud())).parent.parent
    found = sorted(root.glob("platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"))
    if not found:
        needs.missing("the Pub/Sub emulator", _INSTALL)
    return found[-1]


@contextlib.contextmanager
def pubsub_emulator(log: Path | None = None, port: int | None = None) -> Iterator[str]:
    """Run an emulator while the context is open; yields its ``127.0.0.1:PORT`` for PUBSUB_EMULATOR_HOST.

    `log` takes the emulator's output (a temporary file otherwise), `port` is for starting one again where it was.
    """
    with contextlib.ExitStack() as stack:
        if log is None:
            log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pubsub-emulator-"))) / "log"
        port = servers.free_port() if port is None else port
        host = f"127.0.0.1:{port}"
        # A small heap: the default is a quarter of the machine's memory.
        argv = [needs.java(), "-Xmx256m", "-jar", str(jar()), "--host=127.0.0.1", f"--port={port}"]
        stack.enter_context(servers.running(argv, ready=lambda: answers(host), log=log))
        yield host


def answers(host: str) -> bool:
    """Whether the emulator serves requests, which is a little later than its port is open."""
    try:
        call(host, "GET", "projects/ready/topics")
    except OSError:  # urllib.error.URLError and HTTPError are OSErrors
        return False
    return True


def call(host: str, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """One REST call, ``path`` below ``/v1/``. Raises `urllib.error.HTTPError` with the emulator's status."""
    request = urllib.request.Request(
        f"http://{host}/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    # No proxy of the surroundings may come between the tests and loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
            return answer
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
        reason = f"{error.reason}: {text.decode(errors='replace')[:300]}"
        raise urllib.error.HTTPError(request.full_url, error.code, reason, error.headers, io.BytesIO(text)) from None


def create_topic(host: str, project: str, topic: str) -> str:
    """Create a topic; returns its full name."""
    name = f"projects/{project}/topics/{topic}"
    call(host, "PUT", name, {})
    return name


def create_subscription(host: str, project: str, sub: str, topic: str) -> str:
    """Create a pull subscription to a topic of the same project; returns its full name."""
    name = f"projects/{project}/subscriptions/{sub}"
    call(host, "PUT", name, {"topic": f"projects/{project}/topics/{topic}"})
    return name


def publish(host: str, project: str, topic: str, attributes: Mapping[str, str], data: bytes = b"") -> str:
    """Publish one message; returns its id."""
    message = {"attributes": dict(attributes), "data": base64.b64encode(data).decode()}
    answer = call(host, "POST", f"projects/{project}/topics/{topic}:publish", {"messages": [message]})
    return str(answer["messageIds"][0])


def finalize(host: str, project: str, topic: str, bucket: str, key: str, generation: str = "1") -> str:
    """Publish what Cloud Storage publishes (payload NONE) when an object is written.

    Attributes: https://cloud.google.com/storage/docs/pubsub-notifications#attributes
    """
    attributes = {
        "notificationConfig": f"projects/_/buckets/{bucket}/notificationConfigs/1",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "NONE",
        "bucketId": bucket,
        "objectId": key,
        "objectGeneration": generation,
        "eventTime": "2024-01-01T00:00:00.000000Z",
    }
    return publish(host, project, topic, attributes)


def delete_topic(host: str, project: str, topic: str) -> None:
    call(host, "DELETE", f"projects/{project}/topics/{topic}")


def delete_subscription(host: str, project: str, sub: str) -> None:
    call(host, "DELETE", f"projects/{project}/subscriptions/{sub}")


def subscription(host: str, project: str, sub: str) -> dict[str, Any] | None:
    """A subscription as the emulator stores it, None if there is none."""
    try:
        return call(host, "GET", f"projects/{project}/subscriptions/{sub}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def subscriptions(host: str, project: str) -> list[str]:
    """Full names of all subscriptions of a project."""
    answer = call(host, "GET", f"projects/{project}/subscriptions")
    return [str(each["name"]) for each in answer.get("subscriptions", [])]
