"""Logs as they grow: the lines that nodes have written to a run's logs since one last asked."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

from poltergust.path.stored import StoredPath
from poltergust.stores import NotFound

MAX_READ_BYTES = 1024 * 1024  # read at once, so that a long log is not held in memory


@dataclass
class _Log:
    at: int = 0  # bytes read so far
    rest: str = ""  # a line whose end is not yet there
    decode: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )


class Tails:
    """The logs of one run, of all nodes or of one. Not for several threads."""

    def __init__(self, at: StoredPath, name: str, generation: str, node: str | None = None) -> None:
        self._store = at.store
        self._prefix = f"{at.path.logs(name)}{generation}/"
        self._node = node
        self._logs: dict[str, _Log] = {}

    def new(self) -> Iterator[tuple[str, str]]:
        """(node, line) of all that is new, node after node. A line that is still being written comes when it is."""
        for entry in self._store.list(self._prefix, suffix=".log"):
            node = entry.url[len(self._prefix) : -len(".log")]
            if self._node not in (None, node):
                continue
            log = self._logs.setdefault(node, _Log())
            if entry.size < log.at:  # removed, and begun again
                log = self._logs[node] = _Log()
            while log.at < entry.size:
                try:
                    data = self._store.read(entry.url, start=log.at, limit=MAX_READ_BYTES).data
                except NotFound:
                    break
                if not data:
                    break
                log.at += len(data)
                *lines, log.rest = (log.rest + log.decode.decode(data)).split("\n")
                for line in lines:
                    yield node, line

    def rest(self) -> Iterator[tuple[str, str]]:
        """At the end: lines that were never ended."""
        for node, log in sorted(self._logs.items()):
            if log.rest:
                yield node, log.rest
                log.rest = ""

    @property
    def nodes(self) -> list[str]:
        """Whose logs have been seen."""
        return sorted(self._logs)
