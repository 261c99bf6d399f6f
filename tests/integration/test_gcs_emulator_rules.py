"""What the strict server allows and keeps: names of objects, holds, retention."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from google.api_core.exceptions import Forbidden

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


GOOD_NAMES = [
    "x" * 1024,
    "é" * 512,
    "a//b",
    "/leading",
    "trailing/",
    "a/../b",
    "tab\tand\x01control",
    "percent%2Fslash",
    "question?hash#plus+&=",
    "日本語",
    "X",
    "x",
]
BAD_NAMES = ["x" * 1025, "é" * 513, "new\nline", "carriage\rreturn", ".", "..", ".well-known/acme-challenge/x", ""]


@pytest.mark.parametrize("name", GOOD_NAMES, ids=lambda name: repr(name[:20]))
def test_names_that_are_allowed(server: StrictGcs, name: str) -> None:
    path = f"/upload/storage/v1/b/bkt/o?uploadType=media&name={quote(name, safe='')}"
    assert http(server, "POST", path, b"data")[0] == 200
    assert list(server.objects("bkt")) == [name]
    assert http(server, "GET", f"/storage/v1/b/bkt/o/{quote(name, safe='')}?alt=media")[2] == b"data"


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
def test_names_that_are_not_allowed(server: StrictGcs, name: str) -> None:
    server.put("bkt", "source", b"data")
    quoted = quote(name, safe="")
    upload = f"/upload/storage/v1/b/bkt/o?uploadType=media&name={quoted}"
    assert http(server, "POST", upload, b"data")[0] == 400
    assert http(server, "POST", f"/upload/storage/v1/b/bkt/o?uploadType=resumable&name={quoted}", b"{}")[0] == 400
    if name:
        assert http(server, "POST", f"/storage/v1/b/bkt/o/source/moveTo/o/{quoted}")[0] == 400
        assert http(server, "POST", f"/storage/v1/b/bkt/o/source/copyTo/b/bkt/o/{quoted}")[0] == 400
    assert list(server.objects("bkt")) == ["source"]


def test_names_are_not_normalised(server: StrictGcs, bucket: Any) -> None:
    forms = {unicodedata.normalize(form, "é") for form in ("NFC", "NFD")}
    for name in forms:
        put(bucket, name)
    assert set(server.objects("bkt")) == forms
    assert len(forms) == 2


REMOVING: dict[str, Callable[[Any, Any], object]] = {
    "delete": lambda bucket, blob: blob.delete(),
    "overwrite": lambda bucket, blob: blob.upload_from_string(b"new"),
    "move away": lambda bucket, blob: bucket.move_blob(blob, "elsewhere"),
    "move onto": lambda bucket, blob: bucket.move_blob(put(bucket, "other"), blob.name),
    "copy onto": lambda bucket, blob: bucket.copy_blob(put(bucket, "other"), bucket, blob.name),
    "compose onto": lambda bucket, blob: blob.compose([put(bucket, "other")]),
}


@pytest.mark.parametrize("way", REMOVING)
@pytest.mark.parametrize("hold", ["temporary_hold", "event_based_hold"])
def test_a_hold_keeps_the_object(server: StrictGcs, bucket: Any, way: str, hold: str) -> None:
    blob = put(bucket, "x")
    setattr(blob, hold, True)
    blob.patch()
    held = server.objects("bkt")["x"]
    with pytest.raises(Forbidden, match="hold"):
        REMOVING[way](bucket, blob)
    assert server.objects("bkt")["x"] == held
    assert "elsewhere" not in server.objects("bkt")
    fresh = bucket.get_blob("x")
    setattr(fresh, hold, False)
    fresh.patch()
    REMOVING[way](bucket, fresh)
    assert server.objects("bkt").get("x") != held


# Not "move onto": there the source is too young to be moved.
@pytest.mark.parametrize("way", [way for way in REMOVING if way != "move onto"])
def test_retention_keeps_the_object_until_it_is_old_enough(server: StrictGcs, way: str) -> None:
    server.create_bucket("kept", retentionPolicy={"retentionPeriod": "100"})
    bucket = server.client().bucket("kept")
    blob = put(bucket, "x")
    assert bucket.get_blob("x").retention_expiration_time is not None
    kept = server.objects("kept")["x"]
    with pytest.raises(Forbidden, match="retention policy"):
        REMOVING[way](bucket, bucket.get_blob("x"))
    assert server.objects("kept")["x"] == kept
    server.shift(101)
    REMOVING[way](bucket, bucket.get_blob(blob.name))
    assert server.objects("kept").get("x") != kept


def test_releasing_an_event_based_hold_starts_retention_anew(server: StrictGcs) -> None:
    server.create_bucket("kept", retentionPolicy={"retentionPeriod": "100"}, defaultEventBasedHold=True)
    bucket = server.client().bucket("kept")
    blob = put(bucket, "x")
    blob.reload()
    assert blob.event_based_hold is True
    server.shift(1000)
    blob.event_based_hold = False
    blob.patch()
    with pytest.raises(Forbidden, match="retention policy"):
        blob.delete()
    server.shift(101)
    blob.delete()
