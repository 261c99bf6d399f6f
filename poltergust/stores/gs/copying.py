"""The rename where a server lacks objects.move: a conditional copy, then a conditional delete of the source.

Who deletes the source has renamed it. A crash between the two leaves both objects; the next node simply does the same
again. The copy is not taken back by who comes second: it may be, or have replaced, the very outcome of who came first.
So two nodes that reach different outcomes at the same moment may leave both, on such a server only; it is decided
again when the outcomes are next looked at, and nothing is lost. Cloud Storage itself has the call.
"""

from __future__ import annotations

from typing import Any

from poltergust.base.text import shown
from poltergust.stores import Conflict, NotFound
from poltergust.stores.gs.calls import TIMEOUT, Lost, ask


class Copier:
    """Moves by copy and delete; takes a `google.cloud.storage.Client`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def move(self, source: str, generation: str, target: str) -> bool:
        """As `Store.move`, in several requests."""
        old, new = self._blob(source), self._blob(target)
        before = self._generation(new, target)
        self._check(old, source, generation)  # for servers that take a precondition on a copy and ignore it
        ask(
            lambda: old.bucket.copy_blob(
                old, new.bucket, new.name, if_source_generation_match=int(generation), timeout=TIMEOUT, retry=None
            ),
            source,
        )
        lost = Lost()
        try:
            ask(lambda: old.delete(if_generation_match=int(generation), timeout=TIMEOUT, retry=None), source, lost)
        except (NotFound, Conflict):
            standing = self._generation(old, source)
            if standing is None and lost and self._generation(new, target) not in (None, before):
                return False
            self._check(old, source, generation)
            raise
        return True

    def _check(self, blob: Any, url: str, generation: str) -> None:
        standing = self._generation(blob, url)
        if standing is None:
            raise NotFound(f"{shown(url)} does not exist")
        if standing != generation:
            raise Conflict(f"{shown(url)} is another generation now")

    def _blob(self, url: str) -> Any:
        bucket, _, key = url.removeprefix("gs://").partition("/")
        return self._client.bucket(bucket).blob(key)

    def _generation(self, blob: Any, url: str) -> str | None:
        found = ask(lambda: blob.bucket.get_blob(blob.name, timeout=TIMEOUT, retry=None), url)
        return None if found is None else str(found.generation)
