"""Bundles of this machine, by digest: archives that are read whole, so that one can be removed while runs use it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from poltergust.base.folders import replace_file

MAX_BYTES = 1024**3
"""Of all bundles kept on a machine; the ones used last stay."""

MAX_AGE_SECONDS = 30 * 86400.0
"""Since it was used last."""

_NAME = re.compile(r"[0-9a-f]{64}\.zip")


class LocalCode:
    """The archives below `root`, which several processes may share. What is read is for the caller to verify."""

    def __init__(self, root: Path, *, max_bytes: int = MAX_BYTES, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds

    def get(self, digest: str) -> bytes | None:
        path = self._path(digest)
        try:
            data = path.read_bytes()
            os.utime(path)
            return data
        except OSError:
            return None

    def put(self, digest: str, archive: bytes) -> None:
        """Keep it, whole at once, and what was not used for long no more. Raises OSError."""
        self._root.mkdir(parents=True, exist_ok=True)
        replace_file(self._path(digest), archive)
        self._prune()

    def _path(self, digest: str) -> Path:
        return self._root / f"{digest}.zip"

    def _prune(self) -> None:
        found = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
        size, now = 0, time.time()
        for used, count, path in sorted(found, reverse=True):
            size += count
            unfinished = _NAME.fullmatch(path.name) is None
            if now - used > (3600.0 if unfinished else self._max_age_seconds) or size > self._max_bytes:
                path.unlink(missing_ok=True)
