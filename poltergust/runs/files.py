"""The two files of a run as a node reads them: every mistake said, and none found that only this version sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from packaging.version import InvalidVersion, Version

from poltergust import __version__
from poltergust.base.errors import Missing, NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.base.redaction import Redactor
from poltergust.base.urls import is_cloud
from poltergust.documents import MAX_BYTES, DocumentError, TaskFile, parse_environment_file, parse_task_file
from poltergust.environments import EnvironmentSpec
from poltergust.path.background import Begun
from poltergust.path.layout import Kind
from poltergust.path.records import NodeRecord
from poltergust.runs.context import RunContext
from poltergust.runs.grace import MISSING_GRACE_SECONDS, awaited, grace
from poltergust.runs.run import Run
from poltergust.stores import Blob, Denied, NotFound, Store, StoreError

T = TypeVar("T")

UNKNOWN_HERE = frozenset({Reason.UNKNOWN_KEY, Reason.UNKNOWN_VIRTUALENV_OPTION})
"""Mistakes that may be keys of a newer version."""


@dataclass(frozen=True)
class Reading:
    """An environment file that is being read."""

    url: str
    begun: Begun[Blob]


class RunFiles:
    """Of all runs of one node. Every method raises `Permanent` for a file that is wrong, `NodeError` for one that only
    this node cannot take, and what the storage raises."""

    def __init__(self, context: RunContext, store_of: Callable[[str], Store]) -> None:
        """`store_of` gives the store for a URL that a task file names."""
        self._context = context
        self._state = context.state
        self._store_of = store_of
        self._redact = Redactor((context.variables,), names=context.names)

    def task_file(self, run: Run) -> TaskFile:
        url = self._state.path.of(run.name, Kind.CONFIG)
        return self._parsed(run, lambda: parse_task_file(run.config.data, url))

    def begin_environment(self, url: str) -> Reading:
        """Read the environment file at `url`, if this node allows it."""
        allowed = self._context.settings.allow_environments
        if allowed and not any(fnmatchcase(url, pattern) for pattern in allowed):
            raise Permanent(
                Reason.ENVIRONMENT_NOT_ALLOWED,
                f"{url} is not among the environments this node allows ({', '.join(allowed)})",
            )
        store = self._store_of(url)
        return Reading(url, self._state.background.begin(url, lambda: store.read(url, limit=MAX_BYTES)))

    def environment_file(self, run: Run, reading: Reading) -> EnvironmentSpec:
        """Raises `Temporary` as well, for a minute while there is none."""
        url = reading.url
        with grace(run, self._context.clock.monotonic):
            try:
                blob = reading.begun.result()
            except NotFound:
                raise Missing(Reason.ENVIRONMENT_MISSING, f"{url}: no such environment file", url) from None
            except Denied as error:
                raise NodeError(Reason.ENVIRONMENT_DENIED, str(error)) from error
        run.absent_since.pop(url, None)
        run.environment_file = blob.data
        return self._parsed(run, lambda: parse_environment_file(blob.data, url))

    def await_missing(self, run: Run) -> None:
        """Raises `Temporary` while what was missing in the latest attempt still is and may be. One question: an attempt
        each second would write that it begins over the record that says what it waits for."""
        what, now = run.awaited, self._context.clock.monotonic()
        if what and now - run.absent_since[what] < MISSING_GRACE_SECONDS and not self._is_there(what):
            raise awaited(what)
        run.awaited = ""

    def _is_there(self, where: str) -> bool:
        """Whether anything is; a file or a folder. True where that cannot be said."""
        if not is_cloud(where):
            return Path(where).exists()
        try:
            folder = where.removesuffix("/") + "/"  # what is listed may also be of a longer name
            urls = (entry.url for entry in self._store_of(where).list(where))
            return any(url == where or url.startswith(folder) for url in urls)
        except NotFound:  # there is no such bucket
            return False
        except StoreError:
            return True

    def _parsed(self, run: Run, parse: Callable[[], T]) -> T:
        """What `parse` returns. The record has room for the first mistake of a file: the run log has all of several."""
        try:
            return parse()
        except DocumentError as error:
            if error.others:
                self._log(run, error)
            unknown = [each for each in error.all if each.reason in UNKNOWN_HERE]
            newer = self._newer_node() if unknown else None
            if newer is None:
                raise
            text = f"{unknown[0].text}; {newer.node} runs Poltergust {newer.version}, which may know it, and this node"
            raise NodeError(Reason.NEWER_FILE, f"{text} {__version__}: upgrade this node") from error

    def _log(self, run: Run, error: DocumentError) -> None:
        name, generation, limit = run.name, run.config.generation, self._context.settings.log_limit
        with self._state.run_log(name, generation, redact=self._redact, limit=limit) as run_log:
            for line in error.lines:
                run_log.note(line)

    def _newer_node(self) -> NodeRecord | None:
        """A live node of the path with a newer version, if there is one."""
        mine = Version(__version__)
        for seen in self._state.records.live_nodes():
            theirs = _version(seen.record.version)
            if theirs is not None and theirs > mine:
                return seen.record
        return None


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:  # a heartbeat is input
        return None
