"""Records: what a node tells about its runs and about itself, beside the path. For people, `status`, and other nodes.

Two small JSON files: one for each run (name, generation, node) and one heartbeat for each node. All of it may be
deleted at any time; configs and outcomes are the only truth. So a record that cannot be written is logged and the run
goes on, and one that is damaged or refused is as good as missing. Not so one that the storage does not give out just
now: who took it for missing would take a node for gone that lives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Generic, TypeVar

from poltergust.base.json_text import json_bytes, read_json
from poltergust.base.progress import Progress, TaskFailure
from poltergust.path.background import Background, Begun
from poltergust.path.decoding import decode
from poltergust.path.layout import valid_node
from poltergust.path.liveness import LIVE_SECONDS
from poltergust.path.stored import StoredPath
from poltergust.stores import ABSENT, Blob, Conflict, Entry, NotFound, StoreError, Unavailable

log = logging.getLogger(__name__)

MAX_RECORD_BYTES = 1024 * 1024
"""A larger object is no record of ours."""

MAX_QUEUE_NAMES = 20
"""How many names in line a heartbeat holds: it is written again with each change among them."""


class State(str, Enum):
    """Where a run is on this node."""

    PREPARING = "preparing"  # reading the files, building the environment
    RUNNING = "running"
    WAITING = "waiting"  # other nodes hold the tasks, or data is missing
    RETRYING = "retrying"  # failed here, or something passing; tries again later
    GAVE_UP = "gave-up"  # this node cannot; another may
    FINISHED = "finished"  # the outcome is known, the rename not yet done
    ENDED = "ended"

    @property
    def active(self) -> bool:
        """Whether this node may yet bring the run to its outcome."""
        return self in (State.PREPARING, State.RUNNING, State.WAITING, State.RETRYING, State.FINISHED)


@dataclass(frozen=True)
class PhaseTimings:
    """How long the phases took, in seconds, all attempts on this node together; None for one that never came to its
    end."""

    environment: float | None = None
    luigi: float | None = None

    def plus(self, environment: float | None = None, luigi: float | None = None) -> PhaseTimings:
        """With those seconds added, to a thousandth."""
        return PhaseTimings(_plus(self.environment, environment), _plus(self.luigi, luigi))

    def items(self) -> Iterator[tuple[str, float]]:
        """Name and seconds of the phases that ended, in their order."""
        for name, seconds in (("environment", self.environment), ("luigi", self.luigi)):
            if seconds is not None:
                yield name, seconds


def _plus(before: float | None, more: float | None) -> float | None:
    return before if more is None else round((before or 0.0) + more, 3)


@dataclass(frozen=True)
class RunEnvironment:
    """The environment of the latest attempt. `key` names it in the node's cache, `python` is its version, `lock` names
    the exact versions in it, `built` whether that attempt had to build it, `size` is in bytes. What an older version
    left out is empty, or 0."""

    url: str = ""
    key: str = ""
    python: str = ""
    lock: str = ""
    built: bool = False
    size: int = 0


@dataclass(frozen=True)
class RunRecord:
    """One run on one node. Times in seconds; `started` by the storage server's clock (None until first written).

    Change one with `dataclasses.replace`, which checks the names and types of what is changed.
    """

    name: str
    generation: str
    node: str
    state: State = State.PREPARING
    outcome: str | None = None  # "done" or "error" once known here
    reason: str | None = None  # a code of poltergust.base.reasons
    text: str = ""
    renamed: bool | None = None  # True: this node renamed the config; False: another did
    refused: str = ""  # the storage's words when it would not rename
    attempts: int = 0  # started and not known to have ended well: those that the node's limit counts
    attempts_made: int = 0  # all that were started
    retry_at: float | None = None  # when the next one is due, by the storage server's clock; None: none has failed
    started: float | None = None
    ended: float | None = None  # by the same clock; None until `state` is `ENDED`, and of an older version
    timings: PhaseTimings = field(default_factory=PhaseTimings)
    environment: RunEnvironment | None = None  # None until an attempt has one
    code: str = ""  # digest of the bundle of `code` that it executes; empty without any
    config_digest: str = ""  # of the texts that it was made of, see `content`; empty where not known
    environment_digest: str = ""
    lock_digest: str = ""
    scheduler: str = ""
    worker: str = ""  # Luigi worker id of the latest attempt
    root_task_id: str = ""
    failures: tuple[TaskFailure, ...] = ()
    progress: Progress | None = None  # None until the scheduler was asked

    def content(self) -> dict[str, object]:
        """As JSON has it: what is None inside is left out, a value that is not there yet is an empty object."""
        timings = dict(self.timings.items())
        progress = {} if self.progress is None else asdict(self.progress)
        environment = {} if self.environment is None else asdict(self.environment)
        return {**asdict(self), "timings": timings, "environment": environment, "progress": progress}


@dataclass(frozen=True)
class NodeRecord:
    """A heartbeat. `instance` tells two agents of the same name apart; it is empty between two polling passes, when no
    agent holds the name. `taking`: whether it takes runs. `since`: when the agent took its name, by the storage
    server's clock (None until first written).

    `slots` is how many configs it runs side by side (0: an older version does not say). While all of them are taken,
    `queue` names the configs that are next in line, the first `MAX_QUEUE_NAMES`; otherwise it is empty.
    """

    node: str
    instance: str
    version: str
    host: str
    pid: int
    scheduler: str
    embedded: bool
    taking: bool
    state: str  # starting, ready, draining
    running: tuple[str, ...] = ()
    slots: int = 0
    queue: tuple[str, ...] = ()
    waiting: int = 0
    problems: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    since: float | None = None

    def content(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


_QUEUED = "record"
"""Who owns the writes of run records that nobody waits for."""

QUIET_SECONDS = 2.0
"""For so long nothing is written of a run that another node is likely to begin and end."""

R = TypeVar("R", RunRecord, NodeRecord)


@dataclass(frozen=True)
class Seen(Generic[R]):
    """A record as found: with the storage server's time of its last write."""

    record: R
    updated: float


@dataclass(frozen=True)
class Holder:
    """What stands where this node's heartbeat belongs: its generation, for `claim_node`, and who wrote it. `seen` is
    None where nobody did, and where it is damaged."""

    generation: str = ABSENT
    seen: Seen[NodeRecord] | None = None


class Records:
    """All records below one path, written as one node. Safe to use from several threads."""

    def __init__(self, at: StoredPath, background: Background, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = at.store
        self._background = background
        self._path = at.path
        self._node = at.node
        self._instance = at.instance
        self._clock = clock
        self._heartbeats: dict[
            str, tuple[Entry, Seen[NodeRecord] | None]
        ] = {}  # by URL, as listed last; replaced whole
        self._standing: set[str] = set()  # URLs of the run records that this agent wrote and that have not ended
        self._heartbeat_refused = ""  # why the heartbeat could not be written last, "" if it could
        self._server: tuple[float, float] | None = None  # (server's time, our clock) of the latest write

    def begin_run(self, record: RunRecord) -> Begun[float | None]:
        """Write it; the server's time, or None when it could not be written."""
        url = self._path.run(record.name, record.generation, self._node)
        return self._background.begin(url, lambda: self._save(url, record), instead_of=_QUEUED)

    def save_run(self, record: RunRecord) -> float | None:
        """`begin_run`, waited for."""
        return self.begin_run(record).result()

    def queue_run(self, record: RunRecord, *, quiet: bool = False) -> None:
        """Write it soon, instead of what waits to be written of that run. One that says that the run has ended is
        written when its logs are whole. `quiet`: there is little to say, so it has `QUIET_SECONDS`, and if the run has
        ended by then nothing is written."""
        name, generation = record.name, record.generation
        url = self._path.run(name, generation, self._node)
        ended = record.state is State.ENDED
        logs = (self._path.log(name, generation, self._node), self._path.tasks(name, generation, self._node))

        def save() -> None:
            if not (quiet and ended) or url in self._standing:
                self._save(url, record)

        delay = QUIET_SECONDS if quiet else 0.0
        self._background.put(url, save, owner=_QUEUED, delay=delay, after=logs if ended else ())

    def runs(self, name: str, generation: str) -> Iterator[Seen[RunRecord]]:
        """Every node's record of that run. Raises `Unavailable`."""
        for seen in self._all(self._path.runs(name, generation), RunRecord):
            if (seen.record.name, seen.record.generation) == (name, generation):  # not one of `name/generation`
                yield seen

    def save_node(self, record: NodeRecord) -> float | None:
        """The server's time, or None where it cannot be written: logged once for each reason, as it is tried every few
        seconds."""
        try:
            written = self._write(self._path.node(self._node), record)
        except StoreError as error:
            if str(error) != self._heartbeat_refused:
                log.warning("cannot write this node's heartbeat, going on without: %s", error)
            self._heartbeat_refused = str(error)
            return None
        self._heartbeat_refused = ""
        return written

    def name_holder(self) -> Holder:
        """Who wrote this node's heartbeat last. Raises what the store raises."""
        try:
            blob = self._read(self._path.node(self._node))
        except NotFound:
            return Holder()
        record = parse(blob.url, blob.data, NodeRecord)
        return Holder(blob.generation, None if record is None else Seen(record, blob.updated))

    def claim_node(self, record: NodeRecord, holder: Holder) -> float | None:
        """Write this node's first heartbeat in the place of what `holder` says stands there; the server's time, or None
        when something else stands there by now. Raises what else the store raises."""
        try:
            return self._write(self._path.node(self._node), record, holder.generation)
        except Conflict:
            return None

    def drop_node(self) -> None:
        """On a clean stop: this node is no longer here. The heartbeat of another agent of its name stays."""
        try:
            holder = self.name_holder()
            if holder.seen is not None and holder.seen.record.instance == self._instance:
                self._store.delete(self._path.node(self._node), if_generation=holder.generation)
        except Conflict:
            return  # another agent has just taken the name
        except StoreError as error:
            log.warning("cannot remove this node's heartbeat: %s", error)

    def save_waiting(self, record: NodeRecord) -> float | None:
        """For people: what an agent says while another one holds its name. None where it cannot be written."""
        return self._save(self._path.waiting_node(self._node, self._instance), record)

    def drop_waiting(self) -> None:
        try:
            self._store.delete(self._path.waiting_node(self._node, self._instance))
        except StoreError as error:
            log.warning("cannot remove what this node wrote while it waited for its name: %s", error)

    def nodes(self) -> Iterator[Seen[NodeRecord]]:
        """Every heartbeat that stands beside the path. One is read again only when the listing says that it changed:
        most are written each minute and say the same. Raises `Unavailable`."""
        known, found = self._heartbeats, {}
        for entry in self._store.list(self._path.nodes, suffix=".json"):
            before, seen = known.get(entry.url, (None, None))
            if before is None or (before != entry and (not entry.digest or before.digest != entry.digest)):
                seen = self._load(entry.url, NodeRecord)
            elif seen is not None:
                seen = replace(seen, updated=entry.updated)
            found[entry.url] = (entry, seen)
        self._heartbeats = found
        return (seen for _, seen in found.values() if seen is not None)

    def live_nodes(self) -> list[Seen[NodeRecord]]:
        """The other nodes whose heartbeat is fresh. Empty if the server's time is not known yet. Raises
        `Unavailable`."""
        now = self.server_time()
        if now is None:
            return []
        return [seen for seen in self.nodes() if seen.record.node != self._node and now - seen.updated < LIVE_SECONDS]

    def server_time(self) -> float | None:
        """Now by the storage server's clock, from its latest answer that gave a time; None before the first."""
        if self._server is None:
            return None
        then, at = self._server
        return then + (self._clock() - at)

    def _save(self, url: str, record: RunRecord | NodeRecord) -> float | None:
        try:
            return self._write(url, record)
        except StoreError as error:
            log.warning("cannot write a record, going on without: %s", error)
            return None

    def _write(self, url: str, record: RunRecord | NodeRecord, generation: str | None = None) -> float:
        data = json_bytes({"format": 1, **record.content()}, indent=1)
        entry = self._store.write(url, data, if_generation=generation)
        if isinstance(record, RunRecord):
            (self._standing.discard if record.state is State.ENDED else self._standing.add)(url)
        self._server = (entry.updated, self._clock())
        return entry.updated

    def _read(self, url: str) -> Blob:
        blob = self._store.read(url, limit=MAX_RECORD_BYTES)
        if blob.served is not None:
            self._server = (blob.served, self._clock())
        return blob

    def _all(self, prefix: str, kind: type[R]) -> Iterator[Seen[R]]:
        for entry in self._store.list(prefix, suffix=".json"):
            seen = self._load(entry.url, kind)
            if seen is not None:
                yield seen

    def _load(self, url: str, kind: type[R]) -> Seen[R] | None:
        try:
            blob = self._read(url)
        except NotFound:
            return None
        except Unavailable:
            raise
        except StoreError as error:
            log.warning("cannot read a record, going on without: %s", error)
            return None
        record = parse(url, blob.data, kind)
        if record is not None and url not in self._places(record):  # whoever may write here may write any name into it
            log.warning("ignoring the record %s: it is of another run or node", url)
            return None
        return None if record is None else Seen(record, blob.updated)

    def _places(self, record: RunRecord | NodeRecord) -> tuple[str, ...]:
        """Where that record may stand; nowhere where its node has an impossible name."""
        if not valid_node(record.node):
            return ()
        if isinstance(record, NodeRecord):
            return self._path.node(record.node), self._path.waiting_node(record.node, record.instance)
        return (self._path.run(record.name, record.generation, record.node),)


def parse(url: str, data: bytes, kind: type[R]) -> R | None:
    """The record in `data`; None, with a warning that names `url`, where it is damaged. Keys of a newer version are
    left out."""
    try:
        return decode(kind, read_json(data))
    except ValueError as error:
        log.warning("ignoring the damaged record %s: %s", url, error)
        return None
