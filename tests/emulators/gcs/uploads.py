"""The three ways to upload: media only, multipart, and resumable in chunks.

https://cloud.google.com/storage/docs/uploads-downloads
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.emulators.gcs.errors import ApiError, invalid
from tests.emulators.gcs.exchange import Request, Response, parse_json
from tests.emulators.gcs.model import Json, StoredObject, crc32c_of, md5_of
from tests.emulators.gcs.objects_api import ObjectsApi
from tests.emulators.gcs.preconditions import TARGET, Preconditions, refuse_unknown
from tests.emulators.gcs.state import State

CHUNK = 256 * 1024
"""Every chunk but the last is a multiple of it; what is beyond a multiple is not kept."""

_BOUNDARY = re.compile(r"""boundary=(?:"([^"]+)"|'([^']+)'|([^;\s]+))""")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class _Session:
    """A resumable upload under way. The preconditions are those of the request that began it."""

    bucket: str
    name: str
    resource: Json
    conditions: Preconditions
    hashes: Mapping[str, str]
    data: bytearray = field(default_factory=bytearray)
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: StoredObject | None = None


class Uploads:
    """Uploads of every kind; sessions end when they are complete, cancelled, or the server is reset."""

    def __init__(self, state: State, objects: ObjectsApi) -> None:
        self._state = state
        self._objects = objects
        self._sessions: dict[str, _Session] = {}
        self._ids = itertools.count(1)

    def clear(self) -> None:
        self._sessions.clear()

    def insert(self, request: Request, bucket: str) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/insert"""
        refuse_unknown(request.query, TARGET)
        kind = request.query.get("uploadType")
        if kind == "resumable":
            return self._begin(request, bucket)
        if kind == "multipart":
            resource, content_type, data = split_multipart(request)
        elif kind == "media":
            resource, content_type, data = {}, request.headers.get("content-type"), request.body
        else:
            raise invalid(f"Invalid value for uploadType: {kind!r}; media, multipart or resumable was expected.")
        if content_type:
            resource.setdefault("contentType", content_type)
        _verify(data, {**resource, **_hash_header(request.headers)})
        name = str(request.query.get("name") or resource.get("name") or "")
        made = self._state.insert(bucket, name, data, resource, Preconditions.of(request.query))
        return self._made(request, made)

    def name_of(self, request: Request) -> str:
        """The object that an upload request is about, empty where it does not say."""
        session = self._sessions.get(request.query.get("upload_id", ""))
        if session is not None:
            return session.name
        if "name" in request.query:
            return request.query["name"]
        kind = request.query.get("uploadType")
        try:
            resource = (
                split_multipart(request)[0] if kind == "multipart" else request.json() if kind == "resumable" else {}
            )
        except ApiError:
            return ""
        return str(resource.get("name", ""))

    def _begin(self, request: Request, bucket: str) -> Response:
        resource = request.json()
        name = str(request.query.get("name") or resource.get("name") or "")
        if content_type := request.headers.get("x-upload-content-type"):
            resource.setdefault("contentType", content_type)
        conditions = Preconditions.of(request.query)
        self._state.check_insert(bucket, name, conditions)
        hashes = _hash_header(request.headers)
        hashes |= {key: str(resource[key]) for key in ("md5Hash", "crc32c") if key in resource}
        key = f"upload-{next(self._ids)}"
        self._sessions[key] = _Session(bucket, name, resource, conditions, hashes)
        where = f"{request.base}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
        return Response(headers={"Location": where, "X-GUploader-UploadID": key})

    def chunk(self, request: Request, bucket: str) -> Response:
        """The next bytes, or a question how many have arrived (`Content-Range: bytes */…`)."""
        session = self._session(request)
        header = request.headers.get("content-range")
        match = _CONTENT_RANGE.fullmatch(header) if header else None
        if header and match is None:
            raise invalid(f"Invalid Content-Range: {header!r}")
        with session.lock:
            if session.made is not None:
                return self._made(request, session.made)
            if match is None:
                return self._receive(request, session, 0, len(request.body))
            total = None if match[3] == "*" else int(match[3])
            if match[1] is not None:
                return self._receive(request, session, int(match[1]), total)
            if total is not None and total == len(session.data):
                return self._finish(request, session)
            return _incomplete(session)

    def _receive(self, request: Request, session: _Session, first: int, total: int | None) -> Response:
        if first > len(session.data):
            raise ApiError(503, f"Bytes from {len(session.data)} on are missing: ask for the status, send them again.")
        fresh = request.body[len(session.data) - first :]
        if total is not None and len(session.data) + len(fresh) >= total:
            session.data += fresh
            if len(session.data) != total:
                raise invalid(f"{len(session.data)} bytes arrived, {total} were announced.")
            return self._finish(request, session)
        session.data += fresh[: (len(session.data) + len(fresh)) // CHUNK * CHUNK - len(session.data)]
        return _incomplete(session)

    def _finish(self, request: Request, session: _Session) -> Response:
        data = bytes(session.data)
        _verify(data, {**session.hashes, **_hash_header(request.headers)})
        session.made = self._state.insert(session.bucket, session.name, data, session.resource, session.conditions)
        session.data.clear()
        return self._made(request, session.made)

    def cancel(self, request: Request, bucket: str) -> Response:
        """https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload answers 499."""
        self._session(request)
        del self._sessions[request.query["upload_id"]]
        return Response(499)

    def _session(self, request: Request) -> _Session:
        session = self._sessions.get(request.query.get("upload_id", ""))
        if session is None:
            raise ApiError(404, "The upload session does not exist or has ended.")
        return session

    def _made(self, request: Request, made: StoredObject) -> Response:
        return Response(resource=self._objects.resource(request, made))


def _incomplete(session: _Session) -> Response:
    headers = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
    return Response(308, headers=headers)


def _hash_header(headers: Mapping[str, str]) -> dict[str, str]:
    """`x-goog-hash: crc32c=…,md5=…`, https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash"""
    names = {"crc32c": "crc32c", "md5": "md5Hash"}
    given = (part.strip().partition("=") for part in headers.get("x-goog-hash", "").split(",") if part.strip())
    return {names[key]: value for key, _, value in given if key in names}


def _verify(data: bytes, given: Mapping[str, object]) -> None:
    """https://cloud.google.com/storage/docs/data-validation#server-side_validation"""
    for key, computed in (("md5Hash", md5_of(data)), ("crc32c", crc32c_of(data))):
        if given.get(key) is not None and given[key] != computed:
            kind = "MD5 hash" if key == "md5Hash" else "CRC32C"
            raise invalid(f'Provided {kind} "{given[key]}" doesn\'t match calculated {kind} "{computed}".')


def split_multipart(request: Request) -> tuple[Json, str | None, bytes]:
    """Metadata, the media's content type, and the media, of a multipart/related body.

    Read by hand rather than with `email`, which would touch the line ends of the media. gsutil and gcloud end lines
    with LF alone and put the boundary in single quotes; both are accepted.
    """
    match = _BOUNDARY.search(request.headers.get("content-type", ""))
    if match is None:
        raise invalid("A multipart upload needs a boundary in its Content-Type.")
    mark = b"--" + (match[1] or match[2] or match[3]).encode()
    pieces = request.body.split(mark)
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise invalid("A multipart upload has two parts: the metadata and the media.")
    end = b"\r\n" if pieces[1].startswith(b"\r\n") else b"\n"
    _, metadata = _part(pieces[1], end)
    headers, data = _part(pieces[2], end)
    return parse_json(metadata), headers.get("content-type"), data


def _part(piece: bytes, end: bytes) -> tuple[dict[str, str], bytes]:
    head, separator, body = piece[len(end) :].partition(end + end)
    if not separator or not body.endswith(end):
        raise invalid("A part of the multipart body is cut short.")
    lines = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}, body[: -len(end)]
