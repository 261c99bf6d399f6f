"""What a notification's attributes mean, how subscriptions are called, what their errors say. No network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.pubsub_v1.types import Subscription
from hypothesis import given
from hypothesis import strategies as st

from poltergust.base.errors import UsageError
from poltergust.sources.pubsub import Own, full_subscription, full_topic, project_of_credentials
from poltergust.sources.pubsub.examine import _judge
from poltergust.sources.pubsub.notifications import Ignored, object_url, printable
from poltergust.sources.pubsub.problems import NotPulled, StreamEnded, TopicDeleted, explain
from poltergust.sources.pubsub.subscriptions import check

PREFIX = "gs://bucket/pipeline/"
TOPIC = "projects/p-1/topics/uploads"
GOOD = {"eventType": "OBJECT_FINALIZE", "bucketId": "bucket", "objectId": "pipeline/x.config.yaml"}


def test_an_object_below_the_path() -> None:
    assert object_url(GOOD, PREFIX) == "gs://bucket/pipeline/x.config.yaml"
    assert object_url(GOOD, "gs://bucket/") == "gs://bucket/pipeline/x.config.yaml"


@pytest.mark.parametrize(
    ("change", "malformed", "why"),
    [
        ({"objectId": ""}, True, "a message without objectId"),
        ({"bucketId": "", "eventType": ""}, True, "a message without eventType, bucketId"),
        ({"eventType": "OBJECT_DELETE"}, False, "event OBJECT_DELETE"),
        ({"eventType": "a\x1b[31m\nb"}, False, "event a\\x1b[31m\\nb"),
        ({"bucketId": "bucket/pipeline", "objectId": "a"}, True, "impossible object bucket/pipeline/a"),
        ({"objectId": "ü" * 513}, True, "impossible object bucket/"),
        ({"objectId": "pipeline2/x"}, False, "object gs://bucket/pipeline2/x is not below gs://bucket/pipeline"),
        ({"objectId": "pipeline"}, False, "object gs://bucket/pipeline is not below gs://bucket/pipeline"),
        ({"bucketId": "Bucket"}, False, "object gs://Bucket/pipeline/x.config.yaml is not below gs://bucket/pipeline"),
    ],
)
def test_what_is_none_of_ours(change: dict[str, str], malformed: bool, why: str) -> None:
    found = object_url(GOOD | change, PREFIX)
    assert isinstance(found, Ignored)
    assert found.malformed is malformed
    assert found.why.startswith(why)


@given(st.dictionaries(st.sampled_from(["eventType", "bucketId", "objectId", "x"]), st.text(max_size=1200)))
def test_anything_at_all_is_answered(attributes: dict[str, str]) -> None:
    found = object_url({**GOOD, **attributes}, PREFIX)
    if isinstance(found, str):
        assert found.startswith("gs://bucket/pipeline/")
    else:
        assert found.why.isascii() or "…" in found.why
        assert found.why.isprintable()
        assert len(found.why) < 400


@given(st.text())
def test_printable(text: str) -> None:
    shown = printable(text, 20)
    assert shown.isprintable()
    assert len(shown) <= 21


@pytest.mark.parametrize("node", ["n", "node-1", "1234", "goog", "host.example.com", "a" * 100, "under_score"])
def test_own_subscription_names_are_valid(node: str) -> None:
    name = Own(TOPIC, node, PREFIX).name
    assert full_subscription(name, None) == name
    assert node in name


def test_own_subscriptions_of_different_listeners_differ() -> None:
    names = {
        Own(topic, node, f"{root}/").name
        for topic in (TOPIC, TOPIC + "2")
        for node in ("node-1", "node-2")
        for root in ("gs://bucket", "gs://bucket/pipeline", "gs://bucket2/pipeline")
    }
    assert len(names) == 12


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (
            "gs://bucket/pipeline",
            'attributes.eventType = "OBJECT_FINALIZE" AND hasPrefix(attributes.objectId, "pipeline/") '
            'AND attributes.bucketId = "bucket"',
        ),
        (
            "gs://bucket",
            'attributes.eventType = "OBJECT_FINALIZE" AND NOT hasPrefix(attributes.objectId, ".poltergust/") '
            'AND attributes.bucketId = "bucket"',
        ),
        ('gs://bucket/we"ird', 'attributes.eventType = "OBJECT_FINALIZE" AND attributes.bucketId = "bucket"'),
        ("gs://bucket/ünï", 'attributes.eventType = "OBJECT_FINALIZE" AND attributes.bucketId = "bucket"'),
        ("gs://bucket/" + "x" * 300, 'attributes.eventType = "OBJECT_FINALIZE" AND attributes.bucketId = "bucket"'),
    ],
)
def test_filter(root: str, expected: str) -> None:
    assert Own(TOPIC, "n", f"{root}/").filter == expected


@given(st.integers(1, 400))
def test_a_filter_is_never_too_long(length: int) -> None:
    assert len(Own(TOPIC, "n", f"gs://{'b' * 63}/{'x' * length}/").filter.encode()) <= 256


def test_full_names() -> None:
    assert full_subscription("node-1", "p-1") == "projects/p-1/subscriptions/node-1"
    assert full_subscription("projects/p:2/subscriptions/node-1", "p-1") == "projects/p:2/subscriptions/node-1"
    assert full_topic("uploads", "p-1") == TOPIC


@pytest.mark.parametrize(
    "name",
    ["", "ab", "1abc", "googly", "Google-x", "a" * 256, "a b c", "projects/p/topics/abc", "projects/p/subscriptions/",
     "projects//subscriptions/abc", "a/b", "projects/p/subscriptions/abc/d", "abc\n"],
)  # fmt: skip
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"--subscription .* is not a subscription's name; expected projects/"
    ) as caught:
        full_subscription(name, "p-1")
    assert "\n" not in str(caught.value)


def test_a_short_name_needs_a_project() -> None:
    with pytest.raises(UsageError, match=re.escape("give --project, or projects/PROJECT/topics/uploads")):
        full_topic("uploads", None)


@pytest.mark.parametrize("topic", [None, TOPIC])
@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (exceptions.NotFound, "x", "does not exist; create it"),
        (exceptions.PermissionDenied, "x", "grant the node"),
        (exceptions.Unauthenticated, "bad\ntoken", "credentials are not accepted (bad token)"),
        (auth.RefreshError, "expired", "credentials are not accepted"),
        (auth.TransportError, "no route", "give no access (no route); renew them, or check the network"),
        (exceptions.InvalidArgument, "no", "is refused (no)"),
        (exceptions.FailedPrecondition, "it pushes", "cannot be read (it pushes); "),
        (NotPulled, "detached", "cannot be read (detached); "),
        (exceptions.ServiceUnavailable, "down\x1b[1m", "does not answer (down\\x1b[1m)"),
        (exceptions.ServiceUnavailable, "x" * 5000, "check the network"),
        (TopicDeleted, "", "its topic was deleted; create"),
        (StreamEnded, "", "is being opened again"),
        (OSError, "odd", "odd"),
    ],
)
def test_problems_are_one_line_that_says_what_to_do(
    kind: Callable[[str], Exception], text: str, expected: str, topic: str | None
) -> None:
    said = explain(kind(text), "projects/p-1/subscriptions/s-1", topic)
    assert expected in said
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 450


@pytest.mark.parametrize("content", [None, "[]"])
def test_a_key_file_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    key = tmp_path / "key.json"
    key.mkdir() if content is None else key.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(UsageError, match=r"credentials cannot be read \(.*GOOGLE_APPLICATION_CREDENTIALS") as caught:
        project_of_credentials()
    assert "\n" not in str(caught.value)


class Detached:
    """Google's client, as far as an own subscription needs it, where one stands that was detached from its topic."""

    def __init__(self) -> None:
        self.detached = True
        self.calls: list[str] = []

    def create_subscription(self, **_: object) -> None:
        self.calls.append("create")
        if self.detached:
            raise exceptions.AlreadyExists("there")  # type: ignore[no-untyped-call]

    def get_subscription(self, **_: object) -> Subscription:
        return Subscription(topic=TOPIC, detached=self.detached)

    def delete_subscription(self, **_: object) -> None:
        self.calls.append("delete")
        self.detached = False


def test_an_own_subscription_that_was_detached_is_made_again() -> None:
    client = Detached()
    with pytest.raises(NotPulled, match="detached"):
        check(client, "projects/p-1/subscriptions/s")
    Own(TOPIC, "node-1", PREFIX).create(client)
    assert client.calls == ["create", "delete", "create"]
    assert check(client, "projects/p-1/subscriptions/s")


def test_what_doctor_says_to_do_about_one_that_pushes_is_a_whole_command() -> None:
    name = "projects/p-1/subscriptions/node-1"
    pushes = Subscription(name=name, topic=TOPIC, push_config={"push_endpoint": "https://example.com/"})
    (found,) = _judge(pushes, name, PREFIX, ".config.yaml")
    commands = f"gcloud pubsub subscriptions delete {name} && gcloud pubsub subscriptions create {name} --topic={TOPIC}"
    assert found.remedy == f"make it again: {commands}"
