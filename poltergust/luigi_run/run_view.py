"""Who works on a run, as this node saw it at its latest look at the scheduler.

One question, which each node asks anyway to see who is silent, answers for all its runs at once whether somebody works
on them and could use more nodes, and which nodes stopped because they cannot.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from poltergust.luigi_run.notes import NoteState
from poltergust.luigi_run.scheduler import HeardWorker

_WORKER_ID = re.compile(r"poltergust-(.+)-[^-]+(-[0-9a-f]{8}-)\d+")

LATE_SECONDS = 15.0
"""How late a look for external data may be before another node takes it over."""


def run_of(worker_id: str) -> tuple[str, str] | None:
    """The node in a worker id that a node of ours made, and the part that all workers of the run have in common; None
    for anybody else's."""
    found = _WORKER_ID.fullmatch(worker_id)
    return None if found is None else (found[1], found[2])


@dataclass(frozen=True)
class WorkView:
    """One run. Times are seconds of the clock that `WorkViews` is told.

    `working` are the nodes with a worker of it. `wanted` is how many more nodes those could use; it is not 0 since
    `wanted_since`. `failed` are the nodes that could not run it, or died while they did, and have not worked on it
    since. Nobody works on it since `silent_since`; that is later than now while the next look for external data is
    not due. `root` is the id of the root task that they work on, "" where it is not known.
    """

    root: str = ""
    working: frozenset[str] = frozenset()
    wanted: int = 0
    wanted_since: float = 0.0
    failed: frozenset[str] = frozenset()
    silent_since: float = 0.0


class WorkViews:
    """The views of all runs that this node works on or waits for. Usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, WorkView] = {}

    def of(self, part: str) -> WorkView | None:
        """None before the first look at that run."""
        with self._lock:
            return self._views.get(part)

    def update(self, heard: Iterable[HeardWorker], work: Collection[str], now: float) -> None:
        """What was heard at `now`; `work` are the parts of the runs that matter."""
        workers: dict[str, list[tuple[str, HeardWorker]]] = {}
        for worker in heard:
            whose = run_of(worker.worker_id)
            if whose is not None:
                workers.setdefault(whose[1], []).append((whose[0], worker))
        with self._lock:
            before = self._views
            self._views = {part: _view(before.get(part), workers.get(part, ()), now) for part in work}


def _view(before: WorkView | None, workers: Collection[tuple[str, HeardWorker]], now: float) -> WorkView:
    if before is not None and not workers and not before.working:
        return before
    working = frozenset(node for node, worker in workers if works(worker))
    unable = {node for node, worker in workers if not worker.enabled or worker.note.state is NoteState.CANNOT}
    failed = ((frozenset() if before is None else before.failed) | unable) - working
    if working:
        # Who has said nothing yet is about to take some of what the others offer.
        ready = max(worker.note.ready for _, worker in workers if works(worker))
        coming = sum(worker.slots for _, worker in workers if works(worker) and worker.note.state is NoteState.SILENT)
        wanted = max(0, ready - coming)
        since = before.wanted_since if before is not None and before.wanted and wanted else now
        root = next((worker.root for _, worker in workers if works(worker) and worker.root), "")
        return WorkView(root, working, wanted, since, failed)
    quiet = now if before is None or before.working else before.silent_since
    return WorkView(failed=failed, silent_since=max([quiet, *(_data_due(worker, now) for _, worker in workers)]))


def works(worker: HeardWorker) -> bool:
    """Whether it is a worker that may take tasks, as far as anybody knows."""
    return worker.enabled and worker.note.state in (NoteState.SILENT, NoteState.WORKS)


def _data_due(worker: HeardWorker, now: float) -> float:
    """When the look for external data that it announced is late; long ago if it announced none."""
    if not worker.enabled or worker.note.again is None:
        return float("-inf")
    return now - worker.silent + worker.note.again + LATE_SECONDS
