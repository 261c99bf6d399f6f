"""Names: what is a config below a path, and what a name may not be."""

from __future__ import annotations

import pytest

from poltergust.base.errors import Permanent
from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind, WatchedPath, resolve, valid_node

CLOUD = WatchedPath("gs://bucket/pipeline")
BUCKET = WatchedPath("gs://bucket")
FOLDER = WatchedPath("/data/pipeline")


@pytest.mark.parametrize(
    ("path", "url", "name"),
    [
        (CLOUD, "gs://bucket/pipeline/my.config.yaml", "my"),
        (CLOUD, "gs://bucket/pipeline/sub/my.config.yaml", "sub/my"),
        (CLOUD, "gs://bucket/pipeline//my.config.yaml", "/my"),
        (CLOUD, "gs://bucket/pipeline2/my.config.yaml", None),
        (CLOUD, "gs://bucket/pipeline.poltergust/logs/my.config.yaml", None),
        (CLOUD, "gs://other/pipeline/my.config.yaml", None),
        (CLOUD, "gs://bucket/pipeline/.config.yaml", None),
        (CLOUD, "gs://bucket/pipeline/sub/.config.yaml", None),
        (CLOUD, "gs://bucket/pipeline/my.Config.yaml", None),
        (CLOUD, "gs://bucket/pipeline/my.config.yml", None),
        (CLOUD, "gs://bucket/pipeline/my.config.yaml.bak", None),
        (CLOUD, "gs://bucket/pipeline/my.done.yaml", None),
        (BUCKET, "gs://bucket/my.config.yaml", "my"),
        (BUCKET, "gs://bucket/.poltergust/logs/x/my.config.yaml", None),
        (FOLDER, "/data/pipeline/my.config.yaml", "my"),
        (FOLDER, "/data/pipeline/.poltergust-claim-0/my.config.yaml", None),
        (CLOUD, "gs://bucket/pipeline/.poltergust-x/my.config.yaml", ".poltergust-x/my"),
        (FOLDER, "/data/pipeline/a.config.yaml/b.config.yaml", "a.config.yaml/b"),
    ],
)
def test_a_url_has_a_name_only_below_the_path_and_with_the_exact_suffix(
    path: WatchedPath, url: str, name: str | None
) -> None:
    assert path.name_of(url) == name
    if name is not None:
        assert path.of(name, Kind.CONFIG) == url


def test_what_a_node_writes_lies_beside_the_path_and_never_in_it() -> None:
    for path in (CLOUD, BUCKET, FOLDER):
        for url in (path.log("n", "1", "node"), path.run("n", "1", "node"), path.node("node"), path.lock("k")):
            assert url.startswith(path.state_prefix)
            assert path.name_of(url + Kind.CONFIG.suffix) is None
    assert CLOUD.state_prefix == "gs://bucket/pipeline.poltergust/"
    assert BUCKET.state_prefix == "gs://bucket/.poltergust/"
    assert CLOUD.run("a/b", "17", "node-1") == "gs://bucket/pipeline.poltergust/runs/a/b/17/node-1.json"


@pytest.mark.parametrize("name", ["plain", "with space", "überprüfung", "a/b", "a//b", "percent%2F", "#1", "…", "..."])
def test_honest_names_pass(name: str) -> None:
    CLOUD.check(name, "1234567890123456", "node-1")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\x00b", "a/../b", "../b", "./b", "a\u2028b", "a\x85b"])
def test_names_that_hide_what_they_are_do_not(name: str) -> None:
    with pytest.raises(Permanent) as caught:
        CLOUD.check(name, "1", "node")
    assert caught.value.reason is Reason.NAME_INVALID
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("path", "length"), [(CLOUD, 1005), (FOLDER, 250)])
def test_a_name_too_long_for_its_outcome_says_so(path: WatchedPath, length: int) -> None:
    with pytest.raises(Permanent, match="too long for its outcomes and records; shorten it") as caught:
        path.check("n" * length, "1", "node")
    assert caught.value.reason is Reason.NAME_TOO_LONG


@pytest.mark.parametrize(
    ("reference", "base", "url"),
    [
        ("gs://b/environment/e.yaml", "gs://bucket/pipeline/my.config.yaml", "gs://b/environment/e.yaml"),
        ("../environment/e.yaml", "gs://bucket/pipeline/my.config.yaml", "gs://bucket/environment/e.yaml"),
        ("e.yaml", "gs://bucket/my.config.yaml", "gs://bucket/e.yaml"),
        ("../../../e.yaml", "gs://bucket/pipeline/my.config.yaml", "gs://bucket/e.yaml"),
        ("../environment/e.yaml", "/data/pipeline/my.config.yaml", "/data/environment/e.yaml"),
        ("/etc/e.yaml", "/data/pipeline/my.config.yaml", "/etc/e.yaml"),
        ("gs://b/e.yaml", "/data/pipeline/my.config.yaml", "gs://b/e.yaml"),
    ],
)
def test_an_environment_is_named_absolutely_or_from_the_file_that_names_it(reference: str, base: str, url: str) -> None:
    assert resolve(reference, base) == url


def test_a_bucket_cannot_name_a_file_of_one_machine() -> None:
    with pytest.raises(Permanent, match="is a file of one machine"):
        resolve("/etc/passwd", "gs://bucket/pipeline/my.config.yaml")


def test_node_names_are_one_safe_path_component() -> None:
    assert all(valid_node(node) for node in ("node-1", "n", "host.example.com", "A_1"))
    assert not any(valid_node(node) for node in ("", "a/b", "..", "a..b", "-a", "a b", "x" * 101, "a\n"))
