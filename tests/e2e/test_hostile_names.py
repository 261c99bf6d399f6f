"""Odd names and forged notifications, on the strict server with Google's Pub/Sub emulator: what Cloud Storage takes as
a name is run under it, or is an error that says why; what anybody may publish changes nothing.

The path is scanned once an hour, so that every name here came through a notification.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Node
from tests.e2e.paths import BUCKET, SIDE, Bucket
from tests.emulators import pubsub
from tests.emulators.gcs import strict_gcs
from tests.emulators.servers import wait_until

PROJECT, TOPIC, SUBSCRIPTION = "hostile", "uploads", "here"
DONE = {
    "nfc": unicodedata.normalize("NFC", "caf\u00e9"),
    "nfd": unicodedata.normalize("NFD", "caf\u00e9"),
    "upper": "Case",
    "lower": "case",
    "doubled-slash": "a//b",
    "leading-slash": "/leading",
    "many-slashes": "x////y",
    "percent": "percent%2Fslash",
    "query": "question?hash#plus+&=",
    "glob": "*[a-z]?{b}",
    "quotes": 'it\'s "quoted" `here`',
    "shell": "$(touch pwned); rm -rf ~ | cat > pwned",
    "option": "--help",
    "dots": "...",
    "hidden": ".hidden",
    "looks-done": "a.done.yaml",
    "looks-config": "a.config.yaml",
    "space": " ",
    "emoji": "\U0001f47b",
    "right-to-left": "\u05d0\u202e\u05d1",
}
ERROR = {
    "parent": ("a/../b", "name-invalid", "has '.' or '..' as a component"),
    "out-of-the-path": ("../environment/plain", "name-invalid", "has '.' or '..' as a component"),
    "this": ("./a", "name-invalid", "has '.' or '..' as a component"),
    "tab": ("a\tb", "name-invalid", "the name holds the character U+0009; rename it without"),
    "start-of-heading": ("a\x01b", "name-invalid", "the name holds the character U+0001; rename it without"),
    "escape": ("\x1b[31mred", "name-invalid", "the name holds the character U+001B; rename it without"),
    "next-line": ("a\x85b", "name-invalid", "the name holds the character U+0085; rename it without"),
    "line-separator": ("a\u2028b", "name-invalid", "the name holds the character U+2028; rename it without"),
    "1024-bytes": ("x" * (1024 - len("pipeline/.config.yaml")), "name-too-long", "bytes too long"),
    "1024-bytes-of-two": ("\u00e9" * 500 + "x" * 3, "name-too-long", "bytes too long"),
}
IGNORED = [
    "pipeline/.config.yaml",
    "pipeline/sub/.config.yaml",
    "pipeline/a.CONFIG.yaml",
    "pipeline/a.config.yml",
    "pipeline/a.config.yaml.bak",
    "pipeline2/a.config.yaml",
    "Pipeline/a.config.yaml",
    "pipeline.config.yaml",
    f"{SIDE}/a.config.yaml",
    f"{SIDE}/logs/a.config.yaml",
]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pubsub.pubsub_emulator(tmp_path_factory.mktemp("emulator") / "log") as host:
        topic = pubsub.create_topic(host, PROJECT, TOPIC)
        pubsub.create_subscription(host, PROJECT, SUBSCRIPTION, TOPIC)
        assert topic == f"projects/{PROJECT}/topics/{TOPIC}"
        yield host


@pytest.fixture(scope="module")
def bucket(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with strict_gcs(emulator) as server:
        place = Bucket(server, tmp_path_factory.mktemp("bucket"))
        place.environment("plain")
        server.create_bucket("other")
        for name in (BUCKET, "other"):
            server.notify(name, f"projects/{PROJECT}/topics/{TOPIC}")
        yield place


@pytest.fixture(scope="module")
def agent(bucket: Bucket, emulator: str, shared_cache: Path, scheduler: str) -> Iterator[Node]:
    options = ["--retries", "0", "--scheduler-url", scheduler, "--reconcile-interval", "1h"]
    options += ["--subscription", f"projects/{PROJECT}/subscriptions/{SUBSCRIPTION}"]
    with bucket.agent("here", shared_cache / "one", *options, PUBSUB_EMULATOR_HOST=emulator) as node:
        wait_until(lambda: bucket.server.calls("objects.list"), "the first scan")
        for name in DONE:
            put(bucket, DONE[name], name)
        for name, (odd, _, _) in ERROR.items():
            put(bucket, odd, name)
        for key in IGNORED:
            bucket.write(key, text(bucket, "ignored").encode())
        bucket.server.put("other", "pipeline/a.config.yaml", text(bucket, "ignored").encode())
        yield node


def text(bucket: Bucket, mark: str) -> str:
    """A config whose environment is named in full: a name with dots would be relative to something else."""
    environment = bucket.url("environment/plain.yaml")
    task = f"  module: outcomes\n  name: NoOutput\n  mark: {bucket.scratch}/{mark}.mark\n"
    return f"environment: {environment}\ntask:\n{task}"


def put(bucket: Bucket, name: str, mark: str) -> None:
    bucket.write(f"pipeline/{name}.config.yaml", text(bucket, mark).encode())


def executions(bucket: Bucket, mark: str) -> int:
    path = bucket.scratch / f"{mark}.mark"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("case", DONE)
def test_an_odd_name_is_run_under_its_very_name(bucket: Bucket, agent: Node, case: str) -> None:
    name = DONE[case]
    wait_until(lambda: f"pipeline/{name}.done.yaml" in bucket.keys("pipeline/"), f"{name} to be done", 120)
    assert f"pipeline/{name}.config.yaml" not in bucket.keys("pipeline/")
    assert executions(bucket, case) == 1
    assert [key for key in bucket.keys(f"{SIDE}/logs/{name}/") if key.endswith("/here.log")]
    record = bucket.until_records(name, "its own record", state="ended", outcome="done")
    assert record["name"] == name


@pytest.mark.parametrize("case", ERROR)
def test_a_name_that_hides_what_it_is_is_an_error(bucket: Bucket, agent: Node, case: str) -> None:
    name, reason, message = ERROR[case]
    wait_until(lambda: f"pipeline/{name}.error.yaml" in bucket.keys("pipeline/"), f"{name!r} to be an error", 120)
    assert f"pipeline/{name}.config.yaml" not in bucket.keys("pipeline/")
    assert executions(bucket, case) == 0
    wait_until(
        lambda: any(message in line and reason in line for line in agent.log.splitlines()), "the reason to be said"
    )


def test_what_is_no_config_of_the_path_is_left_alone(bucket: Bucket, agent: Node) -> None:
    put(bucket, "after-them", "after-them")
    bucket.until("after-them", "done")
    assert set(IGNORED) <= set(bucket.keys(""))
    assert list(bucket.server.objects("other")) == ["pipeline/a.config.yaml"]
    assert executions(bucket, "ignored") == 0
    assert not (bucket.scratch / "pwned").exists()


FORGED: dict[str, dict[str, str]] = {
    "nothing": {},
    "no-object": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET},
    "no-bucket": {"eventType": "OBJECT_FINALIZE", "objectId": "pipeline/x.config.yaml"},
    "no-event": {"bucketId": BUCKET, "objectId": "pipeline/x.config.yaml"},
    "other-event": {"eventType": "OBJECT_DELETE", "bucketId": BUCKET, "objectId": "pipeline/x.config.yaml"},
    "other-bucket": {"eventType": "OBJECT_FINALIZE", "bucketId": "other", "objectId": "pipeline/a.config.yaml"},
    "bucket-with-a-slash": {"eventType": "OBJECT_FINALIZE", "bucketId": "other/x", "objectId": "x.config.yaml"},
    "other-path": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET, "objectId": "secrets/x.config.yaml"},
    "parent": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET, "objectId": "pipeline/../secrets/x.config.yaml"},
    "own-records": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET, "objectId": f"{SIDE}/a.config.yaml"},
    "not-there": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET, "objectId": "pipeline/not-there.config.yaml"},
    "no-number": {
        "eventType": "OBJECT_FINALIZE",
        "bucketId": BUCKET,
        "objectId": "pipeline/not-there.config.yaml",
        "objectGeneration": "-1; DROP TABLE",
    },
    "an-outcome": {"eventType": "OBJECT_FINALIZE", "bucketId": BUCKET, "objectId": "pipeline/x.done.yaml"},
    "terminal-codes": {
        "eventType": "OBJECT_FINALIZE\x1b[31m\n2026-01-01T00:00:00Z INFO a line of its own",
        "bucketId": "\x1b]0;title\x07",
        "objectId": "pipeline/\x1b[2J.config.yaml",
    },
}


def test_forged_notifications_change_nothing(bucket: Bucket, agent: Node, emulator: str) -> None:
    put(bucket, "before-forgery", "before-forgery")
    bucket.until("before-forgery", "done")
    before = {key: found.generation for key, found in bucket.server.objects(BUCKET).items() if SIDE not in key}
    bucket.server.forget_requests()
    for attributes in FORGED.values():
        # The emulator takes no message without attributes and data; Pub/Sub neither.
        pubsub.publish(emulator, PROJECT, TOPIC, attributes, b"\x00\xff not of Cloud Storage")
    for _ in range(20):
        pubsub.finalize(emulator, PROJECT, TOPIC, BUCKET, "pipeline/before-forgery.config.yaml", "1")
    put(bucket, "after-forgery", "after-forgery")
    bucket.until("after-forgery", "done")
    wait_until(lambda: bucket.records("after-forgery")["here"]["state"] == "ended", "the last run to end")
    after = {key: found.generation for key, found in bucket.server.objects(BUCKET).items() if SIDE not in key}
    assert set(after) - set(before) == {"pipeline/after-forgery.done.yaml"}
    assert all(after[key] == generation for key, generation in before.items())
    assert executions(bucket, "before-forgery") == 1
    asked = [record for record in bucket.server.requests if record.object]
    assert not [record.path for record in asked if f"/b/{BUCKET}/" not in record.path]
    allowed = ("pipeline/", f"{SIDE}/", "environment/plain.yaml")
    assert not [record.object for record in asked if not record.object.startswith(allowed)]


def test_the_agent_is_alive_and_its_log_is_plain_text(bucket: Bucket, agent: Node) -> None:
    assert agent.process.poll() is None
    assert "Traceback" not in agent.log
    assert "unexpected; please report this" not in agent.log
    for code in ("\x1b", "\x07", "\x9b", "\x85", "\u2028"):
        assert code not in agent.log
    assert not [line for line in agent.log.splitlines() if line.endswith("a line of its own") and "event" not in line]
