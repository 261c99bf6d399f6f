"""Everything the server knows, under one lock: each method is one linearizable operation.

Reads and writes are strongly consistent, https://cloud.google.com/storage/docs/consistency. The order of checks in each
operation: does what must exist exist (404), do the preconditions hold (412, 304), may what would go be removed (403).
Object Versioning and soft delete are not kept: what is replaced or deleted is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.emulators.gcs import guards, resources
from tests.emulators.gcs.errors import ApiError, invalid, no_bucket, no_object
from tests.emulators.gcs.model import (
    Bucket,
    Event,
    Json,
    StoredObject,
    check_bucket_name,
    check_object_name,
    crc32c_of,
    md5_of,
    writable,
)
from tests.emulators.gcs.preconditions import NONE, Preconditions

MAX_COMPONENTS = 32  # of one compose call, https://cloud.google.com/storage/docs/json_api/v1/objects/compose


@dataclass(frozen=True)
class Component:
    """One source of a compose call."""

    name: str
    generation: int | None = None
    if_generation: int | None = None


class State:
    """Buckets and objects. `clock` gives seconds since the epoch; `emit` is told of each change, under the lock."""

    def __init__(self, clock: Callable[[], float], emit: Callable[[Bucket, Event], None]) -> None:
        self._clock = clock
        self._emit = emit
        self._lock = threading.RLock()
        self._last = 0
        self.buckets: dict[str, Bucket] = {}
        self.write_interval = 0.0
        """Seconds that must lie between two writes of one object; 0 for no limit."""

    @contextmanager
    def bucket(self, name: str) -> Iterator[Bucket]:
        """The bucket, with nobody else reading or changing anything meanwhile."""
        with self._lock:
            if name not in self.buckets:
                raise no_bucket()
            yield self.buckets[name]

    def clear(self) -> None:
        with self._lock:
            self.buckets.clear()
            self.write_interval = 0.0

    def add_bucket(
        self, name: str, project: str = "test-project", settings: Mapping[str, object] | None = None
    ) -> Bucket:
        with self._lock:
            if check_bucket_name(name) in self.buckets:
                raise ApiError(
                    409, "Your previous request to create the named bucket succeeded and you already own it."
                )
            now = self._clock()
            self.buckets[name] = Bucket(name, project, now, now, settings=dict(settings or {}))
            return self.buckets[name]

    def remove_bucket(self, name: str) -> None:
        with self.bucket(name) as bucket:
            if bucket.objects:
                raise ApiError(409, "The bucket you tried to delete is not empty.")
            del self.buckets[name]

    def get(
        self, bucket_name: str, name: str, *, generation: int | None = None, conditions: Preconditions = NONE
    ) -> StoredObject:
        with self.bucket(bucket_name) as bucket:
            found = _existing(bucket, name, generation)
            conditions.check(found)
            return found

    def insert(
        self,
        bucket_name: str,
        name: str,
        data: bytes,
        resource: Mapping[str, object] | None = None,
        conditions: Preconditions = NONE,
    ) -> StoredObject:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/insert"""
        with self.bucket(bucket_name) as bucket:
            check_object_name(name)
            conditions.check(bucket.objects.get(name))
            return self._store(bucket, name, data, writable(resource or {}))

    def check_insert(self, bucket_name: str, name: str, conditions: Preconditions) -> None:
        """What an upload in parts can already be refused for when it begins."""
        with self.bucket(bucket_name) as bucket:
            check_object_name(name)
            conditions.check(bucket.objects.get(name))

    def delete(
        self, bucket_name: str, name: str, *, generation: int | None = None, conditions: Preconditions = NONE
    ) -> None:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/delete"""
        with self.bucket(bucket_name) as bucket:
            found = _existing(bucket, name, generation)
            conditions.check(found)
            guards.removable(bucket, found, self._clock())
            del bucket.objects[name]
            self._emit(bucket, Event("OBJECT_DELETE", found, self._clock()))

    def patch(
        self,
        bucket_name: str,
        name: str,
        changes: Mapping[str, object],
        *,
        whole: bool = False,
        generation: int | None = None,
        conditions: Preconditions = NONE,
    ) -> StoredObject:
        """Change metadata; with `whole` what is not named is reset (update instead of patch).

        https://cloud.google.com/storage/docs/json_api/v1/objects/patch: the metageneration grows by one, the generation
        stays. Releasing an event-based hold starts the retention period again:
        https://cloud.google.com/storage/docs/object-holds
        """
        with self.bucket(bucket_name) as bucket:
            found = _existing(bucket, name, generation)
            conditions.check(found)
            properties = writable(changes if whole else resources.merged(found.properties, changes))
            now = self._clock()
            guards.not_too_soon(found, now, self.write_interval)
            released = found.properties.get("eventBasedHold") is True and properties.get("eventBasedHold") is not True
            changed = replace(
                found,
                properties=properties,
                metageneration=found.metageneration + 1,
                updated=now,
                retained_from=now if released else found.retained_from,
            )
            bucket.objects[name] = changed
            self._emit(bucket, Event("OBJECT_METADATA_UPDATE", changed, now))
            return changed

    def copy(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        *,
        resource: Mapping[str, object] | None = None,
        generation: int | None = None,
        source_conditions: Preconditions = NONE,
        conditions: Preconditions = NONE,
    ) -> StoredObject:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/copy; metadata given replaces the source's."""
        with self.bucket(source[0]) as from_bucket, self.bucket(target[0]) as to_bucket:
            found = _existing(from_bucket, source[1], generation)
            check_object_name(target[1])
            source_conditions.check(found)
            conditions.check(to_bucket.objects.get(target[1]))
            given = writable(resource or {})
            # A hold belongs to the object, not to its copies: https://cloud.google.com/storage/docs/object-holds
            inherited = {k: v for k, v in found.properties.items() if k not in ("temporaryHold", "eventBasedHold")}
            return self._store(to_bucket, target[1], found.data, given or inherited, found)

    def move(
        self,
        bucket_name: str,
        source: str,
        target: str,
        *,
        source_conditions: Preconditions = NONE,
        conditions: Preconditions = NONE,
    ) -> StoredObject:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/move

        One transaction: the source is deleted and the target made with the same data and metadata, a new generation,
        metageneration 1 and new times, replacing what stood there. Both changes are told (DELETE and FINALIZE).
        """
        with self.bucket(bucket_name) as bucket:
            if source == target:
                raise invalid("The source and destination object names must be different.")
            check_object_name(target)
            found = _existing(bucket, source, None)
            source_conditions.check(found)
            conditions.check(bucket.objects.get(target))
            guards.removable(bucket, found, self._clock())
            made = self._store(bucket, target, found.data, dict(found.properties), found)
            del bucket.objects[source]
            self._emit(bucket, Event("OBJECT_DELETE", found, self._clock()))
            return made

    def compose(
        self,
        bucket_name: str,
        target: str,
        sources: Sequence[Component],
        resource: Mapping[str, object],
        conditions: Preconditions = NONE,
    ) -> StoredObject:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/compose"""
        with self.bucket(bucket_name) as bucket:
            check_object_name(target)
            if not sources:
                raise invalid("You must provide at least one source component.")
            if len(sources) > MAX_COMPONENTS:
                raise invalid(f"The number of source components provided ({len(sources)}) exceeds {MAX_COMPONENTS}.")
            parts = []
            for source in sources:
                part = _existing(bucket, source.name, source.generation)
                Preconditions(generation=source.if_generation).check(part)
                parts.append(part)
            conditions.check(bucket.objects.get(target))
            data = b"".join(part.data for part in parts)
            count = sum(part.components or 1 for part in parts)
            return self._store(bucket, target, data, writable(resource), components=count)

    def _store(
        self,
        bucket: Bucket,
        name: str,
        data: bytes,
        properties: Json,
        like: StoredObject | None = None,
        components: int | None = None,
    ) -> StoredObject:
        """Put a new generation in place; its checksums are those of `like` where the bytes are."""
        old = bucket.objects.get(name)
        now = self._clock()
        if old is not None:
            guards.not_too_soon(old, now, self.write_interval)
            guards.removable(bucket, old, now)
        if bucket.settings.get("defaultEventBasedHold") is True:
            properties.setdefault("eventBasedHold", True)
        # Generations are microseconds by the server's clock and never repeat or go back, even if the clock does:
        # https://cloud.google.com/storage/docs/metadata#generation-number promises only that they increase.
        self._last = max(self._last + 1, int(now * 1_000_000))
        made = StoredObject(
            bucket.name,
            name,
            data,
            generation=self._last,
            metageneration=1,
            created=now,
            updated=now,
            retained_from=now,
            properties=properties,
            crc32c=like.crc32c if like else crc32c_of(data),
            md5=like.md5 if like else None if components else md5_of(data),
            components=like.components if like else components,
        )
        bucket.objects[name] = made
        self._emit(bucket, Event("OBJECT_FINALIZE", made, now, overwrote=old.generation if old else None))
        if old is not None:
            self._emit(bucket, Event("OBJECT_DELETE", old, now, overwritten_by=made.generation))
        return made


def _existing(bucket: Bucket, name: str, generation: int | None) -> StoredObject:
    """The live object, or 404: missing, or no longer of the generation that the call names."""
    found = bucket.objects.get(name)
    if found is None or generation not in (None, found.generation):
        raise no_object(bucket.name, name)
    return found
