"""A watched path with the store it lies in, and who works on it: what every part of this room is made of."""

from __future__ import annotations

from dataclasses import dataclass

from poltergust.path.layout import WatchedPath
from poltergust.stores import Blob, NotFound, Store


@dataclass(frozen=True)
class StoredPath:
    """`store` is the one for `path.root`. `node` is this node's name; for a person's command, who gives it.

    `instance` tells this agent, or this command, from every other one of the same name: an agent that was started again
    is another instance. Reading needs neither, and they may be empty then.
    """

    store: Store
    path: WatchedPath
    node: str = ""
    instance: str = ""

    def read(self, url: str, *, limit: int | None = None) -> Blob | None:
        """The object, with at most `limit` + 1 of its bytes; None where there is none (any more).

        Raises what the store raises but `NotFound`.
        """
        try:
            return self.store.read(url, limit=limit)
        except NotFound:
            return None
