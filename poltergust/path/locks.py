"""Where the nodes of a path agree on exact versions: one object per environment lock, beside the path."""

from __future__ import annotations

import contextlib

from poltergust.path.background import Background, Begun
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Blob, Conflict

MAX_LOCK_BYTES = 16 * 1024 * 1024
"""A larger object is no lock of ours."""


class StoreLocks:
    """`environments.Locks` on a store: who creates the object first decides for everybody. A damaged one (no text, or
    far too large) is as good as missing, and replaced."""

    def __init__(self, at: StoredPath, background: Background) -> None:
        self._at = at
        self._background = background
        self._store = at.store
        self._path = at.path

    def begin(self, key: str) -> Begun[str | None]:
        """`get`, begun."""
        return self._background.begin(self._path.lock(key), lambda: self.get(key))

    def get(self, key: str) -> str | None:
        published = self._read(key)
        return None if published is None else _text(published)

    def publish(self, key: str, text: str) -> str:
        url = self._path.lock(key)
        with contextlib.suppress(Conflict):
            self._store.write(url, text.encode(), if_generation=ABSENT)
            return text
        published = self._read(key)
        if published is None:
            # Removed again in between (all of it may be deleted at any time): ours is as good as any.
            return text
        agreed = _text(published)
        if agreed is not None:
            return agreed
        with contextlib.suppress(Conflict):
            self._store.write(url, text.encode(), if_generation=published.generation)
            return text
        return self.get(key) or text

    def replace(self, key: str, text: str) -> None:
        self._store.write(self._path.lock(key), text.encode())

    def _read(self, key: str) -> Blob | None:
        return self._at.read(self._path.lock(key), limit=MAX_LOCK_BYTES)


class BegunLocks:
    """The locks of a path for one attempt: the one that is likely to be wanted is being read already."""

    def __init__(self, locks: StoreLocks, key: str) -> None:
        self._locks = locks
        self._key = key
        self._begun: Begun[str | None] | None = locks.begin(key)

    def get(self, key: str) -> str | None:
        begun, self._begun = self._begun, None  # whoever asks again wants to know what stands there by then
        return self._locks.get(key) if begun is None or key != self._key else begun.result()

    def publish(self, key: str, text: str) -> str:
        return self._locks.publish(key, text)

    def replace(self, key: str, text: str) -> None:
        self._locks.replace(key, text)


def _text(blob: Blob) -> str | None:
    if len(blob.data) > MAX_LOCK_BYTES:
        return None
    try:
        return blob.data.decode()
    except UnicodeDecodeError:
        return None
