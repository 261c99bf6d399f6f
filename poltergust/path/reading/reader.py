"""From the objects below a path to values: one reader for one path, to be asked again and again.

A record is read again only when the listing says that it changed, so that watching costs a listing and little more.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from poltergust.base.errors import Permanent
from poltergust.base.json_text import read_json
from poltergust.documents import MAX_BYTES, parse_task_file
from poltergust.path import records
from poltergust.path.layout import OUTCOMES, TASKS_SUFFIX, Kind, valid_node
from poltergust.path.reading import summary
from poltergust.path.reading.model import (
    By,
    ConfigView,
    Detail,
    NodeView,
    PastRun,
    PathView,
    RunView,
    TaskFileSummary,
)
from poltergust.path.records import MAX_RECORD_BYTES, NodeRecord, RunRecord, Seen, State
from poltergust.path.stored import StoredPath
from poltergust.path.tasks import MAX_FILE_BYTES, TaskStory, stories
from poltergust.stores import Blob, Entry, StoreError

log = logging.getLogger(__name__)

R = TypeVar("R", RunRecord, NodeRecord)
T = TypeVar("T")
A = TypeVar("A")

_NUMBER = re.compile(r"[0-9]{1,20}")

_MOMENT = re.compile(r"[12][0-9]{15,18}(?![0-9])")

RECENT_SECONDS = 7200
"""How long before an outcome its upload is looked for first."""

PARALLEL_READS = 16
"""Requests side by side: a path of a hundred configs is read in a moment."""


@dataclass(frozen=True)
class Listed:
    """What stands at a name, as a listing has it."""

    name: str
    kind: Kind
    entry: Entry


class Reader:
    """Of one path. `clock` is this machine's, used only until the storage gave a time."""

    def __init__(self, at: StoredPath, *, clock: Callable[[], float] = time.time) -> None:
        self._at = at
        self._store = at.store
        self.path = at.path
        self._clock = clock
        self._known: dict[str, tuple[Entry, RunRecord | NodeRecord | None]] = {}
        self._generations: dict[str, tuple[Entry, str]] = {}
        self._clock_offset: float | None = None  # seconds: the server's clock less ours

    def now(self) -> float:
        """By the server's clock by its latest answer."""
        return self._clock() + (self._clock_offset or 0.0)

    def overview(self, limit: int | None = None) -> PathView:
        """All configs and nodes; of the outcomes only the `limit` latest, all if None."""
        shown = self.listing()
        live = [one for one in shown if one.kind is Kind.CONFIG]
        ended = sorted((one for one in shown if one.kind is not Kind.CONFIG), key=lambda one: -one.entry.updated)
        part = ended if limit is None else ended[:limit]
        nodes = self.nodes()
        configs = self.views([*live, *part], nodes)
        configs[len(live) :] = sorted(configs[len(live) :], key=lambda view: -view.updated)  # by their records
        counts: dict[str, int] = {}
        for view in configs:
            counts[view.state.value] = counts.get(view.state.value, 0) + 1
        for one in ended[len(part) :]:
            counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
        seen = summary.with_configs(nodes, len(live))
        return PathView(self.path.root, self.now(), tuple(configs), seen, counts, hidden=len(ended) - len(part))

    def listing(self) -> list[Listed]:
        """Every name below the path once, by one listing: the config, else the latest of its outcomes."""
        found: dict[str, dict[Kind, Entry]] = {}
        for entry in self._store.list(self.path.prefix, suffix=".yaml"):
            for kind in Kind:
                name = self.path.name_of(entry.url, kind)
                if name is not None:
                    found.setdefault(name, {})[kind] = entry
        return [Listed(name, *_latest(kinds)) for name, kinds in found.items()]

    def views(self, listed: Iterable[Listed], nodes: Iterable[NodeView]) -> list[ConfigView]:
        """Those with the records of their runs: each costs a listing, and a read of every record that changed."""
        known = tuple(nodes)
        return _each(lambda one: self._config(one.name, one.kind, one.entry, known), list(listed), PARALLEL_READS)

    def runs(
        self, name: str, nodes: Iterable[NodeView] = (), *, limit: int | None = None, only: str = ""
    ) -> list[PastRun]:
        """Every run of that name that left records, the latest first; at most `limit` of them, all if None.
        `only`: just the one of that generation. Costs a listing, and a read of every record that is new or changed."""
        prefix = self.path.runs_of(name)
        found: dict[str, list[Entry]] = {}
        for generation, entry in _by_generation(prefix, self._store.list(prefix, suffix=".json")):
            if only in ("", generation):
                found.setdefault(generation, []).append(entry)
        latest = sorted(found, key=lambda generation: _upload_order(generation, found[generation]), reverse=True)
        known = tuple(nodes)

        def past(generation: str) -> PastRun:
            views = self._views(name, generation, found[generation], known, 1)
            renamed = any(run.record.renamed for run in views)
            by = None if renamed else self._note(self.path.cancelled(name), {"run": generation})
            return PastRun(generation, views, by)

        return [run for run in _each(past, latest[:limit], PARALLEL_READS) if run.runs]

    def tasks(self, name: str, generation: str, runs: Iterable[RunView]) -> list[TaskStory]:
        """What every task of that run did, from all nodes' files. `runs` are the records of the run: where one ended,
        or its node is silent, nothing goes on any more; where one knows it done, nothing is pending."""
        prefix, runs = self.path.runs(name, generation), tuple(runs)
        files = {
            entry.url[len(prefix) : -len(TASKS_SUFFIX)]: entry.url
            for entry in self._store.list(prefix, suffix=TASKS_SUFFIX)
            if "/" not in entry.url[len(prefix) :]
        }
        blobs = _each(lambda url: self.read(url, MAX_FILE_BYTES), list(files.values()), PARALLEL_READS)
        found = {node: blob.data for node, blob in zip(files, blobs, strict=True) if blob is not None}
        ended = frozenset(run.record.node for run in runs if run.silent or run.record.state is State.ENDED)
        done = any(run.record.outcome == Kind.DONE.value for run in runs)
        return stories(found, ended, done=done)

    def nodes(self) -> list[NodeView]:
        """Every node that has a heartbeat, by name."""
        found = self._records(self._store.list(self.path.nodes, suffix=".json"), NodeRecord, PARALLEL_READS)
        now = self.now()
        return [summary.node(seen, now) for seen in found]

    def config(self, name: str) -> ConfigView | None:
        """The config of that name, else the latest of its outcomes; None if nothing stands there."""
        found = self.current(name)
        return None if found is None else self.view(name, *found, self.nodes())

    def view(self, name: str, kind: Kind, blob: Blob, nodes: Iterable[NodeView]) -> ConfigView:
        """What `current` found, with the records of its run."""
        return self._config(name, kind, Entry(blob.url, len(blob.data), blob.updated), nodes, blob, PARALLEL_READS)

    def detail(self, name: str) -> Detail | None:
        """The same in full."""
        found = self.current(name)
        if found is None:
            return None
        kind, blob = found
        nodes = self.nodes()
        config = self.view(name, kind, blob, nodes)
        cancelled = self._cancelled(config, blob) if kind is Kind.CANCELLED else None
        submitted = self.submitted(name, blob.data)
        return Detail(config, _document(blob), submitted, cancelled, tuple(nodes))

    def with_tasks(self, view: Detail) -> Detail:
        """The same with what every task of the run did: costs a listing, and a read of each node's file."""
        config = view.config
        if config.generation is None:
            return view
        return replace(view, tasks=tuple(self.tasks(config.name, config.generation, config.runs)))

    def current(self, name: str) -> tuple[Kind, Blob] | None:
        """What stands at that name, read whole: the config, else the latest outcome."""
        config = self.read(self.path.of(name, Kind.CONFIG), MAX_BYTES)
        if config is not None:
            return Kind.CONFIG, config
        outcomes = [(kind, self.read(self.path.of(name, kind), MAX_BYTES)) for kind in OUTCOMES]
        return max(
            ((kind, blob) for kind, blob in outcomes if blob is not None),
            key=lambda one: one[1].updated,
            default=None,
        )

    def generations(self, name: str) -> list[str]:
        """Of the runs of that name that left records or logs, the latest last."""
        found: dict[str, list[Entry]] = {}
        for prefix, suffix in ((self.path.runs_of(name), ".json"), (self.path.logs(name), ".log")):
            for generation, entry in _by_generation(prefix, self._store.list(prefix, suffix=suffix)):
                found.setdefault(generation, []).append(entry)
        return sorted(found, key=lambda generation: _upload_order(generation, found[generation]))

    def names(self) -> list[str]:
        """Every name below the path, once."""
        return sorted(one.name for one in self.listing())

    def submitted(self, name: str, data: bytes) -> By | None:
        """Who submitted `data` under that name; None if that is not known, or was said of other bytes."""
        return self._note(self.path.submitted(name), {"digest": digest(data)})

    def _cancelled(self, config: ConfigView, outcome: Blob) -> By | None:
        """Who cancelled the run whose outcome that is; None if that is not known."""
        url = self.path.cancelled(config.name)
        # In a copy the outcome is of another generation. What it holds and the run that it was are the same.
        same = {"run": config.generation, "digest": digest(outcome.data)}
        return self._note(url, {"generation": outcome.generation}, same)

    def _note(self, url: str, *expected: Mapping[str, str | None]) -> By | None:
        """Who is named in the note at `url`; None if it is not there, or about nothing that is `expected`."""
        blob = self.read(url, MAX_RECORD_BYTES)
        if blob is None:
            return None
        try:
            note = read_json(blob.data)
            if not isinstance(note, dict) or not any(each.items() <= note.items() for each in expected):
                return None
            return By(str(note["by"]), blob.updated)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None  # not ours

    def read(self, url: str, limit: int) -> Blob | None:
        """The object, None if it is not there (any more). Takes the server's time from the answer."""
        blob = self._at.read(url, limit=limit)
        if blob is not None and blob.served is not None:
            self._clock_offset = blob.served - self._clock()
        return blob

    def _config(
        self,
        name: str,
        kind: Kind,
        entry: Entry,
        nodes: Iterable[NodeView],
        blob: Blob | None = None,
        parallel: int = 1,
    ) -> ConfigView:
        if kind is Kind.CONFIG:
            generation = self._generation(entry) if blob is None else blob.generation
            entries = [] if generation is None else self._records_of(name, generation)
        else:
            generation, entries = self._latest_run(name, entry.updated)
        views = self._views(name, generation or "", entries, nodes, parallel)
        return summary.config(name, entry.url, entry.updated, self.now(), kind=kind, generation=generation, found=views)

    def _records_of(self, name: str, generation: str) -> list[Entry]:
        """What nodes wrote about that run."""
        listed = self._store.list(self.path.runs(name, generation), suffix=".json")
        return [entry for one, entry in _by_generation(self.path.runs_of(name), listed) if one == generation]

    def _latest_run(self, name: str, ended: float) -> tuple[str | None, list[Entry]]:
        """The latest run of that name that left records, with them; None if there is none. `ended` is when its outcome
        was last written: most runs were uploaded shortly before, and the many earlier ones are not listed then."""
        prefix = self.path.runs_of(name)
        for since in (f"{prefix}{int(ended - RECENT_SECONDS)}", ""):
            found: dict[str, list[Entry]] = {}
            for generation, entry in _by_generation(prefix, self._store.list(prefix, suffix=".json", since=since)):
                found.setdefault(generation, []).append(entry)
            # Only numbers of microseconds or finer since 1970 stand in a listing by when they were made.
            if found and (not since or all(_MOMENT.match(generation) for generation in found)):
                latest = max(found, key=lambda generation: _upload_order(generation, found[generation]))
                return latest, found[latest]
        return None, []

    def _generation(self, entry: Entry) -> str | None:
        """Of the config as it was listed: asked once, until a listing says that it changed."""
        known = self._generations.get(entry.url)
        if known is not None and known[0] == entry:
            return known[1]
        try:
            blob = self.read(entry.url, 0)
        except StoreError as error:
            log.warning("cannot read a config, showing it without its runs: %s", error)
            return None
        if blob is None:
            return None
        # One that was replaced since the listing is kept as well: the next listing will say so.
        self._generations[entry.url] = entry, blob.generation
        return blob.generation

    def _views(
        self, name: str, generation: str, entries: Iterable[Entry], nodes: Iterable[NodeView], parallel: int
    ) -> tuple[RunView, ...]:
        found = [
            Seen(replace(seen.record, name=name, generation=generation), seen.updated)
            for seen in self._records(entries, RunRecord, parallel)
        ]
        return summary.runs(found, nodes, self.now())

    def _records(self, entries: Iterable[Entry], kind: type[R], parallel: int) -> list[Seen[R]]:
        """The sound ones among them. Each is called after its file, whatever it says."""

        def load(entry: Entry) -> Seen[R] | None:
            known = self._known.get(entry.url)
            if known is None or known[0] != entry:
                known = self._known[entry.url] = entry, self._load(entry.url, kind)
            record = known[1]
            return Seen(record, entry.updated) if isinstance(record, kind) else None

        return [seen for seen in _each(load, list(entries), parallel) if seen is not None]

    def _load(self, url: str, kind: type[R]) -> R | None:
        try:
            blob = self.read(url, MAX_RECORD_BYTES)
        except StoreError as error:
            log.warning("cannot read a record, going on without: %s", error)
            return None
        record = None if blob is None else records.parse(url, blob.data, kind)
        node = url.rpartition("/")[2].removesuffix(".json")
        # An agent that waits for its name writes as `<node>~<instance>`, see `WatchedPath.waiting_node`.
        return replace(record, node=node) if record is not None and valid_node(node.replace("~", "-", 1)) else None


def digest(data: bytes) -> str:
    """By which a note about a config is known to be about these bytes."""
    return hashlib.sha256(data).hexdigest()


def _each(what: Callable[[A], T], of: list[A], parallel: int) -> list[T]:
    """In threads, `parallel` of them."""
    if len(of) < 2 or parallel < 2:
        return [what(one) for one in of]
    with ThreadPoolExecutor(parallel, thread_name_prefix="poltergust-read") as pool:
        return list(pool.map(what, of))


def _latest(kinds: Mapping[Kind, Entry]) -> tuple[Kind, Entry]:
    """The config where it stands, older outcomes or not; else the latest outcome."""
    if Kind.CONFIG in kinds:
        return Kind.CONFIG, kinds[Kind.CONFIG]
    kind = max((kind for kind in OUTCOMES if kind in kinds), key=lambda kind: kinds[kind].updated)
    return kind, kinds[kind]


def _by_generation(prefix: str, entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    """Those directly below a generation: `a/` also lists what belongs to the name `a/b`."""
    for entry in entries:
        generation, slash, file = entry.url[len(prefix) :].partition("/")
        if slash and "/" not in file:
            yield generation, entry


def _upload_order(generation: str, entries: Iterable[Entry]) -> tuple[int, float]:
    """Later uploads sort later: by the number that a generation begins with, which grows in every store and is the same
    in a copy; by when something was last written of the run where it begins with none."""
    number = _NUMBER.match(generation)
    return int(number[0]) if number else 0, max(entry.updated for entry in entries)


def _document(blob: Blob) -> TaskFileSummary:
    try:
        task = parse_task_file(blob.data, blob.url)
    except Permanent as error:
        return TaskFileSummary(problem=str(error))
    return TaskFileSummary(task=f"{task.module}.{task.name}", environment=task.environment, timeout=task.timeout)
