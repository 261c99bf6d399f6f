"""A store in memory: generations and every precondition, the server's own clock, faults on command.

`Bucket` is the storage, `MemoryStore` one node's way to it. The gate of a store is called with every operation before
it happens: it may wait (so that a test decides who comes first), and says what goes wrong with the operation.
Everything happens in one process; each effect is one step.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from poltergust.stores import ABSENT, Blob, Conflict, Denied, Entry, NotFound, Unavailable


class Fault(Enum):
    """What goes wrong with one operation."""

    UNAVAILABLE = "unavailable"  # no effect, and no answer until the store's own retries were spent
    AFTER = "after"  # the effect happened, and still no answer
    LOST = "lost"  # the effect happened, the answer was lost, the store's own retry found out what it could
    DENIED = "denied"  # 403
    DIES = "dies"  # the caller dies before the effect
    DIES_AFTER = "dies-after"  # the caller dies after the effect


class Died(BaseException):
    """The caller's process ended in the middle of a call. Nothing may catch it."""


@dataclass(frozen=True)
class Call:
    """One operation, as a gate sees it."""

    operation: str  # list, read, write, append, move, delete
    url: str
    target: str = ""


@dataclass(frozen=True)
class Version:
    """One object as it stands. `origin` is the generation its bytes were first written as: a move keeps it."""

    data: bytes
    generation: int
    origin: int
    updated: float


class Bucket:
    """The storage itself. `clock` gives its own time, in seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 1_000_000
        self._latest = 0.0
        self.lock = threading.Lock()  # around every effect
        self.objects: dict[str, Version] = {}

    def now(self) -> float:
        """By its own clock; never before what was written last."""
        return max(self._clock(), self._latest)

    def put(self, url: str, data: bytes) -> Version:
        """Create or replace."""
        return self._stand(url, data, None)

    def move(self, source: str, target: str) -> Version:
        """Rename, replacing the target: a new generation of the old origin."""
        old = self.objects.pop(source)
        return self._stand(target, old.data, old.origin)

    def delete(self, url: str) -> None:
        self.objects.pop(url, None)

    def _stand(self, url: str, data: bytes, origin: int | None) -> Version:
        self._last += 1
        self._latest = max(self._clock(), self._latest + 1e-6)  # no two writes at the same moment
        version = Version(data, self._last, self._last if origin is None else origin, self._latest)
        self.objects[url] = version
        return version


def _no_gate(call: Call) -> Fault | None:
    return None


class MemoryStore:
    """`stores.Store` on a bucket, through a gate."""

    def __init__(self, bucket: Bucket, gate: Callable[[Call], Fault | None] = _no_gate) -> None:
        self._bucket = bucket
        self._gate = gate

    def list(self, prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        def entries() -> Iterator[Entry]:
            _before(self._gate(Call("list", prefix)), prefix)
            with self._bucket.lock:
                standing = sorted(self._bucket.objects.items())
            standing = [(url, at) for url, at in standing if url >= since]
            yield from [_entry(url, at) for url, at in standing if url.startswith(prefix) and url.endswith(suffix)]

        return entries()

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        _before(self._gate(Call("read", url)), url)
        version = self._find(url)
        data = version.data[start:] if limit is None else version.data[start : start + limit + 1]
        return Blob(url, data, str(version.generation), version.updated, self._bucket.now())

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        fault = self._gate(Call("write", url))
        _before(fault, url)
        with self._bucket.lock:
            standing = self._bucket.objects.get(url)
            found = ABSENT if standing is None else str(standing.generation)
            if if_generation not in (None, found):
                raise Conflict(f"{url} is another generation now")
            made = self._bucket.put(url, data)
        _after(fault, url)
        return _entry(url, made)

    def append(self, url: str, data: bytes) -> None:
        fault = self._gate(Call("append", url))
        _before(fault, url)
        with self._bucket.lock:
            standing = self._bucket.objects.get(url)
            self._bucket.put(url, (standing.data if standing else b"") + data)
        _after(fault, url)

    def move(self, source: str, generation: str, target: str, *, since: float | None = None) -> bool:
        before = self._bucket.objects.get(target)
        fault = self._gate(Call("move", source, target))
        _before(fault, source)
        with self._bucket.lock:
            # The store asked twice: gone, and a target that was not there before it asked. It, or somebody else?
            standing = self._bucket.objects.get(target)
            newly_made = standing is not None and (standing != before if since is None else standing.updated >= since)
            if fault is Fault.LOST and source not in self._bucket.objects and newly_made:
                return False
            if str(self._find(source).generation) != generation:
                raise Conflict(f"{source} is another generation now")
            self._bucket.move(source, target)
        _after(fault, source)
        return fault is not Fault.LOST

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        fault = self._gate(Call("delete", url))
        _before(fault, url)
        with self._bucket.lock:
            standing = self._bucket.objects.get(url)
            if standing is not None:
                if if_generation not in (None, str(standing.generation)):
                    raise Conflict(f"{url} is another generation now")
                self._bucket.delete(url)
        _after(fault, url)

    def _find(self, url: str) -> Version:
        version = self._bucket.objects.get(url)
        if version is None:
            raise NotFound(f"{url} does not exist")
        return version


def _entry(url: str, version: Version) -> Entry:
    return Entry(url, len(version.data), version.updated, hashlib.sha256(version.data).hexdigest())


def _before(fault: Fault | None, url: str) -> None:
    if fault is Fault.DIES:
        raise Died
    if fault is Fault.DENIED:
        raise Denied(f"{url}: the storage refuses: 403")
    if fault is Fault.UNAVAILABLE:
        raise Unavailable(f"{url}: no good answer from the storage (503)")


def _after(fault: Fault | None, url: str) -> None:
    if fault is Fault.DIES_AFTER:
        raise Died
    if fault is Fault.AFTER:
        raise Unavailable(f"{url}: no good answer from the storage (reset)")
