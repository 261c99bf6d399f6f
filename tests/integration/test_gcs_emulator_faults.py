"""Faults on command, the request log and the control endpoint of the strict server."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, NotFound, ServiceUnavailable, TooManyRequests
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.exceptions import ConnectionError as NetworkError

from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.servers import wait_until


@pytest.fixture
def server() -> Iterator[StrictGcs]:
    with strict_gcs() as running:
        running.create_bucket("bkt")
        running.put("bkt", "x.config.yaml", b"data")
        yield running


def move(server: StrictGcs, retry: Any = None) -> Any:
    bucket = server.client().bucket("bkt")
    return bucket.move_blob(bucket.blob("x.config.yaml"), "x.done.yaml", retry=retry)


def statuses(server: StrictGcs, call: str) -> list[int | None]:
    return [record.status for record in server.calls(call)]


@pytest.mark.parametrize(("status", "error"), [(429, TooManyRequests), (503, ServiceUnavailable), (403, Forbidden)])
def test_status(server: StrictGcs, status: int, error: type[Exception]) -> None:
    server.fail("objects.move", status=status, times=2)
    for _ in range(2):
        with pytest.raises(error):
            move(server)
        assert list(server.objects("bkt")) == ["x.config.yaml"]
    move(server)
    assert list(server.objects("bkt")) == ["x.done.yaml"]
    assert statuses(server, "objects.move") == [status, status, 200]
    assert [record.fault for record in server.calls("objects.move")] == ["status", "status", None]


def test_googles_own_retry_gets_through(server: StrictGcs) -> None:
    server.fail("objects.move", status=503)
    server.fail("objects.move", how="reset")
    move(server, retry=DEFAULT_RETRY.with_delay(initial=0.01))
    assert statuses(server, "objects.move") == [503, None, 200]


def test_reset_before_the_effect(server: StrictGcs) -> None:
    server.fail("objects.move", how="reset")
    with pytest.raises(NetworkError):
        move(server)
    assert list(server.objects("bkt")) == ["x.config.yaml"]
    assert statuses(server, "objects.move") == [None]


def test_answer_lost_after_the_effect(server: StrictGcs) -> None:
    server.fail("objects.move", how="lost")
    with pytest.raises(NetworkError):
        move(server)
    assert list(server.objects("bkt")) == ["x.done.yaml"]
    with pytest.raises(NotFound):  # the retry cannot tell its own success from another's
        move(server)


def test_hold_and_release(server: StrictGcs) -> None:
    hold = server.hold("objects.move")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move, server)
        hold.wait_reached()
        assert list(server.objects("bkt")) == ["x.config.yaml"]
        hold.release()
        assert moving.result(60).name == "x.done.yaml"


def test_hold_and_drop(server: StrictGcs) -> None:
    hold = server.hold("objects.move")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move, server)
        hold.wait_reached()
        hold.drop()
        assert isinstance(moving.exception(60), NetworkError)
    assert list(server.objects("bkt")) == ["x.config.yaml"]


def test_hold_the_answer(server: StrictGcs) -> None:
    hold = server.fail("objects.move", how="hold-answer")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move, server)
        wait_until(lambda: list(server.objects("bkt")) == ["x.done.yaml"], "the effect before the answer")
        assert not moving.done()
        hold.release()
        moving.result(60)


def test_a_stall_of_some_seconds_ends_by_itself(server: StrictGcs) -> None:
    server.fail("objects.move", how="hold", seconds=0.01)
    move(server)


def test_filters(server: StrictGcs) -> None:
    server.fail("objects.*", status=403, times=None, object="x.*", token="nobody")
    assert move(server).name == "x.done.yaml"
    fault = server.fail("objects.insert", status=403, times=None, object="nodes/*")
    bucket = server.client().bucket("bkt")
    with pytest.raises(Forbidden):
        bucket.blob("nodes/a.json").upload_from_string(b"")
    with pytest.raises(Forbidden):
        bucket.blob("nodes/a.json").upload_from_file(io.BytesIO())  # of unknown size: resumable
    bucket.blob("runs/a.json").upload_from_string(b"")
    assert fault.hits == 2


def test_skip_lets_the_first_calls_through(server: StrictGcs) -> None:
    server.fail("objects.get", status=403, skip=2)
    blob = server.client().bucket("bkt").blob("x.config.yaml")
    blob.reload()
    blob.reload()
    with pytest.raises(Forbidden):
        blob.reload()
    blob.reload()


def test_denied_by_token(server: StrictGcs) -> None:
    server.fail("*", status=403, times=None, token="stranger")

    def get(token: str) -> int:
        request = urllib.request.Request(
            f"{server.url}/storage/v1/b/bkt/o/x.config.yaml", headers={"Authorization": f"Bearer {token}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert [get("stranger"), get("friend"), get("stranger")] == [403, 200, 403]
    assert [record.token for record in server.requests] == ["stranger", "friend", "stranger"]


def test_a_fault_within_a_batch(server: StrictGcs) -> None:
    server.fail("objects.delete", status=503)
    client = server.client()
    with client.batch(raise_exception=False):
        client.bucket("bkt").blob("x.config.yaml").delete()
    assert statuses(server, "objects.delete") == [503]
    assert list(server.objects("bkt")) == ["x.config.yaml"]


_FINISHER = """
import sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": sys.argv[1]})
bucket = client.bucket("bkt")
blob = bucket.get_blob("x.config.yaml")
bucket.move_blob(blob, "x.done.yaml", if_source_generation_match=blob.generation)
bucket.blob("runs/x.json").upload_from_string(b"{}")
"""


@pytest.mark.parametrize(
    ("let_through", "left"), [(0, ["x.config.yaml"]), (1, ["x.config.yaml"]), (2, ["x.done.yaml"])]
)
def test_a_client_killed_between_any_two_requests(server: StrictGcs, let_through: int, left: list[str]) -> None:
    # Not "*": the client library asks for the bucket, too, in a thread of its own and at a time of its own.
    hold = server.hold("objects.*", skip=let_through)
    process = subprocess.Popen([sys.executable, "-c", _FINISHER, server.url])
    try:
        hold.wait_reached()
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(30)
    hold.drop()
    assert list(server.objects("bkt")) == left
    assert [record.status for record in server.requests if record.call != "buckets.get"] == [200] * let_through + [None]


def test_eight_at_once_and_one_winner(server: StrictGcs) -> None:
    generation = server.objects("bkt")["x.config.yaml"].generation

    def finish(number: int) -> int:
        bucket = server.client().bucket("bkt")
        try:
            bucket.move_blob(bucket.blob("x.config.yaml"), "x.done.yaml", if_source_generation_match=generation)
        except NotFound:
            return 404
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(finish, range(8))) == [200] + [404] * 7
    assert list(server.objects("bkt")) == ["x.done.yaml"]


def test_one_write_a_second_for_one_object(server: StrictGcs) -> None:
    server.limit_writes()
    server.shift(2)
    blob = server.client().bucket("bkt").blob("x.config.yaml")
    blob.upload_from_string(b"once")
    with pytest.raises(TooManyRequests):
        blob.upload_from_string(b"twice", retry=None)
    with pytest.raises(TooManyRequests):
        blob.patch(retry=None)
    server.client().bucket("bkt").blob("other").upload_from_string(b"")
    server.shift(1)
    blob.upload_from_string(b"later")
    assert server.objects("bkt")["x.config.yaml"].data == b"later"


def test_reset_empties_everything(server: StrictGcs) -> None:
    server.fail("*", times=None)
    server.shift(5000)
    server.reset()
    assert server.requests == []
    server.create_bucket("bkt")
    assert list(server.client().list_blobs("bkt")) == []


def control(url: str, method: str, what: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{url}/_control/{what}", data, method=method), timeout=30) as answer:
        return json.load(answer)


def test_the_control_endpoint_does_the_same(server: StrictGcs) -> None:
    fault = control(server.url, "POST", "faults", {"call": "objects.move", "status": 503, "times": 1})
    with pytest.raises(ServiceUnavailable):
        move(server)
    assert control(server.url, "GET", "faults")[fault["number"]]["hits"] == 1
    logged = {each["call"]: each["status"] for each in control(server.url, "GET", "requests")}
    assert logged["objects.move"] == 503
    control(server.url, "DELETE", "requests")
    assert server.requests == []
    control(server.url, "POST", "faults", {"call": "objects.move", "how": "hold"})
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move, server)
        wait_until(lambda: server.calls("objects.move"), "the call")
        control(server.url, "POST", "faults/1/release")
        moving.result(60)
    before = server.objects("bkt")["x.done.yaml"].updated
    control(server.url, "POST", "clock", {"shift": 3600})
    assert server.put("bkt", "later", b"").updated - before >= 3600
    control(server.url, "POST", "reset")
    assert control(server.url, "GET", "faults") == []
    for wrong in ({"call": "x", "colour": "red"}, {"how": "reset"}, {"call": "x", "how": "sideways"}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            control(server.url, "POST", "faults", wrong)


def test_by_hand(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.emulators.gcs", "--bucket", "mybucket"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            url = next(word for word in first.split() if word.startswith("http://"))
            assert control(url, "GET", "requests") == []
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert f"STORAGE_EMULATOR_HOST={url}" in rest
    assert "gsutil -o" in rest
