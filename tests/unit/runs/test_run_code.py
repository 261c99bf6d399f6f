"""What a run executes is fixed when it begins, the same on every node, and never anything but what the digest says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from poltergust.base.errors import Missing
from poltergust.documents import CodePlace, EnvironmentSpec
from poltergust.environments.code import bundle
from poltergust.environments.code.local import LocalCode
from poltergust.path import layout
from poltergust.path.code import PublishedCode
from poltergust.path.outcome import Config
from poltergust.path.stored import StoredPath
from poltergust.runs.run_code import RunCode
from tests.emulators.memory import Bucket, MemoryStore

PATH = layout.WatchedPath("gs://b/pipeline")
SOURCE = "gs://b/code/job.py"
SPEC = EnvironmentSpec("gs://b/e.yaml", {}, (), {}, code=(CodePlace("code/job.py", 1),))
RUN, NEXT = Config("x", "1", b""), Config("x", "2", b"")


class Node:
    def __init__(self, bucket: Bucket, folder: Path, name: str) -> None:
        self.store = MemoryStore(bucket)
        self.code = RunCode(
            PublishedCode(StoredPath(self.store, PATH, name)), LocalCode(folder / name), lambda url: self.store
        )
        self.folder = folder / f"{name}-runs"
        self.notes: list[str] = []

    def executes(self, config: Config) -> bytes:
        """What a run gets to execute."""
        digest = self.code.fix(config, SPEC, self.notes.append)
        (place,) = self.code.write(digest, self.folder / config.generation)
        return (place / "job.py").read_bytes()


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put(SOURCE, b"first")
    return made


def test_a_change_is_for_the_next_run_on_every_node(bucket: Bucket, tmp_path: Path) -> None:
    one, two = (Node(bucket, tmp_path, name) for name in ("one", "two"))
    assert one.executes(RUN) == b"first"
    bucket.put(SOURCE, b"second")
    assert two.executes(RUN) == one.executes(RUN) == b"first"
    assert two.executes(NEXT) == one.executes(NEXT) == b"second"


def test_a_bundle_is_published_once_whichever_runs_need_it(bucket: Bucket, tmp_path: Path) -> None:
    one, two = (Node(bucket, tmp_path, name) for name in ("one", "two"))
    for node, config in ((one, RUN), (two, RUN), (one, NEXT)):
        node.executes(config)
    assert [url for url in bucket.objects if url.startswith(PATH.codes)] == [
        PATH.code(bundle.digest({"0/job.py": b"first"}))
    ]


def test_nothing_is_executed_that_the_digest_does_not_name(bucket: Bucket, tmp_path: Path) -> None:
    one, two = (Node(bucket, tmp_path, name) for name in ("one", "two"))
    assert one.executes(RUN) == b"first"
    digest = bundle.digest({"0/job.py": b"first"})
    for damage in (bundle.pack({"0/job.py": b"somebody else's"}), b"no archive", b""):
        bucket.put(PATH.code(digest), damage)
        assert Node(bucket, tmp_path, f"new-{len(damage)}").executes(RUN) == b"first", "read again, and found the same"
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / f"{digest}.zip").write_bytes(bundle.pack({"0/job.py": b"changed on this machine"}))
    assert two.executes(RUN) == b"first"


def test_code_that_is_gone_from_beside_the_path_is_fixed_again(bucket: Bucket, tmp_path: Path) -> None:
    Node(bucket, tmp_path, "one").executes(RUN)
    bucket.objects.pop(PATH.code(bundle.digest({"0/job.py": b"first"})))
    bucket.put(SOURCE, b"second")
    two, three = (Node(bucket, tmp_path, name) for name in ("two", "three"))
    assert two.executes(RUN) == b"second"
    assert "is gone from beside the path" in two.notes[0]
    bucket.put(SOURCE, b"third")
    assert three.executes(RUN) == b"second"


@pytest.mark.parametrize("mark", [b"", b"[]", b'{"digest": "../../etc"}', b"\xff"])
def test_a_damaged_mark_counts_as_none(bucket: Bucket, tmp_path: Path, mark: bytes) -> None:
    bucket.put(PATH.code_mark(RUN.name, RUN.generation), mark)
    one, two = (Node(bucket, tmp_path, name) for name in ("one", "two"))
    assert one.executes(RUN) == b"first"
    bucket.put(SOURCE, b"second")
    assert two.executes(RUN) == b"first"


def test_a_run_of_an_environment_without_code_asks_for_nothing(bucket: Bucket, tmp_path: Path) -> None:
    one = Node(bucket, tmp_path, "one")
    before = dict(bucket.objects)
    assert one.code.fix(RUN, EnvironmentSpec("gs://b/e.yaml", {}, (), {}), one.notes.append) == ""
    assert one.code.write("", tmp_path / "none") == []
    assert (bucket.objects, (tmp_path / "none").exists()) == (before, False)


def test_source_that_is_not_there_yet(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects.pop(SOURCE)
    with pytest.raises(Missing, match=r"code, line 1: gs://b/code/job.py: there is no such file"):
        Node(bucket, tmp_path, "one").executes(RUN)
