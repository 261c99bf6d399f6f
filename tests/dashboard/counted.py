"""A store that counts what it is asked, and refuses to be written to: the page only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from poltergust.stores import Blob, Entry, Store


class CountedStore:
    """A store whose calls are counted. Reading only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def list(self, prefix: str, *, suffix: str = "", since: str = "") -> Iterator[Entry]:
        self.calls["list"] += 1
        return self._store.list(prefix, suffix=suffix, since=since)

    def read(self, url: str, *, start: int = 0, limit: int | None = None) -> Blob:
        self.calls["read"] += 1
        return self._store.read(url, start=start, limit=limit)

    def write(self, url: str, data: bytes, *, if_generation: str | None = None) -> Entry:
        raise AssertionError("the page writes nothing")

    def append(self, url: str, data: bytes) -> None:
        raise AssertionError("the page writes nothing")

    def move(self, source: str, generation: str, target: str, *, since: float | None = None) -> bool:
        raise AssertionError("the page writes nothing")

    def delete(self, url: str, *, if_generation: str | None = None) -> None:
        raise AssertionError("the page writes nothing")
