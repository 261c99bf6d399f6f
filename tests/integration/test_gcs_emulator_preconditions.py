"""Every precondition on every call of the strict server, asked by Google's own client.

With POLTERGUST_TEST_BUCKET set the same table is asked of that live bucket, below a prefix of its own that is removed.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from tests.emulators.gcs import StrictGcs, strict_gcs

CHUNK = 256 * 1024
LIVE = os.environ.get("POLTERGUST_TEST_BUCKET")


@dataclass(frozen=True)
class Place:
    """A bucket to test in, and the prefix that is this test's."""

    bucket: Any
    prefix: str

    def put(self, name: str, data: bytes = b"bytes") -> Any:
        blob = self.blob(name)
        blob.upload_from_string(data)
        return blob

    def blob(self, name: str) -> Any:
        return self.bucket.blob(self.prefix + name)

    def contents(self) -> dict[str, tuple[int, int]]:
        """Generation and metageneration of everything there is."""
        blobs = self.bucket.client.list_blobs(self.bucket.name, prefix=self.prefix)
        return {blob.name: (blob.generation, blob.metageneration) for blob in blobs}


@pytest.fixture(scope="module")
def server() -> Iterator[StrictGcs]:
    with strict_gcs() as running:
        running.create_bucket("bucket-one")
        yield running


@pytest.fixture(params=["strict", "live"] if LIVE else ["strict"])
def place(request: pytest.FixtureRequest, server: StrictGcs) -> Iterator[Place]:
    prefix = f"poltergust-test-{uuid.uuid4().hex}/"
    if request.param == "strict":
        yield Place(server.client().bucket("bucket-one"), prefix)
        return
    from google.cloud import storage

    made = Place(storage.Client().bucket(LIVE), prefix)
    yield made
    for blob in made.bucket.client.list_blobs(LIVE, prefix=prefix):
        blob.delete()


def status(call: Callable[[], object]) -> int:
    """200, or the status that the call was refused with."""
    try:
        call()
    except GoogleAPICallError as error:
        return int(error.code or 0)
    return 200


# Condition, the value asked for ("same": that of the live object), and the answer where a live object stands.
LIVE_OBJECT = [
    ("if_generation_match", "same", 200),
    ("if_generation_match", 12345, 412),
    ("if_generation_match", 0, 412),
    ("if_generation_not_match", "same", 304),
    ("if_generation_not_match", 12345, 200),
    ("if_generation_not_match", 0, 200),
    ("if_metageneration_match", "same", 200),
    ("if_metageneration_match", 77, 412),
    ("if_metageneration_not_match", "same", 304),
    ("if_metageneration_not_match", 77, 200),
]
# The same where no live object stands, for calls that would create it.
NO_OBJECT = [
    ("if_generation_match", 0, 200),
    ("if_generation_match", 12345, 412),
    ("if_generation_not_match", 0, 304),
    ("if_generation_not_match", 12345, 304),
    ("if_metageneration_match", 1, 412),
    ("if_metageneration_not_match", 1, 304),
]


def camel(name: str) -> str:
    """if_generation_match -> ifGenerationMatch"""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def conditions(condition: str, value: object, live: Any) -> dict[str, int]:
    if value != "same":
        assert isinstance(value, int)
        return {condition: value}
    return {condition: live.metageneration if "metageneration" in condition else live.generation}


def upload(place: Place, target: str, **asked: int) -> None:
    place.blob(target).upload_from_string(b"new", retry=None, **asked)


def upload_in_chunks(place: Place, target: str, **asked: int) -> None:
    blob = place.blob(target)
    blob.chunk_size = CHUNK
    blob.upload_from_file(io.BytesIO(b"n" * (CHUNK + 1)), retry=None, **asked)  # of unknown size: resumable


def upload_media(place: Place, target: str, **asked: int) -> None:
    """The plain upload, which the client library does not offer."""
    client = place.bucket.client
    client._connection.api_request(
        "POST",
        f"/b/{place.bucket.name}/o",
        query_params={"uploadType": "media", "name": place.prefix + target, **{camel(k): v for k, v in asked.items()}},
        data=b"new",
        content_type="text/plain",
        api_base_url=f"{client._connection.API_BASE_URL}/upload",
        retry=None,
    )


def rewrite(place: Place, target: str, **asked: int) -> None:
    place.blob(target).rewrite(place.put("source"), retry=None, **asked)


def copy(place: Place, target: str, **asked: int) -> None:
    place.bucket.copy_blob(place.put("source"), place.bucket, place.prefix + target, retry=None, **asked)


def move(place: Place, target: str, **asked: int) -> None:
    place.bucket.move_blob(place.put("source"), place.prefix + target, retry=None, **asked)


def compose(place: Place, target: str, **asked: int) -> None:
    place.blob(target).compose([place.put("source")], retry=None, **asked)


CREATING = [upload, upload_in_chunks, upload_media, rewrite, copy, move, compose]


def has(call: Callable[..., None], condition: str) -> bool:
    """Whether the call has the condition at all, in Google's API and spelt right by the client library."""
    if call is compose:  # https://cloud.google.com/storage/docs/json_api/v1/objects/compose
        return condition in ("if_generation_match", "if_metageneration_match")
    # google-cloud-storage 3.17 writes ifMetaGenerationNotMatch on uploads, which is no parameter of the API.
    return condition != "if_metageneration_not_match" or call not in (upload, upload_in_chunks)


def creating(table: list[tuple[str, Any, int]]) -> list[Any]:
    return [
        pytest.param(call, *row, id=f"{call.__name__}-{row[0]}-{row[1]}")
        for call in CREATING
        for row in table
        if has(call, row[0])
    ]


@pytest.mark.parametrize(("call", "condition", "value", "expected"), creating(LIVE_OBJECT))
def test_condition_on_the_object_that_would_be_replaced(
    place: Place, call: Callable[..., None], condition: str, value: object, expected: int
) -> None:
    live = place.put("target")
    before = place.contents()[live.name]
    asked = conditions(condition, value, live)

    assert status(lambda: call(place, "target", **asked)) == expected

    assert (place.contents()[live.name] == before) is (expected != 200)


@pytest.mark.parametrize(("call", "condition", "value", "expected"), creating(NO_OBJECT))
def test_condition_on_an_object_that_is_not_there_yet(
    place: Place, call: Callable[..., None], condition: str, value: int, expected: int
) -> None:
    assert status(lambda: call(place, "target", **{condition: value})) == expected

    assert (place.prefix + "target" in place.contents()) is (expected == 200)


def read_metadata(blob: Any, **asked: int) -> None:
    blob.reload(retry=None, **asked)


def download(blob: Any, **asked: int) -> None:
    assert blob.download_as_bytes(retry=None, **asked) == b"bytes"


def patch(blob: Any, **asked: int) -> None:
    blob.metadata = {"changed": "yes"}
    blob.patch(retry=None, **asked)


def update(blob: Any, **asked: int) -> None:
    blob.metadata = {"changed": "yes"}
    blob.update(retry=None, **asked)


def delete(blob: Any, **asked: int) -> None:
    blob.delete(retry=None, **asked)


EXISTING = [read_metadata, download, patch, update, delete]


@pytest.mark.parametrize("call", EXISTING, ids=lambda call: call.__name__)
@pytest.mark.parametrize(("condition", "value", "expected"), LIVE_OBJECT)
def test_condition_on_an_object_that_exists(
    place: Place, call: Callable[..., None], condition: str, value: object, expected: int
) -> None:
    live = place.put("target")
    before = place.contents()
    asked = conditions(condition, value, live)

    assert status(lambda: call(place.blob("target"), **asked)) == expected

    changes = expected == 200 and call in (patch, update, delete)
    assert (place.contents() == before) is not changes


@pytest.mark.parametrize("call", EXISTING, ids=lambda call: call.__name__)
@pytest.mark.parametrize(("condition", "value"), [(condition, value) for condition, value, _ in NO_OBJECT])
def test_missing_object_is_404_whatever_the_condition(
    place: Place, call: Callable[..., None], condition: str, value: int
) -> None:
    assert status(lambda: call(place.blob("target"), **{condition: value})) == 404


FROM_SOURCE: dict[str, Callable[..., object]] = {
    "rewrite": lambda place, blob, **asked: place.blob("target").rewrite(blob, retry=None, **asked),
    "copy": lambda place, blob, **asked: place.bucket.copy_blob(
        blob, place.bucket, place.prefix + "target", retry=None, **asked
    ),
    "move": lambda place, blob, **asked: place.bucket.move_blob(blob, place.prefix + "target", retry=None, **asked),
}


@pytest.mark.parametrize("call", FROM_SOURCE)
@pytest.mark.parametrize(("condition", "value", "expected"), LIVE_OBJECT)
def test_condition_on_the_source(place: Place, call: str, condition: str, value: object, expected: int) -> None:
    source = place.put("source")
    before = place.contents()
    asked = conditions(condition.replace("if_", "if_source_", 1), value, source)

    assert status(lambda: FROM_SOURCE[call](place, place.blob("source"), **asked)) == expected

    after = place.contents()
    assert (place.prefix + "target" in after) is (expected == 200)
    assert (place.prefix + "source" in after) is not (expected == 200 and call == "move")
    if expected != 200:
        assert after == before


@pytest.mark.parametrize("call", FROM_SOURCE)
@pytest.mark.parametrize("asked", [{}, {"if_source_generation_match": 12345}, {"if_source_generation_match": 0}])
def test_missing_source_is_404(place: Place, call: str, asked: dict[str, int]) -> None:
    assert status(lambda: FROM_SOURCE[call](place, place.blob("source"), **asked)) == 404


def test_move_with_conditions_on_both_ends(place: Place) -> None:
    source, target = place.put("source", b"ran"), place.put("target", b"older")

    def attempt(source_generation: int, target_generation: int) -> int:
        return status(
            lambda: place.bucket.move_blob(
                place.blob("source"),
                target.name,
                if_source_generation_match=source_generation,
                if_generation_match=target_generation,
            )
        )

    assert attempt(source.generation, 1) == 412
    assert attempt(1, target.generation) == 412
    assert attempt(source.generation, target.generation) == 200
    assert list(place.contents()) == [target.name]
    assert place.blob("target").download_as_bytes() == b"ran"
    assert attempt(source.generation, target.generation) == 404


def test_compose_with_a_condition_on_each_source(place: Place) -> None:
    first, second = place.put("first", b"1"), place.put("second", b"2")

    def attempt(generations: list[int]) -> int:
        sources = [place.blob("first"), place.blob("second")]
        return status(lambda: place.blob("both").compose(sources, if_source_generation_match=generations))

    assert attempt([first.generation, 1]) == 412
    assert attempt([1, second.generation]) == 412
    assert attempt([first.generation, second.generation]) == 200
    assert place.blob("both").download_as_bytes() == b"12"


def test_etag_conditions_of_a_read(place: Place) -> None:
    blob = place.put("target")
    assert status(lambda: blob.reload(if_etag_match=blob.etag)) == 200
    assert status(lambda: blob.reload(if_etag_match="other")) == 412
    assert status(lambda: blob.reload(if_etag_not_match=blob.etag)) == 304
    assert status(lambda: blob.reload(if_etag_not_match="other")) == 200


def test_generation_in_the_call_names_one_generation(place: Place) -> None:
    old = place.put("target", b"old").generation
    new = place.put("target", b"new").generation
    assert new > old
    stale = place.bucket.blob(place.prefix + "target", generation=old)
    assert [status(stale.reload), status(stale.download_as_bytes), status(stale.delete)] == [404, 404, 404]
    place.bucket.blob(place.prefix + "target", generation=new).delete()
    assert place.contents() == {}


def test_a_resumable_upload_is_judged_again_when_it_ends(server: StrictGcs) -> None:
    place = Place(server.client().bucket("bucket-one"), "late/")
    hold = server.hold("uploads.chunk", skip=1)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(status, lambda: upload_in_chunks(place, "target", if_generation_match=0))
        hold.wait_reached()
        winner = place.put("target", b"winner")
        hold.release()
        assert late.result(60) == 412
    assert place.contents() == {winner.name: (winner.generation, 1)}
