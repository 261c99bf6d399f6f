"""The heartbeat: one small object that says this node is alive, written each minute and when what it says changed.

It also is where this node learns the storage server's time, and sees another agent that must not be there: one with an
embedded scheduler beside other live nodes would run every task twice, and two of the same name take each other's place
in records and logs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from poltergust.base.loops import Loop
from poltergust.path.liveness import HEARTBEAT_SECONDS, LIVE_SECONDS
from poltergust.path.records import NodeRecord, Records
from poltergust.stores import StoreError

log = logging.getLogger(__name__)

SPACING_SECONDS = 2.0
"""Least seconds between two writes: Cloud Storage takes about one a second for one object."""

RETRY_SECONDS = 10.0
"""Seconds until the next try after a beat that could not be written."""


class Heartbeat:
    """Writes `describe()` in a thread of its own. `conflicting_nodes` is the problem text while this node must not
    take runs, `duplicate_node` while another agent bears its name, `problem` while beats cannot be written."""

    def __init__(self, records: Records, describe: Callable[[], NodeRecord], *, embedded: bool) -> None:
        self._records = records
        self._describe = describe
        self._embedded = embedded
        self._loop = Loop("heartbeat", self._turn)
        self._written: NodeRecord | None = None  # without what changes all the time
        self._due = time.monotonic()  # the next beat, whether or not anything changed
        self._duplicate_seen = float("-inf")
        self.turned = time.monotonic()  # when the thread last ended a turn
        self.conflicting_nodes = ""
        self.duplicate_node = ""
        self.problem = ""

    def start(self) -> None:
        """The first beat is written before this returns, so that others see this node before it takes anything."""
        self._beat(self._describe())
        self._loop.start(self._until_due())

    def changed(self) -> None:
        """Something in the description may have changed: it is compared soon, and written if it did."""
        self._loop.wake()

    def stop(self, *, gone: bool = True) -> None:
        """On a clean stop the node is `gone`, and says so by leaving no heartbeat; a duplicate node's stays."""
        self._loop.stop()
        if gone and not self.duplicate_node:
            self._records.drop_node()

    def _turn(self) -> float:
        if not self._loop.stopping.wait(SPACING_SECONDS):
            record = self._describe()
            if not self._until_due() or _essence(record) != self._written:
                self._beat(record)
        self.turned = time.monotonic()
        return self._until_due()

    def _until_due(self) -> float:
        return max(0.0, self._due - time.monotonic())

    def _beat(self, record: NodeRecord) -> None:
        self._look_for_duplicate(record)
        if self._records.save_node(record) is None:
            self.problem = "this node's heartbeat cannot be written; other nodes take it for gone"
            self._due = time.monotonic() + RETRY_SECONDS
        else:
            self.problem = ""
            self._written = _essence(record)
            self._due = time.monotonic() + HEARTBEAT_SECONDS
        if self._embedded:
            self._look_for_others(record.node)
            if self.conflicting_nodes:  # nothing is taken until the others are gone: see soon that they are
                self._due = min(self._due, time.monotonic() + RETRY_SECONDS)

    def _look_for_duplicate(self, record: NodeRecord) -> None:
        """Whoever wrote this node's heartbeat since this agent did bears its name, and lives."""
        if self._written is None:
            return  # what stands there now may be an earlier life's
        seen = self._records.load_node()
        now = time.monotonic()
        if seen is not None and seen.record.instance != record.instance:
            self._duplicate_seen = now
            if not self.duplicate_node:
                self.duplicate_node = (
                    f"another agent on this path is called {record.node} too (host {seen.record.host}, process "
                    f"{seen.record.pid}): give each its own --node"
                )
                log.error("%s", self.duplicate_node)
        elif self.duplicate_node and now - self._duplicate_seen > LIVE_SECONDS:
            log.info("no other agent is called %s any more", record.node)
            self.duplicate_node = ""

    def _look_for_others(self, node: str) -> None:
        try:
            others = [other.node for other in self._records.live_nodes()]
        except StoreError as error:
            log.warning("cannot see which other nodes are alive: %s", error)
            return
        if self.duplicate_node:
            others.append(f"another {node}")
        conflicting_nodes = ""
        if others:
            conflicting_nodes = (
                f"{', '.join(others)} is alive on this path too, and this agent runs a scheduler of its own: every "
                "task would run twice. Start all nodes with the same --scheduler-url. Taking nothing until then"
            )
        if conflicting_nodes and not self.conflicting_nodes:
            log.error("%s", conflicting_nodes)
        if self.conflicting_nodes and not conflicting_nodes:
            log.info("alone on this path again, taking runs")
        self.conflicting_nodes = conflicting_nodes


def _essence(record: NodeRecord) -> NodeRecord:
    """What is worth a write before the minute is over."""
    return replace(record, waiting=0)
