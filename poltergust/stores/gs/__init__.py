"""The store on Cloud Storage: six operations over the JSON API, each safe to repeat after a lost answer.

The rename is `objects.move` with a source-generation precondition, one atomic step on the server. Servers that lack
that call get `copying.move_by_copy` instead, which is logged; now and then such a server is asked for the call again.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from poltergust.base.text import shown
from poltergust.base.urls import split_cloud
from poltergust.stores import ABSENT, Blob, Conflict, Denied, Entry, NotFound, StoreError, Unavailable
from poltergust.stores.gs.calls import (
    POLICY,
    TIMEOUT,
    Lost,
    ask,
    check_whole,
    connect,
    listed,
    refuses_call,
    status_error,
    translated,
)
from poltergust.stores.gs.copying import Copier
from poltergust.stores.media_types import content_type

log = logging.getLogger(__name__)

_PAGE = 1000  # the most that one answer holds, https://cloud.google.com/storage/docs/json_api/v1/objects/list
_REMEMBERED = 256
"""Objects that were appended to, whose generation is known."""

_CHUNK = 64 * 1024
_GZIP = b"\x1f\x8b"  # how it begins: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
_PIECE = 4 * 1024 * 1024  # bytes of one append's request; above 8 MiB the client would start a resumable upload
NO_MOVE_SECONDS = 600.0
"""How long objects.move is not tried after a server refused it: one strange answer is no reason to do without it."""

_GLOB = frozenset("*?[]{}\\")


class _Standing(NamedTuple):
    """An object as it stands: a library's object for each of a thousand logs takes 4 MB."""

    generation: int
    size: int


class GsStore:
    """See `poltergust.stores.Store`. Takes a `google.cloud.storage.Client`; `GsStore.connect` makes one."""

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._copier = Copier(client)
        self._moves_from = float("-inf")  # by `clock`: before that, objects.move is not asked for
        self._appended: OrderedDict[str, _Standing] = OrderedDict()  # what our latest appends left, by URL
        self._appended_lock = threading.Lock()

    @classmethod
    def connect(cls) -> GsStore:
        """With application-default credentials or STORAGE_EMULATOR_HOST. Raises `UsageError` without credentials."""
        return cls(connect())

    def close(self) -> None:
        """Close the connections; the store is not used any more."""
        self._client.close()

    def list(self, prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        bucket, start = split_cloud(prefix)
        glob = f"**{suffix}" if suffix and not _GLOB & set(suffix) else None  # "**" crosses slashes
        pages = self._client.list_blobs(
            bucket,
            prefix=start,  # always: an IAM condition on objectListPrefix refuses a listing without it
            start_offset=since and split_cloud(since)[1],
            match_glob=glob,  # only saves traffic: servers that do not know it send all, hence the test below
            fields="items(name,size,updated,md5Hash),nextPageToken",  # else it ends after one page
            page_size=_PAGE,
            timeout=TIMEOUT,
            retry=POLICY,
        )
        with translated(prefix):
            for blob in listed(pages, prefix):
                if blob.name.startswith(start) and blob.name.endswith(suffix):
                    yield _entry(f"gs://{bucket}/{blob.name}", blob)

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        """Content, generation and time come from the one answer, so that they belong together.

        The client library's download hides Last-Modified and cannot stop at a limit, hence the plain request.
        """
        bucket, key = split_cloud(url)
        address = f"{self._client.api_endpoint}/download/storage/v1/b/{quote(bucket)}/o/{quote(key, safe='')}"
        headers = {"Accept-Encoding": "identity"}  # what was uploaded compressed is unpacked by the server
        if start:
            headers["Range"] = f"bytes={start}-"

        def request(*, unpack: bool = True) -> Blob:
            with self._client._http.get(
                address,
                params={"alt": "media"},
                headers=headers,
                stream=True,
                timeout=TIMEOUT,
            ) as answer:
                if answer.status_code == 416:  # it ends before `start`: ask again for what else there is to know
                    return replace(self.read(url, limit=0), data=b"")
                if answer.status_code not in (200, 206):
                    raise status_error(answer)
                generation = answer.headers.get("X-Goog-Generation")
                if not generation:
                    raise Denied(f"{shown(url)}: the server does not say which generation this is (x-goog-generation)")
                now = answer.headers.get("Date")
                changed = answer.headers.get("Last-Modified") or answer.headers["Date"]
                skip = start if answer.status_code == 200 else 0  # a server may send the whole all the same
                chunks = answer.iter_content(_CHUNK) if unpack else answer.raw.stream(_CHUNK, decode_content=False)
                data = _at_most(chunks, None if limit is None else skip + limit)[skip:]
                if start == 0 and (limit is None or len(data) <= limit):
                    check_whole(data, answer.headers, unpacked=unpack)
                written = _written(_seconds(changed), generation)
                return Blob(url, data, generation, written, None if now is None else _seconds(now))

        try:
            return ask(request, url)
        except Unavailable as error:
            if not isinstance(error.__cause__, requests.exceptions.ContentDecodingError):
                raise
            # Bytes changed on the way, or whoever uploaded it said that it is compressed, and it is not.
            stored: Blob = ask(lambda: request(unpack=False), url)
            return ask(request, url) if stored.data.startswith(_GZIP) else stored

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        return _entry(url, self._upload(url, data, if_generation))

    def append(self, url: str, data: bytes) -> None:
        """By upload of the new bytes beside the object (`….part`) and a compose of the two, then the part is removed.

        A part left by a crash is overwritten by the next append and matches no config, record or log. A composite
        object may be appended to without limit (https://cloud.google.com/storage/docs/composite-objects#appends);
        the first append costs one request, each further one three, however long the object is.
        """
        for start in range(0, max(1, len(data)), _PIECE):
            self._append(url, data[start : start + _PIECE])

    def move(self, source: str, generation: str, target: str, *, since: float | None = None) -> bool:
        if self._clock() < self._moves_from:
            return self._copier.move(source, generation, target)
        (bucket_name, old), (target_bucket, new) = split_cloud(source), split_cloud(target)
        if bucket_name != target_bucket:
            raise ValueError(f"a move stays in its bucket: {shown(source)} to {shown(target)}")
        bucket = self._client.bucket(bucket_name)
        before = None if since is not None else self._generation(target)
        lost = Lost()
        try:
            ask(
                lambda: bucket.move_blob(
                    bucket.blob(old), new, if_source_generation_match=int(generation), timeout=TIMEOUT, retry=None
                ),
                source,
                lost,
            )
        except (NotFound, Conflict) as error:
            if isinstance(error, NotFound) and refuses_call(error.__cause__):
                return self._move_without_call(source, generation, target, error)
            standing = self._generation(source)
            if standing == generation:  # the answer was about something else than the source
                raise Denied(f"{shown(source)}: the storage refuses to rename it, and it is unchanged") from error
            if standing is not None:
                raise Conflict(f"{shown(source)} is another generation now") from error
            if lost and self._newly_made(target, since, before):
                return False
            raise NotFound(f"{shown(source)} does not exist") from error
        except (Denied, Unavailable) as error:
            if refuses_call(error.__cause__):
                return self._move_without_call(source, generation, target, error)
            raise
        return True

    def _newly_made(self, url: str, since: float | None, before: str | None) -> bool:
        found = self._look(url)
        if found is None:
            return False
        return str(found.generation) != before if since is None else found.updated.timestamp() >= since

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        condition = None if if_generation is None else int(if_generation)
        try:
            ask(lambda: self._blob(url).delete(if_generation_match=condition, timeout=TIMEOUT, retry=None), url)
        except NotFound:
            return  # somebody was quicker, or our own lost answer was
        except Conflict:
            if self._generation(url) is not None:
                raise

    def _move_without_call(self, source: str, generation: str, target: str, why: Exception) -> bool:
        moved = self._copier.move(source, generation, target)
        first = self._moves_from == float("-inf")
        # Only now: a server that refuses the copy as well refused something else.
        self._moves_from = self._clock() + NO_MOVE_SECONDS
        log.log(
            logging.WARNING if first else logging.DEBUG,
            "this storage server does not know objects.move (%s); renaming by conditional copy and delete",
            why,
        )
        return moved

    def _upload(self, url: str, data: bytes, if_generation: str | None) -> Any:
        condition = None if if_generation is None else int(if_generation)
        lost = Lost()

        def request() -> Any:
            blob = self._blob(url)
            blob.upload_from_string(data, content_type(url), if_generation_match=condition, timeout=TIMEOUT, retry=None)
            return blob

        try:
            return ask(request, url, lost)
        except Conflict:
            standing = self._look(url) if lost else None
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            if standing is not None and standing.md5_hash == digest:
                return standing  # these very bytes arrived with the answer that was lost
            raise

    def _append(self, url: str, piece: bytes) -> None:
        with self._appended_lock:
            standing = self._appended.pop(url, None)
        for _ in range(4):  # one writer per object, but somebody may delete it between our requests
            try:
                if standing is None:
                    standing = _standing(self._upload(url, piece, ABSENT))
                elif piece:
                    standing = self._compose(url, standing, piece)
            except (Conflict, NotFound):
                found = self._look(url)
                standing = None if found is None else _standing(found)
                continue
            with self._appended_lock:
                self._appended[url] = standing
                while len(self._appended) > _REMEMBERED:
                    self._appended.popitem(last=False)
            return
        raise Unavailable(f"{shown(url)} changes while it is appended to")

    def _compose(self, url: str, standing: _Standing, piece: bytes) -> _Standing:
        """The object as it stands then."""
        part_url = f"{url}.part"
        part = self._upload(part_url, piece, None)
        lost = Lost()

        def request() -> _Standing:
            whole = self._blob(url)
            whole.content_type = content_type(url)
            whole.compose(
                [self._blob(url), part],
                if_generation_match=standing.generation,
                if_source_generation_match=[standing.generation, part.generation],
                timeout=TIMEOUT,
                retry=None,
            )
            return _standing(whole)

        try:
            return ask(request, url, lost)
        except (Conflict, NotFound):  # 404: the generation to append to was replaced, perhaps by the lost answer's
            now = self._look(url) if lost else None
            if now is None or now.size != standing.size + len(piece):
                raise
            return _standing(now)
        finally:
            try:
                self.delete(part_url, if_generation=str(part.generation))
            except StoreError as error:  # the append has happened or not whatever becomes of its part
                log.info("%s stays until the next append: %s", shown(part_url), error)

    def _blob(self, url: str) -> Any:
        bucket, key = split_cloud(url)
        return self._client.bucket(bucket).blob(key)

    def _look(self, url: str) -> Any:
        """The object's metadata, None if it is not there."""
        bucket, key = split_cloud(url)
        return ask(lambda: self._client.bucket(bucket).get_blob(key, timeout=TIMEOUT, retry=None), url)

    def _generation(self, url: str) -> str | None:
        found = self._look(url)
        return None if found is None else str(found.generation)


def _standing(blob: Any) -> _Standing:
    return _Standing(int(blob.generation), int(blob.size))


def _entry(url: str, blob: Any) -> Entry:
    return Entry(url, int(blob.size or 0), blob.updated.timestamp(), blob.md5_hash or "")


def _seconds(header: str) -> float:
    return parsedate_to_datetime(header).timestamp()


def _written(second: float, generation: str) -> float:
    """When, to the microsecond: Cloud Storage's generations count them, and its header has whole seconds, in which one
    object may be older than another. The `second` alone where the generation is not of it."""
    exact = int(generation) / 1e6 if generation.isdecimal() else 0.0
    return exact if second <= exact < second + 1.0 else second


def _at_most(chunks: Iterable[bytes], limit: int | None) -> bytes:
    """All bytes, or the first `limit` + 1."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if limit is not None and len(data) > limit:
            return bytes(data[: limit + 1])
    return bytes(data)
