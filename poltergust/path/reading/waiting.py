"""Following one config to its outcome: which of the things below the name is the end of this very upload."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from poltergust.path.layout import OUTCOMES, Kind
from poltergust.path.liveness import GONE_GRACE_SECONDS
from poltergust.path.reading.model import ConfigView, NodeView
from poltergust.path.reading.reader import Reader


class Conclusion(Enum):
    """What became of a config."""

    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"
    GONE = "gone"  # removed, no outcome in its place
    REPLACED = "replaced"  # by other bytes


_ENDINGS = {Kind.DONE: Conclusion.DONE, Kind.ERROR: Conclusion.ERROR, Kind.CANCELLED: Conclusion.CANCELLED}


@dataclass(frozen=True)
class Observation:
    """What was found at one moment: `view` is None while the name has nothing, `ending` None while the run goes on."""

    view: ConfigView | None
    ending: Conclusion | None
    nodes: tuple[NodeView, ...] = ()

    @property
    def active(self) -> bool:
        """Whether a node still works on it, even after the outcome."""
        runs = () if self.view is None else self.view.runs
        return any(run.record.state.active and not run.silent for run in runs)


def outcomes(reader: Reader, name: str) -> frozenset[str]:
    """Generations of the outcomes that are there now: taken before an upload, they tell which are of earlier runs."""
    blobs = (reader.read(reader.path.of(name, kind), 0) for kind in OUTCOMES)
    return frozenset(blob.generation for blob in blobs if blob is not None)


class Awaited:
    """The config of that name with these bytes. `before`: outcomes that stood before it did (see `outcomes`)."""

    def __init__(
        self,
        reader: Reader,
        name: str,
        data: bytes,
        before: frozenset[str] = frozenset(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader = reader
        self.name = name
        self._data = data
        self._before = before
        self._clock = clock
        self._gone_since: float | None = None

    def look(self) -> Observation:
        """Ask the storage. Raises what the store raises; ask again then."""
        found = self.reader.current(self.name)
        if found is None or (found[0] is not Kind.CONFIG and found[1].generation in self._before):
            if self._gone_since is None:
                self._gone_since = self._clock()
            gone = self._clock() - self._gone_since >= GONE_GRACE_SECONDS
            return Observation(None, Conclusion.GONE if gone else None)
        self._gone_since = None
        kind, blob = found
        nodes = self.reader.nodes()
        view = self.reader.view(self.name, kind, blob, nodes)
        ending = _ENDINGS.get(kind) if blob.data == self._data else Conclusion.REPLACED
        return Observation(view, ending, tuple(nodes))
