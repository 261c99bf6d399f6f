"""Where the nodes of a path agree on exact versions: one object per environment lock, beside the path."""

from __future__ import annotations

from poltergust.names import Path
from poltergust.stores import ABSENT, Conflict, NotFound, Store


class StoreLocks:
    """`environments.Locks` on a store: who creates the object first decides for everybody."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    def get(self, key: str) -> str | None:
        try:
            return self._store.read(self._path.lock(key)).data.decode()
        except NotFound:
            return None

    def publish(self, key: str, text: str) -> str:
        try:
            self._store.write(self._path.lock(key), text.encode(), if_generation=ABSENT)
            return text
        except Conflict:
            # Removed again in between (all of it may be deleted at any time): ours is as good as any.
            return self.get(key) or text

    def replace(self, key: str, text: str) -> None:
        self._store.write(self._path.lock(key), text.encode())
