"""What stands on and beside one watched path, as one node or one person works on it: the way to all parts of this room.

state = PathState(stores.of(path.root), path, node, instance)
state.records.save_run(record)
state.outcomes.finish(config, Kind.DONE)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from poltergust.base.redaction import Redactor
from poltergust.base.urls import is_cloud
from poltergust.path.actions import Actions
from poltergust.path.background import Background
from poltergust.path.code import PublishedCode
from poltergust.path.content import Content
from poltergust.path.layout import WatchedPath
from poltergust.path.locks import StoreLocks
from poltergust.path.marks import FailureReset
from poltergust.path.outcome import Outcomes
from poltergust.path.reading.reader import Reader
from poltergust.path.reading.tails import Tails
from poltergust.path.records import Records
from poltergust.path.retention import Retention
from poltergust.path.run_log import RunLog
from poltergust.path.stored import StoredPath
from poltergust.path.tasks import MAX_FILE_BYTES, TaskLog
from poltergust.stores import Stores

SPACING_SECONDS = 1.0
"""Least seconds between two writes of one object that nobody waits for. A folder needs none."""


@dataclass(frozen=True)
class PathState(StoredPath):
    """One for each agent or command. A part that is a property is made once and safe to use from several threads."""

    clock: Callable[[], float] = time.monotonic

    @classmethod
    def open(cls, path: WatchedPath, node: str = "", instance: str = "") -> PathState:
        """With a store of its own. Raises `errors.UsageError` where Google's credentials are missing."""
        return cls(Stores(path.state_prefix).of(path.root), path, node, instance)

    @cached_property
    def background(self) -> Background:
        return Background(SPACING_SECONDS if is_cloud(self.path.root) else 0.0)

    @cached_property
    def records(self) -> Records:
        return Records(self, self.background, clock=self.clock)

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(self, self.background)

    @cached_property
    def failure_reset(self) -> FailureReset:
        return FailureReset(self, self.background, self.records.server_time)

    @cached_property
    def locks(self) -> StoreLocks:
        return StoreLocks(self, self.background)

    @cached_property
    def code(self) -> PublishedCode:
        return PublishedCode(self)

    @cached_property
    def content(self) -> Content:
        return Content(self, self.background, self.clock)

    @cached_property
    def actions(self) -> Actions:
        return Actions(self, self.outcomes)

    def run_log(
        self,
        name: str,
        generation: str,
        *,
        redact: Redactor,
        limit: int,
        count: Callable[[int], None] = lambda _: None,
    ) -> RunLog:
        """This node's log of that run, to be entered. `limit` in bytes; `count` hears how many bytes were stored."""
        url = self.path.log(name, generation, self.node)
        return RunLog(self.store, url, redact=redact, background=self.background, limit=limit, count=count)

    def task_log(self, name: str, generation: str, *, redact: Redactor) -> TaskLog:
        """What the tasks of that run do on this node, to be entered."""
        url = self.path.tasks(name, generation, self.node)
        return TaskLog(self.store, url, redact=redact, background=self.background, limit=MAX_FILE_BYTES)

    def reader(self) -> Reader:
        """A new one, not for several threads at a time."""
        return Reader(self)

    def tails(self, name: str, generation: str, node: str | None = None) -> Tails:
        """The logs of that run as they grow, of all nodes or of `node`."""
        return Tails(self, name, generation, node)

    def retention(self, keep_seconds: float) -> Retention:
        """What removes records and logs older than that."""
        return Retention(self, keep_seconds)
