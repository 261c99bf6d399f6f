"""Objects kept by generation: fetched once, never for ever, and whose refusal is this node's."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.environments import downloads as module
from poltergust.environments.downloads import Downloads
from poltergust.stores.gs import GsStore
from tests.emulators.gcs import strict_gcs
from tests.emulators.memory import Bucket, Call, Fault, MemoryStore

URL = "gs://b/code/zeta-1.0-py3-none-any.whl"
DAY = 86400.0


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(time.time)
    made.put(URL, b"first")
    return made


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_older_generations_go_and_the_one_in_use_stays(bucket: Bucket, tmp_path: Path) -> None:
    downloads = Downloads(tmp_path, MemoryStore(bucket))
    first = downloads.file(URL, "line 3").path
    bucket.put(URL, b"second")
    second = downloads.file(URL, "line 3").path
    downloads.prune(30 * DAY)
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second"), "a build may be under way with it"
    killed = first.parents[1] / "tmp-of-a-download-that-was-killed"
    killed.write_bytes(b"sec")
    for path in (first.parent, second.parent, killed):
        age(path, 2 * DAY)
    os.utime(first.parents[1])
    downloads.prune(30 * DAY)
    assert not first.parent.exists()
    assert not killed.exists()
    assert downloads.file(URL, "line 3").path.read_bytes() == b"second"


def test_an_object_of_a_bucket_is_downloaded_once_for_each_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "gs://bucket/code/zeta-1.0-py3-none-any.whl"
    with strict_gcs() as server:
        server.create_bucket("bucket")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        store = GsStore.connect()
        downloads = Downloads(tmp_path, store)
        for content in (b"first", b"other"):
            server.put("bucket", "code/zeta-1.0-py3-none-any.whl", content)
            server.forget_requests()
            fetched = [downloads.file(url, "line 3") for _ in range(3)]
            assert {each.path.read_bytes() for each in fetched} == {content}
            assert len(server.calls("objects.download")) == 1
        store.close()


def test_what_nobody_asked_for_goes(bucket: Bucket, tmp_path: Path) -> None:
    downloads = Downloads(tmp_path, MemoryStore(bucket))
    home = downloads.file(URL, "line 3").path.parents[1]
    age(home, 2 * DAY)
    downloads.prune(DAY)
    assert not home.exists()


def test_a_refusal_is_counted_for_this_node(bucket: Bucket, tmp_path: Path) -> None:
    def refuse(call: Call) -> Fault:
        return Fault.DENIED

    with pytest.raises(NodeError, match=r"dependencies, line 3: gs://b/code/zeta.*refuses") as caught:
        Downloads(tmp_path, MemoryStore(bucket, refuse)).file(URL, "line 3")
    assert caught.value.reason is Reason.ENVIRONMENT_DENIED


def test_a_missing_object_is_the_files_mistake(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"line 3: gs://b/code/none\.whl: there is no such object"):
        Downloads(tmp_path, MemoryStore(bucket)).file("gs://b/code/none.whl", "line 3")


def test_what_is_larger_than_a_dependency_may_be_is_not_kept(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DOWNLOAD_BYTES", 4)
    with pytest.raises(Permanent, match=r"line 3: gs://b/code/zeta.* is larger than .*, the most that") as caught:
        Downloads(tmp_path, MemoryStore(bucket)).file(URL, "line 3")
    assert caught.value.reason is Reason.PACKAGE_NOT_FOUND
    assert not list(tmp_path.iterdir())


def test_what_a_full_disk_took_of_it_is_removed(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tempfile.mkstemp

    def full(dir: Path) -> tuple[int, str]:
        descriptor, name = made(dir=dir)
        os.close(descriptor)
        return os.open("/dev/full", os.O_WRONLY), name

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(OSError, match="No space left on device"):
        Downloads(tmp_path, MemoryStore(bucket)).file(URL, "line 3")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
