"""What doctor finds, each fault made for real: on the strict storage server, Google's Pub/Sub emulator and luigid."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.iam.v1 import iam_policy_pb2  # type: ignore[import-untyped]
from google.pubsub_v1.types import Subscription, Topic

from poltergust.base.checks import Check, Severity
from poltergust.doctor import Probe, examine, probes
from poltergust.node.settings import Settings
from poltergust.path import layout
from poltergust.path.records import NodeRecord
from poltergust.path.state import PathState
from poltergust.sources.pubsub.examine import matches
from poltergust.sources.pubsub.subscriptions import Own
from poltergust.stores.gs.examine import PERMISSIONS
from tests.emulators import pubsub
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.luigid import luigid

PROJECT, TOPIC, SUBSCRIPTION = "poltergust-test", "uploads", "node-1"
FULL_TOPIC = f"projects/{PROJECT}/topics/{TOPIC}"
FULL_SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/{SUBSCRIPTION}"
PATH = layout.WatchedPath("gs://mybucket/pipeline")


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with pubsub.pubsub_emulator() as host:
        yield host


@pytest.fixture
def host(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The emulator with the topic and the node's subscription, and nothing else."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator)
    pubsub.create_topic(emulator, PROJECT, TOPIC)
    pubsub.create_subscription(emulator, PROJECT, SUBSCRIPTION, TOPIC)
    yield emulator
    for name in pubsub.subscriptions(emulator, PROJECT):
        pubsub.call(emulator, "DELETE", name)
    for topic in pubsub.call(emulator, "GET", f"projects/{PROJECT}/topics").get("topics", []):
        pubsub.call(emulator, "DELETE", topic["name"])


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictGcs]:
    with strict_gcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def bucket(gcs: StrictGcs) -> StrictGcs:
    gcs.create_bucket("mybucket")
    return gcs


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(path=PATH, node="node-1", cache=tmp_path / "cache")


@pytest.fixture
def listening(settings: Settings) -> Settings:
    return replace(settings, subscription=FULL_SUBSCRIPTION)


def found(settings: Settings, *, quick: bool = True, only: tuple[str, ...] = ()) -> dict[str, Check]:
    """What doctor finds, by name; `only` these probes."""
    return {
        check.name: check
        for probe in probes(settings, quick=quick)
        if not only or probe.name in only
        for check in examine(probe)
    }


def verdict(checks: dict[str, Check], name: str) -> str | None:
    return checks[name].verdict.value if name in checks else None


def test_all_is_well_and_nothing_is_left_behind(bucket: StrictGcs, host: str, listening: Settings) -> None:
    bucket.notify("mybucket", FULL_TOPIC, prefix="pipeline/", event_types=("OBJECT_FINALIZE",))
    checks = found(listening, quick=False, only=("path", "notification", "disk", "write", "nodes", "scheduler"))
    assert {check.name: check.text for check in checks.values() if check.verdict is not Severity.OK} == {}
    assert set(checks) >= {"credentials", "permissions", "bucket-settings", "subscription", "notification", "clock"}
    assert bucket.objects("mybucket") == {}


def test_the_quick_part_neither_lists_nor_touches_an_object(bucket: StrictGcs, host: str, listening: Settings) -> None:
    bucket.notify("mybucket", FULL_TOPIC, prefix="pipeline/")
    found(listening)
    calls = [record.call for record in bucket.requests]
    assert sorted(calls) == ["buckets.get", "buckets.testIamPermissions", "notifications.list"]


def test_a_bucket_that_does_not_exist(gcs: StrictGcs, settings: Settings) -> None:
    checks = found(settings, quick=False, only=("path", "notification", "write", "nodes"))
    assert verdict(checks, "bucket") == "fail"
    assert "gs://mybucket does not exist" in checks["bucket"].text
    assert checks["bucket"].remedy.endswith(" make it: gcloud storage buckets create gs://mybucket")
    assert not {"write", "nodes", "bucket-settings"} & set(checks), "nothing more is asked of it"


def test_a_storage_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{taken.getsockname()[1]}")
        checks = found(settings, quick=False, only=("path", "write", "nodes"))
    assert {name: check.verdict for name, check in checks.items()} == {
        "credentials": Severity.OK,
        "bucket": Severity.FAIL,
    }


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_each_permission_that_is_missing_is_named(bucket: StrictGcs, settings: Settings, permission: str) -> None:
    bucket.deny(permission)
    checks = found(settings, only=("path",))
    assert verdict(checks, "permissions") == "fail"
    assert permission in checks["permissions"].text
    assert "roles/storage.objectUser" in checks["permissions"].remedy
    assert bucket.objects("mybucket") == {}


def test_what_else_than_a_missing_right_refuses_everything_is_said(bucket: StrictGcs, settings: Settings) -> None:
    words = "The billing account for the owning project is disabled in state absent"
    bucket.fail("*", status=403, message=words, times=None)
    checks = found(settings, only=("path",))
    assert verdict(checks, "permissions") == "fail"
    assert words in checks["permissions"].text


def test_rights_that_hold_below_the_path_only_are_seen_by_trying(bucket: StrictGcs, settings: Settings) -> None:
    bucket.deny(*PERMISSIONS, only_as_a_whole=True)
    bucket.put("mybucket", "pipeline/my.config.yaml", b"task: {}\n")
    assert verdict(found(settings, only=("path",)), "permissions") == "ok"
    assert list(bucket.objects("mybucket")) == ["pipeline/my.config.yaml"]


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("retention", {"retentionPolicy": {"retentionPeriod": "60", "isLocked": True}}, "fail"),
        ("holds", {"defaultEventBasedHold": True}, "fail"),
        ("requester-pays", {"billing": {"requesterPays": True}}, "fail"),
        ("versioning", {"versioning": {"enabled": True}}, "warn"),
    ],
)
def test_settings_of_the_bucket_that_are_in_the_way(
    gcs: StrictGcs, settings: Settings, name: str, setting: dict[str, object], expected: str
) -> None:
    gcs.create_bucket("mybucket", **setting)
    checks = found(settings, only=("path",))
    assert verdict(checks, name) == expected
    assert checks[name].remedy
    assert "bucket-settings" not in checks


def test_a_bucket_that_makes_the_requester_pay_answers_nobody_but_its_owner(
    bucket: StrictGcs, settings: Settings
) -> None:
    words = "Bucket is a requester pays bucket but no user project provided."
    bucket.fail("*", status=400, message=words, times=None)
    checks = found(settings, quick=False, only=("path", "notification", "write", "nodes"))
    assert {name: check.verdict for name, check in checks.items()} == {
        "credentials": Severity.OK,
        "requester-pays": Severity.FAIL,
    }
    assert "--no-requester-pays gs://mybucket" in checks["requester-pays"].remedy


def test_versions_that_a_lifecycle_rule_removes_are_fine(gcs: StrictGcs, settings: Settings) -> None:
    rule = {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 7}}
    gcs.create_bucket("mybucket", versioning={"enabled": True}, lifecycle={"rule": [rule]})
    assert "versioning" not in found(settings, only=("path",))


def test_a_bucket_whose_settings_may_not_be_seen_is_no_failure(
    bucket: StrictGcs, host: str, listening: Settings
) -> None:
    bucket.deny("storage.buckets.get")
    checks = found(listening)
    assert (verdict(checks, "bucket-settings"), verdict(checks, "notification")) == ("skip", "skip")
    assert not any(check.verdict is Severity.FAIL for check in checks.values())


def test_retention_is_what_really_refuses_the_rename(gcs: StrictGcs, settings: Settings) -> None:
    gcs.create_bucket("mybucket", retentionPolicy={"retentionPeriod": "60"})
    assert verdict(found(settings, quick=False, only=("write",)), "write") == "fail"


@pytest.mark.parametrize(
    ("configs", "expected", "text"),
    [
        ([], "fail", "notifies of no new objects"),
        ([{"event_types": ("OBJECT_DELETE",)}], "fail", "notifies of no new objects"),
        ([{"prefix": "other/"}], "fail", "only of objects below other/"),
        ([{"prefix": "pipeline/sub/"}], "fail", "not of all of pipeline/"),
        ([{"topic": f"projects/{PROJECT}/topics/elsewhere"}], "fail", "this node listens to"),
        ([{"prefix": "pipeline/"}, {}], "warn", "2 times"),
        ([{"prefix": "pipe"}], "ok", "published to"),
        ([{"event_types": ("OBJECT_FINALIZE", "OBJECT_DELETE")}], "ok", "published to"),
    ],
)
def test_notification_configs(
    bucket: StrictGcs, host: str, listening: Settings, configs: list[dict[str, object]], expected: str, text: str
) -> None:
    for config in configs:
        given: dict[str, object] = {"topic": FULL_TOPIC, **config}
        bucket.notify("mybucket", **given)  # type: ignore[arg-type]
    checks = found(listening, only=("path", "notification"))
    assert (verdict(checks, "notification"), text in checks["notification"].text) == (expected, True), checks
    if expected == "fail":
        assert "notifications create gs://mybucket" in checks["notification"].remedy


def test_no_subscription_means_the_scan_alone(bucket: StrictGcs, settings: Settings) -> None:
    assert verdict(found(settings), "subscription") == "warn"


def test_a_subscription_that_does_not_exist(bucket: StrictGcs, host: str, listening: Settings) -> None:
    checks = found(replace(listening, subscription=f"projects/{PROJECT}/subscriptions/nobody"))
    assert verdict(checks, "subscription") == "fail"
    assert "does not exist" in checks["subscription"].text


def test_a_subscription_whose_topic_was_deleted(bucket: StrictGcs, host: str, listening: Settings) -> None:
    pubsub.delete_topic(host, PROJECT, TOPIC)
    checks = found(listening)
    assert verdict(checks, "subscription") == "fail"
    assert "its topic was deleted" in checks["subscription"].text


@pytest.mark.parametrize(
    ("more", "name", "expected"),
    [
        ({"filter": 'hasPrefix(attributes.objectId, "other/")'}, "subscription-filter", "fail"),
        ({"filter": 'attributes.eventType = "OBJECT_DELETE"'}, "subscription-filter", "fail"),
        ({"filter": 'hasPrefix(attributes.objectId, "pipeline/sub/")'}, "subscription-filter", "fail"),
        ({"filter": 'attributes.x = "y" OR attributes:z'}, "subscription-filter", "skip"),
        ({"filter": Own(FULL_TOPIC, "node-1", PATH.prefix).filter}, "subscription-filter", None),
        ({"expirationPolicy": {"ttl": "604800s"}}, "subscription-expiry", "warn"),
        ({"pushConfig": {"pushEndpoint": "http://127.0.0.1:9/"}}, "subscription", "fail"),
    ],
)
def test_what_makes_a_subscription_useless(
    bucket: StrictGcs, host: str, listening: Settings, more: dict[str, object], name: str, expected: str | None
) -> None:
    pubsub.delete_subscription(host, PROJECT, SUBSCRIPTION)
    pubsub.call(host, "PUT", FULL_SUBSCRIPTION, {"topic": FULL_TOPIC, **more})
    assert verdict(found(listening), name) == expected


def test_a_topic_for_own_subscriptions(bucket: StrictGcs, host: str, settings: Settings) -> None:
    assert verdict(found(replace(settings, topic=FULL_TOPIC)), "topic") == "ok"
    checks = found(replace(settings, topic=f"projects/{PROJECT}/topics/nowhere"))
    assert verdict(checks, "topic") == "fail"
    assert pubsub.subscriptions(host, PROJECT) == [FULL_SUBSCRIPTION], "doctor makes none"


class Iam:
    """A gRPC server with what the emulator lacks, permissions: those in `granted`, and no other."""

    def __init__(self, *granted: str, refusal: str = "") -> None:
        """`refusal`: what every call is refused with, whatever is granted."""
        self._granted = granted
        self._refusal = refusal

    def service(self, call: Any) -> Any:
        answers = {"TestIamPermissions": self._test, "GetSubscription": self._subscription, "GetTopic": self._topic}
        return grpc.unary_unary_rpc_method_handler(answers[call.method.rpartition("/")[2]])

    def _test(self, request: bytes, context: Any) -> bytes:
        self._admit(context)
        asked = iam_policy_pb2.TestIamPermissionsRequest.FromString(request).permissions
        held = [permission for permission in asked if permission in self._granted]
        answer: bytes = iam_policy_pb2.TestIamPermissionsResponse(permissions=held).SerializeToString()
        return answer

    def _subscription(self, _: bytes, context: Any) -> bytes:
        self._need("pubsub.subscriptions.get", context)
        answer: bytes = Subscription.serialize(Subscription(name=FULL_SUBSCRIPTION, topic=FULL_TOPIC))
        return answer

    def _topic(self, _: bytes, context: Any) -> bytes:
        self._need("pubsub.topics.get", context)
        answer: bytes = Topic.serialize(Topic(name=FULL_TOPIC))
        return answer

    def _admit(self, context: Any) -> None:
        if self._refusal:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, self._refusal)

    def _need(self, permission: str, context: Any) -> None:
        self._admit(context)
        if permission not in self._granted:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action.")

    @contextmanager
    def serving(self) -> Iterator[str]:
        server = grpc.server(ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers([self])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=1).wait(30)


GET, CONSUME = "pubsub.subscriptions.get", "pubsub.subscriptions.consume"
GET_TOPIC, ATTACH = "pubsub.topics.get", "pubsub.topics.attachSubscription"


@pytest.mark.parametrize(
    ("name", "granted", "expected"),
    [
        ("subscription", (GET, CONSUME), "ok"),
        ("subscription", (CONSUME,), "skip"),
        ("subscription", (GET,), "fail"),
        ("subscription", (), "fail"),
        ("topic", (ATTACH,), "ok"),
        ("topic", (ATTACH, GET_TOPIC), "ok"),
        ("topic", (GET_TOPIC,), "fail"),
        ("topic", (), "fail"),
    ],
)
def test_rights_on_subscription_and_topic(
    bucket: StrictGcs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    granted: tuple[str, ...],
    expected: str,
) -> None:
    given = {"subscription": FULL_SUBSCRIPTION} if name == "subscription" else {"topic": FULL_TOPIC}
    with Iam(*granted).serving() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        checks = found(replace(settings, **given))  # type: ignore[arg-type]
    assert verdict(checks, name) == expected
    if expected == "fail":
        assert "grant the node " in checks[name].remedy


@pytest.mark.parametrize("name", ["subscription", "topic"])
def test_an_api_that_is_not_enabled_is_no_missing_right(
    bucket: StrictGcs, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = "https://console.developers.google.com/apis/api/pubsub.googleapis.com/overview?project=123456789012"
    words = "Cloud Pub/Sub API has not been used in project 123456789012 before or it is disabled. "
    words += f"Enable it by visiting {page} then retry."
    given = {"subscription": FULL_SUBSCRIPTION} if name == "subscription" else {"topic": FULL_TOPIC}
    with Iam(GET, CONSUME, GET_TOPIC, ATTACH, refusal=words).serving() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        checks = found(replace(settings, **given))  # type: ignore[arg-type]
    assert verdict(checks, name) == "fail"
    assert words in checks[name].text
    assert "where it is about a right, grant the node" in checks[name].remedy


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('attributes.eventType = "OBJECT_FINALIZE"', True),
        ('attributes.eventType != "OBJECT_FINALIZE"', False),
        ('NOT attributes.eventType = "OBJECT_DELETE" AND attributes:objectId', True),
        ('hasPrefix(attributes.objectId, "pipeline/") AND attributes.bucketId = "mybucket"', True),
        ('NOT hasPrefix(attributes.objectId, "pipeline/")', False),
        ('attributes.unheardOf = "x"', None),
        ('(attributes.eventType = "OBJECT_FINALIZE")', None),
    ],
)
def test_filters_as_pubsub_reads_them(text: str, passes: bool | None) -> None:
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "mybucket", "objectId": "pipeline/x.config.yaml"}
    assert matches(text, attributes) is passes


def heartbeat(node: str, host: str, *, embedded: bool = False) -> None:
    record = NodeRecord(
        node=node,
        instance="abcd",
        version="1",
        host=host,
        pid=4711,
        scheduler="http://head:8082",
        embedded=embedded,
        taking=True,
        state="ready",
    )
    PathState.open(PATH, node).records.save_node(record)


SHARED = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("node", "host", "embedded", "scheduler", "name", "expected"),
    [
        ("node-1", "elsewhere", False, SHARED, "node", "fail"),
        ("node-1", socket.gethostname(), False, SHARED, "node", "ok"),
        ("node-2", "elsewhere", False, SHARED, "nodes", "ok"),
        ("node-2", "elsewhere", False, None, "one-scheduler", "fail"),
        ("node-2", "elsewhere", True, SHARED, "one-scheduler", "fail"),
    ],
)
def test_other_nodes(
    bucket: StrictGcs,
    settings: Settings,
    node: str,
    host: str,
    embedded: bool,
    scheduler: str | None,
    name: str,
    expected: str,
) -> None:
    heartbeat(node, host, embedded=embedded)
    checks = found(replace(settings, scheduler_url=scheduler), quick=False, only=("nodes",))
    assert verdict(checks, name) == expected


def test_several_other_nodes_are_named_as_several(bucket: StrictGcs, settings: Settings) -> None:
    for name in ("node-2", "node-3"):
        heartbeat(name, "elsewhere", embedded=True)
    own = found(replace(settings, scheduler_url=None), quick=False, only=("nodes",))["one-scheduler"]
    assert own.text.startswith("node-2, node-3 are alive on this path")
    theirs = found(replace(settings, scheduler_url=SHARED), quick=False, only=("nodes",))["one-scheduler"]
    assert theirs.text == "node-2, node-3 run schedulers of their own on this path"


def test_a_silent_node_is_nobody(bucket: StrictGcs, settings: Settings) -> None:
    heartbeat("node-2", "elsewhere")
    bucket.shift(600)
    checks = found(settings, quick=False, only=("nodes",))
    assert checks["nodes"].text == "also alive on this path: none"


@pytest.mark.parametrize("shift", [-400.0, 400.0])
def test_a_clock_that_is_wrong(bucket: StrictGcs, settings: Settings, shift: float) -> None:
    bucket.shift(shift)
    checks = found(settings, quick=False, only=("write",))
    assert verdict(checks, "clock") == "warn"
    assert "400 s apart" in checks["clock"].text or "399 s apart" in checks["clock"].text


def test_a_scheduler_that_is_not_there_or_is_something_else(bucket: StrictGcs, settings: Settings) -> None:
    for url in (SHARED, bucket.url):
        checks = found(replace(settings, scheduler_url=url), quick=False, only=("scheduler",))
        assert {name: check.verdict for name, check in checks.items()} == {"scheduler": Severity.FAIL}


def test_a_scheduler_that_answers(tmp_path: Path, settings: Settings) -> None:
    with luigid(tmp_path) as url:
        checks = found(replace(settings, scheduler_url=url), quick=False, only=("scheduler",))
    assert verdict(checks, "scheduler") == "ok"


def test_interpreters_are_listed(settings: Settings) -> None:
    checks = found(settings, quick=False, only=("interpreters",))
    assert verdict(checks, "interpreters") == "ok"
    assert "/python3" in checks["interpreters"].text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    settings = Settings(path=layout.WatchedPath(str(tmp_path / "none")), node="here", cache=tmp_path / "cache")
    checks = found(settings, quick=False, only=("path", "notification", "write", "nodes"))
    assert {name: check.verdict for name, check in checks.items()} == {"folder": Severity.FAIL}
    assert checks["folder"].remedy == f"make it: mkdir -p {tmp_path / 'none'}"


def test_a_folder_where_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    settings = Settings(path=layout.WatchedPath(str(tmp_path / "pipeline")), node="here", cache=tmp_path / "cache")
    checks = found(settings, quick=False, only=("path", "notification", "disk", "write", "nodes"))
    assert [name for name, check in checks.items() if check.verdict is Severity.FAIL] == []
    assert not list((tmp_path / "pipeline").iterdir())
    assert not list((tmp_path / "pipeline.poltergust").rglob("*.txt"))


def test_a_probe_that_raises_is_a_finding(tmp_path: Path) -> None:
    (check,) = examine(Probe("disk", "the disk", (tmp_path / "none").read_bytes))  # type: ignore[arg-type]
    assert (check.name, check.verdict) == ("disk", Severity.FAIL)
    assert "No such file" in check.text


def test_without_a_cache_no_interpreters_are_looked_for(tmp_path: Path) -> None:
    cache = tmp_path / "file"
    cache.write_text(json.dumps({}))
    (tmp_path / "pipeline").mkdir()
    settings = Settings(path=layout.WatchedPath(str(tmp_path / "pipeline")), node="here", cache=cache / "cache")
    checks = found(settings, quick=False, only=("disk", "interpreters"))
    assert (verdict(checks, "cache"), verdict(checks, "interpreters")) == ("fail", "skip")
