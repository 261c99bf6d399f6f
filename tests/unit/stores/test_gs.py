"""The Cloud Storage store when answers are lost, late, or refusals; on the strict server."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.stores import ABSENT, Conflict, Denied, NotFound, Stores, Unavailable
from poltergust.stores.gs import NO_MOVE_SECONDS, GsStore, calls
from poltergust.stores.gs.examine import open_bucket
from tests.emulators.gcs import StrictGcs, strict_gcs

SOURCE, TARGET = "gs://bucket/p/x.config.yaml", "gs://bucket/p/x.done.yaml"


@pytest.fixture(scope="module")
def running() -> Iterator[StrictGcs]:
    with strict_gcs() as server:
        yield server


@pytest.fixture
def server(running: StrictGcs) -> StrictGcs:
    running.reset()
    running.create_bucket("bucket")
    return running


@pytest.fixture
def store(server: StrictGcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[GsStore]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    made = GsStore.connect()
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "POLICY", calls.POLICY.with_timeout(0.5))
    monkeypatch.setattr("poltergust.stores.gs.POLICY", calls.POLICY)


def config(server: StrictGcs, data: bytes = b"run") -> str:
    return str(server.put("bucket", "p/x.config.yaml", data).generation)


def kinds(server: StrictGcs) -> list[str]:
    return [record.call for record in server.requests]


OPERATIONS: dict[str, Callable[[GsStore, str], object]] = {
    "list": lambda store, _: list(store.list("gs://bucket/p/")),
    "read": lambda store, _: store.read(SOURCE),
    "write": lambda store, _: store.write(TARGET, b"x"),
    "create": lambda store, _: store.write(TARGET, b"x", if_generation=ABSENT),
    "replace": lambda store, generation: store.write(SOURCE, b"x", if_generation=generation),
    "append": lambda store, _: store.append(SOURCE, b"x"),
    "move": lambda store, generation: store.move(SOURCE, generation, TARGET),
    "delete": lambda store, generation: store.delete(SOURCE, if_generation=generation),
}


@pytest.mark.parametrize("how", ["status", "reset", "lost"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_gets_over_a_bad_answer_to_any_of_its_requests(
    server: StrictGcs, store: GsStore, name: str, how: str
) -> None:
    OPERATIONS[name](store, config(server))
    requests = len(server.requests)
    wanted = {key: bytes(found.data) for key, found in server.objects("bucket").items()}
    for skip in range(requests):
        server.reset()
        server.create_bucket("bucket")
        generation = config(server)
        server.fail("objects.*", how=how, skip=skip)  # type: ignore[arg-type]
        OPERATIONS[name](store, generation)
        assert {key: bytes(found.data) for key, found in server.objects("bucket").items()} == wanted


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_gives_up_in_time(server: StrictGcs, store: GsStore, name: str, status: int) -> None:
    generation = config(server)
    server.fail("objects.*", status=status, times=None)
    with pytest.raises(Unavailable, match=str(status)):
        OPERATIONS[name](store, generation)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_says_that_it_is_refused(server: StrictGcs, store: GsStore, name: str) -> None:
    generation = config(server)
    server.fail("objects.*", status=403, times=None)
    with pytest.raises(Denied, match="Fault on command: 403") as caught:
        OPERATIONS[name](store, generation)
    assert "gs://bucket/" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.requests) <= 3


@pytest.mark.parametrize("name", ["write", "create", "replace", "append", "move"])
def test_what_a_policy_of_the_organization_refuses_is_no_other_generation(
    server: StrictGcs, store: GsStore, name: str
) -> None:
    generation = config(server)
    words = "Request violates constraint 'constraints/gcp.restrictNonCmekServices'"
    for call in ("objects.insert", "objects.compose", "objects.move"):
        server.fail(call, status=412, message=words, times=None)
    with pytest.raises(Denied, match="constraints/gcp"):
        OPERATIONS[name](store, generation)


@pytest.mark.parametrize("status", [404, 412])
def test_a_config_that_stands_as_it_was_is_not_taken_for_gone_or_replaced(
    server: StrictGcs, store: GsStore, status: int
) -> None:
    generation = config(server)
    server.fail("objects.move", status=status, times=None)
    with pytest.raises(Denied, match="refuses to rename"):
        store.move(SOURCE, generation, TARGET)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_stalls_is_given_up(server: StrictGcs, store: GsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poltergust.stores.gs.TIMEOUT", (1.0, 0.2))
    config(server)
    server.hold("objects.*", times=None)
    with pytest.raises(Unavailable, match="Timeout"):
        store.read(SOURCE)
    server.heal()


def test_a_dead_server_is_told_by_its_kind_not_by_its_address(
    store: GsStore, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    dead = GsStore.connect()
    with pytest.raises(Unavailable, match="ConnectionError") as caught:
        dead.write(TARGET, b"x")
    assert "127.0.0.1" not in str(caught.value)


# the rename


def test_a_move_whose_answer_was_lost_is_not_taken_for_somebody_elses(server: StrictGcs, store: GsStore) -> None:
    generation = config(server)
    server.fail("objects.move", how="lost")
    assert store.move(SOURCE, generation, TARGET) is False
    assert list(server.objects("bucket")) == ["p/x.done.yaml"]


def test_an_outcome_that_stood_before_is_not_taken_for_ours(server: StrictGcs, store: GsStore) -> None:
    """The config is removed while our first try hangs, an outcome of an older run stands: nobody renamed it."""
    generation = config(server)
    server.put("bucket", "p/x.done.yaml", b"old")
    hold = server.hold("objects.move")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(store.move, SOURCE, generation, TARGET)
        hold.wait_reached()
        store.delete(SOURCE)
        hold.drop()
        with pytest.raises(NotFound):
            moving.result(60)


def test_a_config_uploaded_again_after_a_lost_answer_is_a_conflict(server: StrictGcs, store: GsStore) -> None:
    generation = config(server)
    hold = server.fail("objects.move", how="hold-answer")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(store.move, SOURCE, generation, TARGET)
        hold.wait_reached()
        config(server, b"newer")
        hold.drop()
        with pytest.raises(Conflict):
            moving.result(60)
    assert server.objects("bucket")["p/x.config.yaml"].data == b"newer"


def test_a_move_costs_two_requests(server: StrictGcs, store: GsStore) -> None:
    store.move(SOURCE, config(server), TARGET)
    assert kinds(server) == ["objects.get", "objects.move"]


@pytest.mark.parametrize("status", [400, 501])
def test_a_server_without_the_call_is_found_out_once(
    server: StrictGcs, store: GsStore, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.fail("objects.move", status=status, times=None)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert store.move(SOURCE, config(server), TARGET) is True
    assert kinds(server).count("objects.move") == 1
    assert [record.message for record in caplog.records if "objects.move" in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1


def test_a_server_that_once_lacked_the_call_is_asked_again_later(
    server: StrictGcs, store: GsStore, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    later = GsStore(store._client, clock=lambda: now[0])
    server.fail("objects.move", status=501, times=2)
    for now[0] in (0.0, NO_MOVE_SECONDS - 1, NO_MOVE_SECONDS + 1, 3 * NO_MOVE_SECONDS):
        assert later.move(SOURCE, config(server), TARGET) is True
    assert kinds(server).count("objects.move") == 3
    assert kinds(server)[-1] == "objects.move"
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_download_that_is_damaged_on_the_way_is_fetched_again(server: StrictGcs, store: GsStore) -> None:
    config(server, b"environment: e.yaml\n")
    server.fail("objects.download", how="damage", times=2)
    assert store.read(SOURCE).data == b"environment: e.yaml\n"
    assert kinds(server) == ["objects.download"] * 3


@pytest.mark.usefixtures("impatient")
def test_a_download_that_stays_damaged_is_no_content(server: StrictGcs, store: GsStore) -> None:
    config(server)
    server.fail("objects.download", how="damage", times=None)
    with pytest.raises(Unavailable, match="DamagedDownload"):
        store.read(SOURCE)
    assert len(store.read(SOURCE, limit=1).data) == 2, "of a part there is no checksum"


def test_which_of_two_objects_of_one_second_is_older(server: StrictGcs, store: GsStore) -> None:
    """Whether an outcome took this config's place, or stood there before, hangs on it."""
    server.put("bucket", "p/x.error.yaml", b"run")
    config(server)
    assert store.read("gs://bucket/p/x.error.yaml").updated < store.read(SOURCE).updated
    before = store.read(SOURCE)
    server.shift(60)
    blob = server.client().bucket("bucket").blob("p/x.config.yaml")
    blob.metadata = {"touched": "later"}
    blob.patch()
    assert store.read(SOURCE).updated >= before.updated + 59


def test_a_config_that_was_uploaded_compressed_is_read_unpacked(server: StrictGcs, store: GsStore) -> None:
    server.put("bucket", "p/x.config.yaml", gzip.compress(b"run"), contentEncoding="gzip", cacheControl="no-transform")
    assert store.read(SOURCE, limit=3).data == b"run"
    server.fail("objects.download", how="damage")
    assert store.read(SOURCE, limit=3).data == b"run"


def test_what_is_only_said_to_be_compressed_is_read_as_it_is_stored(server: StrictGcs, store: GsStore) -> None:
    server.put("bucket", "p/x.config.yaml", b"run", contentEncoding="gzip", cacheControl="no-transform")
    server.fail("objects.download", how="damage", skip=1)
    assert store.read(SOURCE, limit=3).data == b"run"
    assert kinds(server) == ["objects.download"] * 3, "once more because bytes changed on the way"


def test_one_strange_refusal_does_not_change_how_the_store_renames(server: StrictGcs, store: GsStore) -> None:
    """A 400 that the copy gets as well is about the request, not about a missing call."""
    generation = config(server)
    server.fail("objects.*", status=400, skip=1, times=3)
    with pytest.raises(Denied):
        store.move(SOURCE, generation, TARGET)
    server.heal()
    assert store.move(SOURCE, generation, TARGET) is True
    assert kinds(server)[-1] == "objects.move"


@pytest.mark.parametrize("wrong", ["newer", "gone"])
def test_copy_and_delete_keeps_to_the_generation(server: StrictGcs, store: GsStore, wrong: str) -> None:
    server.fail("objects.move", status=501, times=None)
    generation = config(server)
    if wrong == "newer":
        config(server, b"newer")
    else:
        store.delete(SOURCE)
    with pytest.raises(Conflict if wrong == "newer" else NotFound):
        store.move(SOURCE, generation, TARGET)
    assert "p/x.done.yaml" not in server.objects("bucket")


# the other operations


def test_a_created_object_whose_answer_was_lost_is_ours(server: StrictGcs, store: GsStore) -> None:
    server.fail("objects.insert", how="lost")
    assert store.write(TARGET, b"mine", if_generation=ABSENT).size == 4
    with pytest.raises(Conflict):
        store.write(TARGET, b"mine", if_generation=ABSENT)


def test_reading_is_one_request_and_listing_one_a_page(server: StrictGcs, store: GsStore) -> None:
    for number in range(1500):
        server.put("bucket", f"p/{number:04}.config.yaml", b"")
    server.put("bucket", "p/other", b"")
    server.put("bucket", "p2/x.config.yaml", b"")
    store.read("gs://bucket/p/0000.config.yaml", limit=10)
    assert kinds(server) == ["objects.download"]
    server.forget_requests()
    assert len(list(store.list("gs://bucket/p/", suffix=".config.yaml"))) == 1500
    assert kinds(server) == ["objects.list"] * 2
    assert all(record.query["prefix"] == "p/" for record in server.requests)


def test_listing_the_root_of_a_bucket_sends_a_prefix_too(server: StrictGcs, store: GsStore) -> None:
    config(server)
    assert [entry.url for entry in store.list("gs://bucket/")] == [SOURCE]
    assert server.requests[0].query["prefix"] == ""


def test_a_missing_bucket_is_not_an_empty_one(store: GsStore) -> None:
    with pytest.raises(NotFound, match="gs://nobody/p/"):
        list(store.list("gs://nobody/p/"))
    with pytest.raises(NotFound):
        store.write("gs://nobody/x", b"")
    with pytest.raises(NotFound, match="there is no such bucket"):
        list(store.list("gs://nobody/p/"))
    with pytest.raises(NotFound, match=r"gs://nobody/p/x: there is no such bucket; make it first, or correct its name"):
        store.write("gs://nobody/p/x", b"")


def test_an_append_leaves_no_part_behind_and_takes_over_one_of_a_crash(server: StrictGcs, store: GsStore) -> None:
    server.put("bucket", "p/n.log", b"one")
    server.put("bucket", "p/n.log.part", b"of a node that died")
    store.append("gs://bucket/p/n.log", b"two")
    assert {name: found.data for name, found in server.objects("bucket").items()} == {"p/n.log": b"onetwo"}
    assert server.objects("bucket")["p/n.log"].properties["contentType"] == "text/plain; charset=utf-8"


@pytest.mark.usefixtures("impatient")
def test_an_append_has_happened_even_if_its_part_stays(server: StrictGcs, store: GsStore) -> None:
    """Its caller would append the same bytes once more."""
    server.put("bucket", "p/n.log", b"one")
    server.fail("objects.delete", status=503, times=None)
    store.append("gs://bucket/p/n.log", b"two")
    assert server.objects("bucket")["p/n.log"].data == b"onetwo"


def test_a_name_with_a_newline_is_one_line_in_a_message(store: GsStore) -> None:
    with pytest.raises(NotFound) as caught:
        store.read("gs://bucket/p/two\nlines\x1b[31m.config.yaml")
    assert str(caught.value) == r"gs://bucket/p/two\nlines\x1b[31m.config.yaml does not exist"


def test_thirty_two_threads_have_a_connection_each(
    server: StrictGcs, store: GsStore, caplog: pytest.LogCaptureFixture
) -> None:
    config(server)
    barrier = threading.Barrier(32)

    def read(_: int) -> bytes:
        barrier.wait(60)
        return store.read(SOURCE).data

    with caplog.at_level(logging.WARNING, "urllib3"), ThreadPoolExecutor(32) as pool:
        assert list(pool.map(read, range(32))) == [b"run"] * 32
    assert caplog.records == []


def test_nothing_asks_for_the_buckets_own_metadata(server: StrictGcs, store: GsStore) -> None:
    """A node has no storage.buckets.get; the client library would ask for it behind our back."""
    for each in OPERATIONS.values():
        store.delete(TARGET)
        each(store, config(server))
    assert all(kind.startswith("objects.") for kind in kinds(server))


def test_no_credentials_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(UsageError, match="gcloud auth application-default login") as caught:
        Stores("gs://bucket/p.poltergust/").of("gs://bucket/p")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "[]", "{}", "{", '{"type": "service_account", "private_key": "none"}'])
def test_a_key_file_that_is_none_is_one_line_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    """A folder, for one: Docker makes it where the file to be mounted is missing."""
    key = tmp_path / "key.json"
    key.mkdir() if content is None else key.write_text(content)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(
        UsageError, match=r"no Google credentials for gs:// \((?!\().*GOOGLE_APPLICATION_CREDENTIALS"
    ) as caught:
        Stores("gs://bucket/p.poltergust/").of("gs://bucket/p")
    assert "\n" not in str(caught.value)
    bucket, found = open_bucket("gs://bucket/p/", "gs://bucket/p.poltergust/")
    assert bucket is None
    assert found.remedy.startswith("on this node run `gcloud auth application-default login` or set GOOGLE_")


def test_an_emulators_address_needs_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9023")
    with pytest.raises(UsageError, match="http://"):
        Stores("gs://bucket/p.poltergust/").of("gs://bucket/p")
    _, found = open_bucket("gs://bucket/p/", "gs://bucket/p.poltergust/")
    assert found.text == "STORAGE_EMULATOR_HOST '127.0.0.1:9023' is no URL"
    assert found.remedy == "write for example http://127.0.0.1:9023"


def test_what_is_no_bucket_url_is_refused(store: GsStore) -> None:
    with pytest.raises(ValueError, match="not a gs:// URL"):
        store.read("/data/x")
    with pytest.raises(ValueError, match="stays in its bucket"):
        store.move(SOURCE, "1", "gs://c/x")


def test_a_proxy_is_used_and_no_password_of_netrc(
    server: StrictGcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy is asked for the whole address: the server's own tells that it was."""
    (tmp_path / "netrc").write_text("machine storage.invalid login me password mine\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://storage.invalid")
    store = GsStore.connect()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # looked at when the store was made
    with pytest.raises(NotFound):
        store.read("gs://bucket/nothing")
    assert {(record.base, record.token) for record in server.requests} == {("http://storage.invalid", "")}
