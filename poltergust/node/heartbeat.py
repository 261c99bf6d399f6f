"""The heartbeat: one small object that says this node is alive, written each minute and when what it says changed.

It also gives the node its name. Two agents of one name would take each other's place in records and logs: a newcomer
takes the name only when no heartbeat stands there, or one that is not kept up by the storage server's clock. Whoever
writes it later takes it from nobody: an agent that keeps its heartbeat up reports that, and goes on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from poltergust.base.loops import Loop
from poltergust.node.conflicts import Conflicts
from poltergust.path.liveness import HEARTBEAT_SECONDS, LIVE_SECONDS, NAME_FREE_SECONDS
from poltergust.path.records import Holder, NodeRecord, Records
from poltergust.stores import StoreError, Unavailable

log = logging.getLogger(__name__)

SPACING_SECONDS = 2.0
"""Least seconds between two writes: Cloud Storage takes about one a second for one object."""

LOOK_SECONDS = 5.0
"""Between two looks at what nobody tells of when it changes: who waits for a slot, what is wrong."""

RETRY_SECONDS = 10.0
"""Seconds until the next try after a beat that could not be written."""

NAME_CHECK_SECONDS = 2.0
"""Between two reads of the heartbeat of another agent that holds this node's name."""


STOP_SECONDS = 5.0
"""How long `stop` waits for a request that is under way."""


class Heartbeat:
    """Writes `describe()` in a thread of its own. `admitted` is set once this node has its name. `refusal` says why it
    must not take runs now, empty while it may; `duplicate_node` is the problem text while another agent bears its name,
    `problem` while beats cannot be written. `since` is when it got its name, by the storage server's clock."""

    def __init__(
        self,
        records: Records,
        describe: Callable[[], NodeRecord],
        *,
        embedded: bool,
        ended_instances: Collection[str] = (),
    ) -> None:
        """`embedded`: this agent runs a scheduler of its own. `ended_instances`: agents of this name known to have
        ended, whose heartbeats count for nothing."""
        self._records = records
        self._describe = describe
        self._conflicts = Conflicts(records, embedded=embedded)
        self._ended_instances = ended_instances
        self._loop = Loop("heartbeat", self._turn)
        self._holds_name = False
        self._written: NodeRecord | None = None  # without what changes all the time
        self._written_at: float | None = None  # by the server's clock
        self._waiting: NodeRecord | None = None  # what was written while another agent held the name, as `_written`
        self._waiting_due = float("-inf")
        self._due = time.monotonic()  # the next beat, whether or not anything changed
        self._duplicate_seen = float("-inf")
        self._watched: tuple[str, float] | None = None  # another's heartbeat: its generation, when it was first seen
        self.admitted = threading.Event()
        self.since: float | None = None
        self.turned = time.monotonic()  # when the thread last ended a turn
        self.duplicate_node = ""
        self.problem = ""

    @property
    def conflicting_nodes(self) -> str:
        """The problem text while a scheduler too many is on the path, else empty."""
        return self._conflicts.problem

    @property
    def refusal(self) -> str:
        """Why this node must not take runs now; empty while it may."""
        return self.conflicting_nodes or ("" if self._holds_name else self.duplicate_node)

    def start(self) -> None:
        """Returns at once. Nothing is to be taken before `admitted` is set: others see this node from then on."""
        self._loop.start()

    def changed(self) -> None:
        """Something in the description may have changed: it is compared soon, and written if it did."""
        self._loop.wake()

    def stop(self, *, gone: bool = True) -> None:
        """On a clean stop the node is `gone`, and says so by leaving no heartbeat. Otherwise the heartbeat stays for
        the next pass. Another agent's always stays."""
        if not self._loop.stop(STOP_SECONDS) or self.problem:
            return  # the storage, which did not answer the thread, would not answer us either
        if self._waiting is not None:
            self._records.drop_waiting()
        if gone:
            self._records.drop_node()
        elif self._holds_name:
            self._records.save_node(replace(self._describe(), instance=""))

    # The thread.

    def _turn(self) -> float:
        if not self._holds_name:
            self._take_name()
        elif not self._loop.stopping.wait(SPACING_SECONDS):
            record = self._describe()
            if not self._until_due() or _essence(record) != self._written:
                self._beat(record)
        self.turned = time.monotonic()
        if self._conflicts.problem:  # see soon that the others have gone
            self._due = min(self._due, self.turned + RETRY_SECONDS)
        return min(self._until_due(), LOOK_SECONDS)

    def _until_due(self) -> float:
        return max(0.0, self._due - time.monotonic())

    def _beat(self, record: NodeRecord) -> None:
        if self._look_for_duplicate(record):
            return
        self._note_write(record, self._records.save_node(record))
        if self._conflicts.problem:
            with contextlib.suppress(Unavailable):  # nothing is taken meanwhile
                self._conflicts.look_again()

    def _note_write(self, record: NodeRecord, written_at: float | None) -> None:
        if written_at is None:
            self.problem = "this node's heartbeat cannot be written; other nodes take it for gone"
            self._due = time.monotonic() + RETRY_SECONDS
        else:
            self.problem = ""
            self._written, self._written_at = _essence(record), written_at
            self._due = time.monotonic() + HEARTBEAT_SECONDS

    # Two agents of one name

    def _take_name(self) -> None:
        """Take this node's name, or wait for it. Without the right to keep heartbeats nothing is to be found out, and
        the node works all the same."""
        record = self._describe()
        try:
            holder = self._records.name_holder()
            if self._is_held(holder, record.instance):
                self._wait_for_name(holder)
                return
            written_at = self._records.claim_node(record, holder)
            if written_at is None:
                self._due = time.monotonic()  # somebody was quicker: see who
                return
            self._note_write(record, written_at)
            self._admit(written_at)
        except Unavailable as error:
            problem = f"waiting for the storage: {error}"
            if not self.problem:
                log.warning("%s; tried again", problem)
            self.problem = problem
            self._due = time.monotonic() + NAME_CHECK_SECONDS
            return
        except StoreError as error:
            log.warning("this node's heartbeat is refused, going on without: %s", error)
            self._note_write(record, None)
            self._admit(self._records.server_time())

    def _admit(self, since: float | None) -> None:
        """This node has its name. Raises `Unavailable` before anything but that is known."""
        if not self.admitted.is_set():
            self.since = since
            self._conflicts.look_first(since)
        if self.duplicate_node:
            log.info("no other agent has this node's name any more")
        if self._waiting is not None:
            self._records.drop_waiting()
        self._waiting, self._watched, self.duplicate_node = None, None, ""
        self._holds_name = True
        self.admitted.set()

    def _is_held(self, holder: Holder, own: str) -> bool:
        """Whether another agent keeps this heartbeat up. Its age is measured twice, by the server's clock and by how
        long it has stood unchanged before us: a server's clock that was set back must not block a name for ever."""
        seen = holder.seen
        if seen is None or seen.record.instance in ("", own) or seen.record.instance in self._ended_instances:
            return False
        if self._watched is None or self._watched[0] != holder.generation:
            self._watched = (holder.generation, time.monotonic())
        now = self._records.server_time()
        age = max(0.0 if now is None else now - seen.updated, time.monotonic() - self._watched[1])
        return age < NAME_FREE_SECONDS

    def _wait_for_name(self, holder: Holder) -> None:
        assert holder.seen is not None
        other = holder.seen.record
        if not self.duplicate_node:
            self.duplicate_node = (
                f"waiting: another agent on this path is called {other.node} too (host {other.host}, process "
                f"{other.pid}). If it was killed, this one takes its place within {NAME_FREE_SECONDS:.0f} s; if it is "
                "alive, stop it, or give this one a name of its own with --node"
            )
            log.warning("%s", self.duplicate_node)
        self.problem = ""
        record = self._describe()
        now = time.monotonic()
        if _essence(record) != self._waiting or now >= self._waiting_due:
            self._records.save_waiting(record)
            self._waiting, self._waiting_due = _essence(record), now + HEARTBEAT_SECONDS
        self._due = now + NAME_CHECK_SECONDS

    def _look_for_duplicate(self, record: NodeRecord) -> bool:
        """Whether this node has lost its name. Whoever wrote its heartbeat although this agent kept it up bears its
        name wrongly: that is reported, and this agent goes on. One that was silent was rightly taken for gone."""
        try:
            seen = self._records.name_holder().seen
        except StoreError as error:
            log.warning("cannot read this node's heartbeat: %s", error)
            return False
        now = time.monotonic()
        if seen is not None and seen.record.instance not in ("", record.instance):
            if self._was_silent():
                self._holds_name = False
                self._due = now
                return True
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
        return False

    def _was_silent(self) -> bool:
        now = self._records.server_time()
        return now is not None and self._written_at is not None and now - self._written_at >= NAME_FREE_SECONDS


def _essence(record: NodeRecord) -> NodeRecord:
    """What is worth a write before the minute is over."""
    return replace(record, waiting=0, since=None)
