"""`--keep` on the strict storage server, whose clock the test moves, and on a folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.retention import Retention, RetentionLoop
from poltergust.path.stored import StoredPath
from poltergust.stores import Unavailable
from poltergust.stores.folder import FolderStore
from poltergust.stores.gs import GsStore
from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import wait_until

DAY = 86400.0
KEEP = 30 * DAY
BUCKET = "mybucket"


@pytest.fixture(params=["gs://mybucket/pipeline", "gs://mybucket"])
def path(request: pytest.FixtureRequest) -> layout.WatchedPath:
    """A prefix, and a whole bucket, whose side lies below the path itself."""
    return layout.WatchedPath(request.param)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictGcs]:
    with strict_gcs() as running:
        running.create_bucket(BUCKET)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def store(server: StrictGcs) -> Iterator[GsStore]:
    made = GsStore.connect()
    yield made
    made.close()


def of_a_run(path: layout.WatchedPath, name: str, generation: str = "1") -> list[str]:
    """What a run leaves beside the path."""
    runs = path.runs(name, generation)
    return [
        path.run(name, generation, "n"),
        path.log(name, generation, "n"),
        path.log(name, generation, "n") + ".part",
        f"{runs}.first",
        f"{runs}.done-by",
        path.submitted(name),
    ]


def here(server: StrictGcs) -> set[str]:
    return {f"gs://{BUCKET}/{name}" for name in server.objects(BUCKET)}


def test_only_what_is_old_and_whose_config_is_gone_is_removed(
    server: StrictGcs, store: GsStore, path: layout.WatchedPath
) -> None:
    ended = [*of_a_run(path, "old"), *of_a_run(path, "sub/old"), path.node("long-gone")]
    stays = [
        path.of("old", Kind.DONE),
        path.of("sub/old", Kind.ERROR),
        path.of("waits", Kind.CONFIG),
        *of_a_run(path, "waits"),
        path.lock("environment"),
    ]
    for url in ended + stays:
        store.write(url, b"x")
    server.shift(KEEP - DAY)
    young = [*of_a_run(path, "young"), path.node("alive"), path.of("young", Kind.DONE)]
    for url in young:
        store.write(url, b"x")
    retention = Retention(StoredPath(store, path), KEEP)
    assert retention.run_pass() == 0
    server.shift(2 * DAY)
    assert retention.run_pass() == len(ended)
    assert here(server) == {*stays, *young, f"{path.state_prefix}kept"}


def test_code_goes_when_no_run_that_is_remembered_executes_it(
    server: StrictGcs, store: GsStore, path: layout.WatchedPath
) -> None:
    needed, unneeded, young = (path.code(letter * 64) for letter in "abc")
    mark = path.code_mark("recent", "2")
    for url in (needed, unneeded):
        store.write(url, b"archive")
    server.shift(2 * KEEP)
    store.write(young, b"archive")
    store.write(mark, json.dumps({"digest": "a" * 64}).encode())
    assert Retention(StoredPath(store, path, "node"), KEEP).run_pass() == 1
    assert here(server) >= {needed, young, mark}
    assert unneeded not in here(server)


def test_one_node_of_a_path_does_it_for_all_and_a_pass_is_bounded(
    server: StrictGcs, store: GsStore, path: layout.WatchedPath
) -> None:
    for number in range(25):
        store.write(path.run(f"n{number}", "1", "n"), b"x")
    server.shift(KEEP + DAY)
    first, second = (Retention(StoredPath(store, path), KEEP, max_removals=10) for _ in range(2))
    assert first.run_pass() == 10
    assert second.run_pass() is None, "the other has just done it"
    assert [first.run_pass(resume=True) for _ in range(3)] == [10, 5, 0]
    server.shift(2 * 3600)
    assert second.run_pass() == 0
    assert first.run_pass() is None


def test_an_object_that_is_held_is_left_and_the_others_go(
    server: StrictGcs, store: GsStore, path: layout.WatchedPath, caplog: pytest.LogCaptureFixture
) -> None:
    first, held, last = (path.run(name, "1", "n") for name in "abc")
    for url in (first, last):
        store.write(url, b"x")
    server.put(BUCKET, held.removeprefix(f"gs://{BUCKET}/"), b"x", temporaryHold=True)
    server.shift(KEEP + DAY)
    assert Retention(StoredPath(store, path), KEEP).run_pass() == 2
    assert here(server) == {held, f"{path.state_prefix}kept"}
    assert "--keep: 1 old object cannot be removed; the first: " in caplog.text


def test_a_storage_that_does_not_answer_is_asked_again_by_the_thread(
    server: StrictGcs, store: GsStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layout.WatchedPath(f"gs://{BUCKET}/pipeline")
    store.write(path.run("old", "1", "n"), b"x")
    server.shift(KEEP + DAY)
    retention = Retention(StoredPath(store, path), KEEP, interval_seconds=0.05)
    claim, refusals = retention._claim_pass, [Unavailable("503")]

    def once(resume: bool) -> float | None:
        if refusals:
            raise refusals.pop()
        return claim(resume)

    monkeypatch.setattr(retention, "_claim_pass", once)
    loop = RetentionLoop(retention, first_delay_seconds=0.01)
    loop.start()
    wait_until(lambda: here(server) == {f"{path.state_prefix}kept"}, "the old record to go")
    loop.stop()
    assert "old records are not removed now: 503" in caplog.text


def test_on_a_folder_emptied_folders_go_too(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    path = layout.WatchedPath(str(tmp_path / "pipeline"))
    store = FolderStore(Path(path.state_prefix))
    for url in [*of_a_run(path, "sub/old"), path.node("gone"), path.lock("environment"), path.of("sub/old", Kind.DONE)]:
        store.write(url, b"x")
    written = time.time()
    retention = Retention(StoredPath(store, path), keep_seconds=1.0, interval_seconds=0.0)
    wait_until(lambda: time.time() > written + 1.5, "it to be old; a file's change time cannot be set")
    for url in of_a_run(path, "young"):
        store.write(url, b"x")
    assert retention.run_pass() == 7
    left = sorted(os.path.relpath(url, tmp_path) for url in (entry.url for entry in store.list(f"{tmp_path}/")))
    assert "pipeline/sub/old.done.yaml" in left
    assert "pipeline.poltergust/locks/environment.txt" in left
    assert sum("young" in name for name in left) == 6
    assert not (tmp_path / "pipeline.poltergust" / "runs" / "sub").exists()
    assert not (tmp_path / "pipeline.poltergust" / "nodes").exists()
