"""What the strict server does with objects and buckets, asked by Google's own client and by plain requests."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import google_crc32c
import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound

from tests.emulators.gcs import StrictGcs, strict_gcs
from tests.emulators.gcs.clients import plain_request as http


@pytest.fixture
def server() -> Iterator[StrictGcs]:
    with strict_gcs() as running:
        running.create_bucket("bkt")
        yield running


@pytest.fixture
def bucket(server: StrictGcs) -> Any:
    return server.client().bucket("bkt")


def put(bucket: Any, name: str, data: bytes = b"bytes") -> Any:
    blob = bucket.blob(name)
    blob.upload_from_string(data)
    return blob


def test_upload_sets_what_the_server_sets(bucket: Any) -> None:
    blob = bucket.blob("a/b.txt")
    blob.metadata = {"key": "value"}
    blob.upload_from_string(b"hello", content_type="text/plain")
    blob.reload()
    assert blob.size == 5
    assert blob.md5_hash == base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    assert blob.crc32c == base64.b64encode(google_crc32c.value(b"hello").to_bytes(4, "big")).decode()
    assert (blob.metageneration, blob.content_type, blob.metadata) == (1, "text/plain", {"key": "value"})
    assert blob.time_created == blob.updated


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 700_000])
@pytest.mark.parametrize("way", ["multipart", "resumable"])
def test_bytes_survive_both_ways_to_upload(bucket: Any, size: int, way: str) -> None:
    data = bytes(range(256)) * (size // 256) + b"\r\n--x\n"[: size % 256]
    if way == "multipart":
        put(bucket, "data", data)
    else:
        bucket.blob("data", chunk_size=256 * 1024).upload_from_file(io.BytesIO(data))  # of unknown size
    assert bucket.blob("data").download_as_bytes() == data


def test_media_upload_and_damaged_bytes(server: StrictGcs) -> None:
    path = "/upload/storage/v1/b/bkt/o?uploadType=media&name=x"
    assert http(server, "POST", path, b"\r\nbytes\n", Content_Type="text/x")[0] == 200
    assert server.objects("bkt")["x"].data == b"\r\nbytes\n"
    assert server.objects("bkt")["x"].properties["contentType"] == "text/x"
    refused = http(server, "POST", path, b"other", x_goog_hash="crc32c=AAAAAA==")
    assert (refused[0], server.objects("bkt")["x"].data) == (400, b"\r\nbytes\n")


def test_resumable_upload_step_by_step(server: StrictGcs) -> None:
    begin = http(server, "POST", "/upload/storage/v1/b/bkt/o?uploadType=resumable&name=x", b"{}")
    where = begin[1]["location"].removeprefix(server.url)
    data = b"0123456789abcdef" * 40_000  # 640,000 bytes: two whole chunks of 262,144 and a rest

    assert http(server, "PUT", where, Content_Range="bytes */*")[0] == 308
    status, headers, _ = http(server, "PUT", where, data[:300_000], Content_Range="bytes 0-299999/*")
    assert (status, headers["range"]) == (308, "bytes=0-262143")  # beyond a multiple of 256 KiB nothing is kept
    status, headers, _ = http(server, "PUT", where, Content_Range="bytes */640000")
    assert (status, headers["range"]) == (308, "bytes=0-262143")
    assert server.objects("bkt") == {}
    status, _, body = http(server, "PUT", where, data[262_144:], Content_Range="bytes 262144-639999/640000")
    assert (status, json.loads(body)["size"]) == (200, "640000")
    assert server.objects("bkt")["x"].data == data
    # A client that missed the answer asks again and is told the same object.
    status, _, again = http(server, "PUT", where, Content_Range="bytes */640000")
    assert (status, json.loads(again)["generation"]) == (200, json.loads(body)["generation"])


def test_resumable_upload_cancelled(server: StrictGcs) -> None:
    begin = http(server, "POST", "/upload/storage/v1/b/bkt/o?uploadType=resumable&name=x", b"{}")
    where = begin[1]["location"].removeprefix(server.url)
    assert http(server, "DELETE", where)[0] == 499
    assert http(server, "PUT", where, b"late")[0] == 404
    assert server.objects("bkt") == {}


def test_generations_only_grow_even_if_the_clock_goes_back(server: StrictGcs, bucket: Any) -> None:
    first = put(bucket, "x").generation
    server.shift(-3600)
    second = put(bucket, "x")
    assert second.generation == first + 1
    server.shift(7200)
    assert put(bucket, "x").generation > second.generation


def test_times_and_date_follow_the_servers_clock(server: StrictGcs, bucket: Any) -> None:
    from email.utils import parsedate_to_datetime

    before = put(bucket, "x").updated
    server.shift(86_400)
    after = put(bucket, "x").updated
    assert 86_400 <= (after - before).total_seconds() < 86_400 + 600
    date = parsedate_to_datetime(http(server, "GET", "/storage/v1/b/bkt/o/x")[1]["date"])
    assert abs((date - after).total_seconds()) < 600


def test_download_headers_and_ranges(server: StrictGcs, bucket: Any) -> None:
    blob = put(bucket, "x", b"0123456789")
    path = "/download/storage/v1/b/bkt/o/x?alt=media"
    status, headers, body = http(server, "GET", path)
    assert (status, body) == (200, b"0123456789")
    assert headers["x-goog-generation"] == str(blob.generation)
    assert headers["x-goog-metageneration"] == "1"
    assert headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
    for asked, answer, content in [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
    ]:
        status, headers, body = http(server, "GET", path, Range=asked)
        assert (status, body, headers["content-range"]) == (206, answer, content)
    assert http(server, "GET", path, Range="bytes=10-")[0] == 416
    assert bucket.blob("x").download_as_bytes(start=2, end=4) == b"234"


def test_patch_counts_metagenerations_and_update_replaces(bucket: Any) -> None:
    blob = put(bucket, "x")
    generation = blob.generation
    blob.metadata = {"a": "1", "b": "2"}
    blob.patch()
    blob.metadata = {"a": None, "c": "3"}
    blob.patch()
    blob.reload()
    assert (blob.generation, blob.metageneration, blob.metadata) == (generation, 3, {"b": "2", "c": "3"})
    blob.metadata = {"only": "this"}
    blob.update()
    blob.reload()
    assert (blob.metageneration, blob.metadata) == (4, {"only": "this"})


def test_copies_take_metadata_along_and_holds_not(bucket: Any) -> None:
    source = put(bucket, "x")
    source.metadata, source.temporary_hold = {"key": "value"}, True
    source.patch()
    copied = bucket.copy_blob(source, bucket, "y")
    copied.reload()
    assert (copied.metadata, copied.temporary_hold, copied.metageneration) == ({"key": "value"}, None, 1)
    assert copied.generation > source.generation


def test_rewrite_in_several_calls(server: StrictGcs) -> None:
    server.put("bkt", "big", b"x" * (5 << 19))  # 2.5 MiB
    path = "/storage/v1/b/bkt/o/big/rewriteTo/b/bkt/o/copy?maxBytesRewrittenPerCall=1048576"
    token = ""
    done: list[dict[str, Any]] = []
    while not done or not done[-1]["done"]:
        answer = json.loads(http(server, "POST", path + (f"&rewriteToken={token}" if token else ""))[2])
        done.append(answer)
        token = answer.get("rewriteToken", "")
        assert ("copy" in server.objects("bkt")) is answer["done"]
    assert [each["totalBytesRewritten"] for each in done] == ["1048576", "2097152", "2621440"]
    stale = done[0]["rewriteToken"]
    server.put("bkt", "big", b"y" * (5 << 19))
    assert http(server, "POST", f"{path}&rewriteToken={stale}")[0] == 400
    assert http(server, "POST", path.replace("1048576", "1000"))[0] == 400


def test_move_keeps_data_and_metadata_and_begins_anew(server: StrictGcs, bucket: Any) -> None:
    source = put(bucket, "a/x", b"moved")
    source.metadata = {"key": "value"}
    source.patch()
    put(bucket, "a/y", b"replaced")
    server.shift(60)
    moved = bucket.move_blob(source, "a/y")
    assert list(server.objects("bkt")) == ["a/y"]
    moved.reload()
    assert (moved.download_as_bytes(), moved.metadata, moved.metageneration) == (b"moved", {"key": "value"}, 1)
    assert moved.generation > source.generation
    assert moved.time_created > source.time_created
    with pytest.raises(BadRequest):
        bucket.move_blob(moved, "a/y")


def test_compose(server: StrictGcs, bucket: Any) -> None:
    parts = [put(bucket, f"part{n}", str(n).encode()) for n in range(3)]
    whole = bucket.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts)
    whole.reload()
    assert whole.download_as_bytes() == b"012"
    assert (whole.md5_hash, whole.component_count, whole.content_type) == (None, 3, "text/plain")
    assert whole.crc32c == base64.b64encode(google_crc32c.value(b"012").to_bytes(4, "big")).decode()
    whole.compose([whole, parts[0]])  # appending
    assert server.objects("bkt")["whole"].data == b"0120"
    assert server.objects("bkt")["whole"].components == 4
    with pytest.raises(BadRequest):
        bucket.blob("many").compose([parts[0]] * 33)
    bucket.blob("many").compose([parts[0]] * 32)
    with pytest.raises(NotFound):
        bucket.blob("many").compose([parts[0], bucket.blob("missing")])


def test_batch_answers_each_call_for_itself(server: StrictGcs, bucket: Any) -> None:
    client = bucket.client
    live, held = put(bucket, "live"), put(bucket, "held")
    held.temporary_hold = True
    held.patch()
    server.forget_requests()
    with client.batch(raise_exception=False):
        for blob in (live, held, bucket.blob("missing")):
            blob.delete()
    assert [(each.call, each.status) for each in server.requests] == [
        ("batch", 200),
        ("objects.delete", 204),
        ("objects.delete", 403),
        ("objects.delete", 404),
    ]
    assert list(server.objects("bkt")) == ["held"]


def test_errors_are_in_googles_form(server: StrictGcs) -> None:
    status, headers, body = http(server, "GET", "/storage/v1/b/bkt/o/missing")
    assert (status, headers["content-type"]) == (404, "application/json; charset=UTF-8")
    message = "No such object: bkt/missing"
    assert json.loads(body) == {
        "error": {
            "code": 404,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": "notFound"}],
        }
    }
    assert http(server, "GET", "/storage/v1/b/nobucket/o")[0] == 404
    assert http(server, "GET", "/storage/v1/nowhere")[0] == 404
    assert http(server, "PUT", "/batch")[0] == 405


@pytest.mark.parametrize(
    "query",
    [
        "ifGenerationMatch=x",
        "ifGenerationMatch=1&ifGenerationNotMatch=2",
        "ifMetagenerationMatch=1&ifMetagenerationNotMatch=2",
        "ifSourceGenerationMatch=1",
        "ifGenerationsMatch=1",
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(server: StrictGcs, query: str) -> None:
    server.put("bkt", "x", b"data")
    assert http(server, "DELETE", f"/storage/v1/b/bkt/o/x?{query}")[0] == 400
    assert list(server.objects("bkt")) == ["x"]


def test_buckets(server: StrictGcs) -> None:
    client = server.client()
    made = client.create_bucket("another-one", location="US")
    assert sorted(each.name for each in client.list_buckets()) == ["another-one", "bkt"]
    permissions = ["storage.objects.get", "storage.objects.list"]
    assert made.test_iam_permissions(permissions) == permissions
    with pytest.raises(Conflict):
        client.create_bucket("another-one")
    assert http(server, "POST", "/storage/v1/b?project=p", b'{"name": "Upper_Case!"}')[0] == 400
    made.labels = {"a": "b"}
    made.patch()
    assert client.get_bucket("another-one").labels == {"a": "b"}
    put(made, "x")
    with pytest.raises(Conflict):
        made.delete()
    made.delete(force=True)
    with pytest.raises(NotFound):
        client.get_bucket("another-one")


def test_one_connection_many_requests_and_bodies_in_chunks(server: StrictGcs) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for number in range(3):
            path = f"/upload/storage/v1/b/bkt/o?uploadType=media&name={number}"
            connection.request("POST", path, iter([b"one", b"two"]), encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, json.load(answer)["size"]) == (200, "6")
            connection.request("GET", f"/storage/v1/b/bkt/o/{number}?ifGenerationNotMatch=1&alt=media")
            assert connection.getresponse().read() == b"onetwo"
            generation = server.objects("bkt")[str(number)].generation
            connection.request("GET", f"/storage/v1/b/bkt/o/{number}?ifGenerationNotMatch={generation}")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (304, b"")
    finally:
        connection.close()


def test_a_large_body_is_waited_for(server: StrictGcs) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest("POST", "/upload/storage/v1/b/bkt/o?uploadType=media&name=x")
        connection.putheader("Content-Length", "4")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.send(b"data")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_https_with_a_certificate_of_its_own(server: StrictGcs) -> None:
    server.put("bkt", "x", b"data")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))
    where = f"https://127.0.0.1:{server.https_port}/storage/v1/b/bkt/o/x"
    with opener.open(where, timeout=30) as answer:
        assert json.load(answer)["mediaLink"].startswith(f"https://127.0.0.1:{server.https_port}/download/")
