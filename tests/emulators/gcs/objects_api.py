"""The calls on objects: from a request to the state and back. https://cloud.google.com/storage/docs/json_api/v1/objects"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate

from tests.emulators.gcs import listing, resources
from tests.emulators.gcs.errors import ApiError, invalid
from tests.emulators.gcs.exchange import Request, Response
from tests.emulators.gcs.model import Json, StoredObject
from tests.emulators.gcs.preconditions import SOURCE, TARGET, Preconditions, number, refuse_unknown
from tests.emulators.gcs.state import Component, State

_MEBIBYTE = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ObjectsApi:
    """One method a call; each takes the request and the names in its path."""

    def __init__(self, state: State) -> None:
        self._state = state

    def resource(self, request: Request, found: StoredObject) -> Json:
        with self._state.bucket(found.bucket) as bucket:
            return resources.object_resource(found, request.base, bucket.retention)

    def get(self, request: Request, bucket: str, name: str) -> Response:
        refuse_unknown(request.query, TARGET)
        found = self._state.get(
            bucket, name, generation=number(request.query, "generation"), conditions=Preconditions.of(request.query)
        )
        tag = resources.etag(found.generation, found.metageneration)
        _check_etag(request.headers, tag)
        if request.query.get("alt") == "media":
            return media(request, found)
        return Response(resource=self.resource(request, found), headers={"ETag": tag})

    def list(self, request: Request, bucket_name: str) -> Response:
        with self._state.bucket(bucket_name) as bucket:
            # Nothing that was deleted is kept, so a listing with versions=true is that of the live objects.
            deleted = request.query.get("softDeleted") == "true"
            found = listing.page(() if deleted else bucket.objects.values(), request.query)
        made: Json = {"kind": "storage#objects"}
        if found.token is not None:
            made["nextPageToken"] = found.token
        if found.prefixes:
            made["prefixes"] = found.prefixes
        if found.objects:
            made["items"] = [self.resource(request, each) for each in found.objects]
        return Response(resource=made)

    def delete(self, request: Request, bucket: str, name: str) -> Response:
        refuse_unknown(request.query, TARGET)
        self._state.delete(
            bucket, name, generation=number(request.query, "generation"), conditions=Preconditions.of(request.query)
        )
        return Response(204)

    def patch(self, request: Request, bucket: str, name: str) -> Response:
        return self._change(request, bucket, name, whole=False)

    def update(self, request: Request, bucket: str, name: str) -> Response:
        return self._change(request, bucket, name, whole=True)

    def _change(self, request: Request, bucket: str, name: str, *, whole: bool) -> Response:
        refuse_unknown(request.query, TARGET)
        changed = self._state.patch(
            bucket,
            name,
            request.json(),
            whole=whole,
            generation=number(request.query, "generation"),
            conditions=Preconditions.of(request.query),
        )
        return Response(resource=self.resource(request, changed))

    def copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        return Response(resource=self.resource(request, self._copy(request, bucket, name, to_bucket, to_name)))

    def _copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> StoredObject:
        refuse_unknown(request.query, TARGET + SOURCE)
        return self._state.copy(
            (bucket, name),
            (to_bucket, to_name),
            resource=request.json(),
            generation=number(request.query, "sourceGeneration"),
            source_conditions=Preconditions.of(request.query, source=True),
            conditions=Preconditions.of(request.query),
        )

    def rewrite(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite

        With maxBytesRewrittenPerCall (a multiple of 1 MiB) a large object takes several calls, tied together by
        rewriteToken; the token holds for one generation of the source only. Preconditions count in each call.
        """
        refuse_unknown(request.query, TARGET + SOURCE)
        found = self._state.get(bucket, name, generation=number(request.query, "sourceGeneration"))
        size, done = len(found.data), 0
        token = request.query.get("rewriteToken")
        if token is not None:
            match = re.fullmatch(r"(\d+)-(\d+)", token)
            if match is None or int(match[1]) != found.generation:
                raise invalid("Invalid rewrite token.")
            done = int(match[2])
        step = number(request.query, "maxBytesRewrittenPerCall")
        if step is not None and (step <= 0 or step % _MEBIBYTE):
            raise invalid("maxBytesRewrittenPerCall must be a positive multiple of 1048576.")
        done = size if step is None else min(size, done + step)
        made: Json = {"kind": "storage#rewriteResponse", "objectSize": str(size), "totalBytesRewritten": str(done)}
        if done < size:
            Preconditions.of(request.query, source=True).check(found)
            self._state.check_insert(to_bucket, to_name, Preconditions.of(request.query))
            return Response(resource={**made, "done": False, "rewriteToken": f"{found.generation}-{done}"})
        copied = self._copy(request, bucket, name, to_bucket, to_name)
        return Response(resource={**made, "done": True, "resource": self.resource(request, copied)})

    def move(self, request: Request, bucket: str, source: str, target: str) -> Response:
        refuse_unknown(request.query, TARGET + SOURCE)
        moved = self._state.move(
            bucket,
            source,
            target,
            source_conditions=Preconditions.of(request.query, source=True),
            conditions=Preconditions.of(request.query),
        )
        return Response(resource=self.resource(request, moved))

    def compose(self, request: Request, bucket: str, name: str) -> Response:
        refuse_unknown(request.query, ("ifGenerationMatch", "ifMetagenerationMatch"))
        body = request.json()
        listed = body.get("sourceObjects")
        if not isinstance(listed, list):
            raise invalid("You must provide at least one source component.")
        destination = body.get("destination")
        composed = self._state.compose(
            bucket,
            name,
            [_component(each) for each in listed],
            destination if isinstance(destination, dict) else {},
            Preconditions.of(request.query),
        )
        return Response(resource=self.resource(request, composed))


def _component(given: object) -> Component:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise invalid("A source component must have a name.")
    conditions = given.get("objectPreconditions") or {}
    generation, wanted = given.get("generation"), conditions.get("ifGenerationMatch")
    return Component(
        given["name"],
        None if generation is None else int(generation),
        None if wanted is None else int(wanted),
    )


def _check_etag(headers: Mapping[str, str], tag: str) -> None:
    """If-Match and If-None-Match, https://cloud.google.com/storage/docs/request-preconditions#precondition_criteria"""
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and tag not in _tags(wanted):
        raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
    if unwanted is not None and tag in _tags(unwanted):
        raise ApiError(304, "Not Modified")


def _tags(header: str) -> set[str]:
    return {each.strip().strip('"') for each in header.split(",")}


def media(request: Request, found: StoredObject) -> Response:
    """The bytes, or a range of them, with the headers of https://cloud.google.com/storage/docs/xml-api/reference-headers"""
    hashes = f"crc32c={found.crc32c}" + (f",md5={found.md5}" if found.md5 else "")
    headers = {
        "Content-Type": str(found.properties.get("contentType", "application/octet-stream")),
        "ETag": resources.etag(found.generation, found.metageneration),
        "Last-Modified": formatdate(found.updated, usegmt=True),
        "Accept-Ranges": "bytes",
        "x-goog-generation": str(found.generation),
        "x-goog-metageneration": str(found.metageneration),
        "x-goog-hash": hashes,
        "x-goog-storage-class": "STANDARD",
        "x-goog-stored-content-encoding": str(found.properties.get("contentEncoding", "identity")),
        "x-goog-stored-content-length": str(len(found.data)),
    }
    for key, header in (
        ("cacheControl", "Cache-Control"),
        ("contentDisposition", "Content-Disposition"),
        ("contentEncoding", "Content-Encoding"),
        ("contentLanguage", "Content-Language"),
    ):
        if key in found.properties:
            headers[header] = str(found.properties[key])
    span = _span(request.headers.get("range"), len(found.data))
    if span is None:
        return Response(body=found.data, headers=headers)
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{len(found.data)}"
    return Response(206, body=found.data[first : last + 1], headers=headers)


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header, None for the whole; 416 where it begins behind the end.

    https://cloud.google.com/storage/docs/xml-api/reference-headers#range; a header that is no single range is ignored.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    if first >= size or first > last:
        raise ApiError(416, "The requested range cannot be satisfied.")
    return first, last
