"""The heartbeat: one small object that says this node is alive, written each minute and when something changes.

It also is where this node learns the storage server's time, and sees another node that must not be there: an agent with
an embedded scheduler beside other live nodes would run every task twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from poltergust.errors import RunError
from poltergust.records import NodeRecord, Records
from poltergust.settings import HEARTBEAT_SECONDS

log = logging.getLogger(__name__)

SPACING = 2.0
"""Least seconds between two writes: Cloud Storage takes about one a second for one object."""


class Heartbeat:
    """Writes `describe()` in a thread of its own. `crowd` is the problem text while this node must not take runs."""

    def __init__(self, records: Records, describe: Callable[[], NodeRecord], *, embedded: bool) -> None:
        self._records = records
        self._describe = describe
        self._embedded = embedded
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poltergust-heartbeat", daemon=True)
        self.crowd = ""

    def start(self) -> None:
        """The first beat is written before this returns, so that others see this node before it takes anything."""
        self._beat()
        self._thread.start()

    def changed(self) -> None:
        """Something in the description changed: write soon."""
        self._changed.set()

    def stop(self, *, gone: bool = True) -> None:
        """On a clean stop the node is `gone`, and says so by leaving no heartbeat."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        if gone:
            self._records.drop_node()

    def _run(self) -> None:
        while True:
            self._changed.wait(HEARTBEAT_SECONDS)
            if self._stopping.wait(SPACING):
                return
            self._changed.clear()
            self._beat()

    def _beat(self) -> None:
        self._records.save_node(self._describe())
        if not self._embedded:
            return
        try:
            others = [node.node for node in self._records.live_nodes()]
        except RunError as error:
            log.warning("cannot see which other nodes are alive: %s", error)
            return
        crowd = ""
        if others:
            crowd = (
                f"{', '.join(others)} is alive on this path too, and this agent runs a scheduler of its own: every "
                "task would run twice. Start all nodes with the same --scheduler-url. Taking nothing until then"
            )
        if crowd and not self.crowd:
            log.error("%s", crowd)
        if self.crowd and not crowd:
            log.info("alone on this path again, taking runs")
        self.crowd = crowd
