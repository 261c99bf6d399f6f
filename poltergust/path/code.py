"""The code of runs beside the path: bundles by digest, and for each run the mark that says which one it executes.

Who makes the mark first decides for all nodes. A bundle is made once, whichever runs need it.
"""

from __future__ import annotations

import json
import re

from poltergust.path.outcome import Config
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Conflict

MAX_ARCHIVE_BYTES = 80 * 1024 * 1024
"""A larger object is no bundle: its content has less (`environments.code.bundle.MAX_BYTES`), and a zip adds little."""

MAX_MARK_BYTES = 4096

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PublishedCode:
    """Of one path, used as one node. All methods raise what the store raises."""

    def __init__(self, at: StoredPath) -> None:
        self._at = at

    def fixed(self, config: Config) -> str | None:
        """The digest of what that run executes; None before any node said, or where its mark is damaged."""
        mark = self._at.read(self._mark(config), limit=MAX_MARK_BYTES)
        return None if mark is None else digest_in(mark.data)

    def fix(self, config: Config, digest: str, instead_of: str | None = None) -> str:
        """Say that the run executes the bundle `digest`, unless a node said otherwise first; what stands in the end.

        `instead_of`: what stands there cannot be had any more, and is replaced if it still stands.
        """
        url = self._mark(config)
        content = json.dumps({"format": 1, "digest": digest, "node": self._at.node}).encode()
        standing = self._at.read(url, limit=MAX_MARK_BYTES)
        if standing is not None and digest_in(standing.data) not in (None, instead_of):
            return digest_in(standing.data) or digest
        try:
            self._at.store.write(url, content, if_generation=ABSENT if standing is None else standing.generation)
            return digest
        except Conflict:
            return self.fixed(config) or digest

    def get(self, digest: str) -> bytes | None:
        """The archive, for the caller to verify; None if there is none."""
        blob = self._at.read(self._at.path.code(digest), limit=MAX_ARCHIVE_BYTES)
        return None if blob is None or len(blob.data) > MAX_ARCHIVE_BYTES else blob.data

    def publish(self, digest: str, archive: bytes, *, replace: bool) -> None:
        """Put it beside the path, unless it stands there; `replace`: what stands there is damaged."""
        try:
            self._at.store.write(self._at.path.code(digest), archive, if_generation=None if replace else ABSENT)
        except Conflict:
            return  # an earlier run, or another node, published the same

    def _mark(self, config: Config) -> str:
        return self._at.path.code_mark(config.name, config.generation)


def digest_in(data: bytes) -> str | None:
    """The digest that a mark names; None for one that is none."""
    try:
        digest = json.loads(data)["digest"]
    except (ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None
