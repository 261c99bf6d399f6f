"""What runs were made of, kept once by digest beside the path: the text of a config, an environment file, a lock.

A run record names digests. A text that is in use is written again once a day, so that its age says when it was needed
last: retention need not read any record to know what may go.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable

from poltergust.path.background import Background
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Conflict, StoreError

log = logging.getLogger(__name__)

RENEW_SECONDS = 86400.0
"""A text that is still in use is written again when it is older than that."""

MAX_CONTENT_BYTES = 4 * 1024 * 1024
"""A longer text is not kept, and an object that is longer is none of ours."""

MAX_REMEMBERED = 1000
"""Digests that are known to be kept. Beyond that all are forgotten, and asked for again."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def content_digest(data: bytes) -> str:
    """By which `data` is kept: SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Content:
    """Of one path. Safe to use from several threads."""

    def __init__(self, at: StoredPath, background: Background, clock: Callable[[], float] = time.monotonic) -> None:
        self._at = at
        self._background = background
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, float] = {}  # digest to monotonic seconds: known to stand there, and to be young enough

    def keep(self, texts: Iterable[bytes]) -> None:
        """See that they stand there, soon; nothing is to be done where this node has seen to it within the day. A text
        that cannot be written is only missing from the run's story: the log says so."""
        now = self._clock()
        with self._lock:
            if len(self._kept) > MAX_REMEMBERED:
                self._kept.clear()
            new = {content_digest(data): data for data in texts if 0 < len(data) <= MAX_CONTENT_BYTES}
            new = {digest: data for digest, data in new.items() if self._due(digest, now)}
        for digest, data in new.items():
            write = functools.partial(self._write, digest, data, now)
            self._background.put(self._at.path.content(digest), write, owner="content")

    def _due(self, digest: str, now: float) -> bool:
        kept = self._kept.get(digest)
        return kept is None or now - kept >= RENEW_SECONDS

    def get(self, digest: str) -> bytes | None:
        """The text; None where it is not kept, or what stands there is not it. Raises what the store raises."""
        if _DIGEST.fullmatch(digest) is None:
            return None
        blob = self._at.read(self._at.path.content(digest), limit=MAX_CONTENT_BYTES)
        return None if blob is None or content_digest(blob.data) != digest else blob.data

    def _write(self, digest: str, data: bytes, now: float) -> None:
        url = self._at.path.content(digest)
        try:
            try:
                self._at.store.write(url, data, if_generation=ABSENT)
            except Conflict:
                blob = self._at.read(url, limit=0)
                if blob is not None and blob.served is not None and blob.served - blob.updated >= RENEW_SECONDS:
                    self._at.store.write(url, data, if_generation=blob.generation)
        except Conflict:
            pass  # another node has just written the same
        except StoreError as error:
            log.warning("what ran is not kept beside the path: %s", error)
            return
        with self._lock:
            self._kept[digest] = now
