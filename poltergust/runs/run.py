"""What one node remembers of one run (a name and a generation), from its first attempt here to its end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import Redactor
from poltergust.luigi_run import Report
from poltergust.path.background import Begun
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config
from poltergust.path.records import NodeRecord, PhaseTimings, Records, RunRecord, State
from poltergust.runs.journal import Journal


@dataclass(frozen=True)
class Verdict:
    """What an attempt, or the question whether one is worth it, came to: a reason, one line for people, and what failed
    in the pipeline.

    `delay`: the least number of seconds before the next attempt; None where the reason sets none.
    """

    reason: Reason
    text: str
    failures: tuple[TaskFailure, ...] = ()
    delay: float | None = None

    @property
    def kind(self) -> ReasonKind:
        return self.reason.kind

    @property
    def outcome(self) -> Kind | None:
        """What the config is renamed to, if this is the end."""
        return {ReasonKind.DONE: Kind.DONE, ReasonKind.INVALID: Kind.ERROR, ReasonKind.FAILED: Kind.ERROR}.get(
            self.kind
        )


@dataclass
class Run:
    """One run on this node. Only the worker thread that holds the name touches it, `progress` and `freed` aside."""

    config: Config
    record: RunRecord
    began: float  # monotonic seconds; when it was first seen here, by an earlier agent of this name too
    restored: bool = False  # from the journal: an earlier agent of this name had it
    starts: int = 0  # Luigi processes started for it by this agent
    built: str = ""  # the key of the environment that this agent built for it
    in_luigi: bool = False  # the latest attempt started Luigi
    attempting: bool = False  # the latest attempt is counted, and its verdict not yet recorded
    budget: int = 1  # attempts on this node, the first included
    environment_file: bytes = b""  # the text of the latest attempt's
    deadline: float | None = None  # monotonic seconds; from the task file's `timeout`
    ready_at: float | None = None  # its environment was ready here first then, by the clock of `RunWatch`
    rests_until: float = 0.0  # by the same clock: it was found to have nothing for this node
    look_due: float = 0.0  # monotonic seconds; the next look for external data, whoever brings the name back before
    nodes: tuple[str, ...] = ()  # labels that a node must have, from the task file
    order: tuple[object, list[str]] = (None, [])  # in which nodes begin it, after what it was made of; see `Turns`
    absent_since: dict[str, float] = field(default_factory=dict)  # an object was missing first then, monotonic seconds
    awaited: str = ""  # the object that was missing in the latest attempt
    verdict: Verdict | None = None  # the outcome is known, only the rename is left
    progress: Callable[[], Progress] = Progress
    freed: threading.Event = field(default_factory=threading.Event)  # tasks that others had can run again, since asked
    phase_timings: PhaseTimings = field(default_factory=PhaseTimings)
    root_task_id: str = ""  # as the scheduler knows it: a parameter in it may be a secret, which no record holds
    claim: Begun[bool] | None = None  # whether this node resets earlier failures, asked when the attempt began
    claimed: float = 0.0  # then, monotonic seconds
    redact: Redactor = field(default_factory=lambda: Redactor(()))  # knows the secrets of the latest attempt's files

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def untouched(self) -> bool:
        """Whether this node has not started anything for it, in an earlier life neither."""
        return self.starts == 0 and not self.built and not self.restored

    @cached_property
    def worker_part(self) -> str:
        """What the Luigi worker ids of this run have in common on all nodes, with a dash at both ends."""
        return f"-{hashlib.sha256(f'{self.name}{chr(0)}{self.config.generation}'.encode()).hexdigest()[:8]}-"

    def worker_id(self, node: str, instance: str) -> str:
        """Of the latest Luigi process of that agent, which no other process has or had; before the first one starts, of
        none. Names the node for people, the run and start for us."""
        return f"poltergust-{node}-{instance}{self.worker_part}{self.starts}"

    def may_run_on(self, node: NodeRecord) -> bool:
        """Whether that node, by its heartbeat, takes runs and has the labels that this one asks for."""
        return node.taking and set(node.labels).issuperset(self.nodes)

    def has_not_started(self) -> None:
        """The attempt ended before Luigi: it was not this node's turn. It is not one of those that were made."""
        self.record = replace(self.record, attempts_made=self.record.attempts_made - 1)

    def record_progress(self, report: Report) -> None:
        """Keep what the report says of the pipeline; written with the next `save`. Nothing else of the Luigi process is
        kept: thousands of runs may wait."""
        progress = report.progress
        self.progress = lambda: progress
        self.root_task_id = report.root_task_id or self.root_task_id
        self.record = replace(
            self.record,
            root_task_id=self.redact(self.root_task_id) or self.record.root_task_id,
            progress=report.progress,
            timings=self.phase_timings,
        )

    def keep(self, journal: Journal, record: RunRecord, now: float | None) -> None:
        """Take `record` as this run's, and keep it in the journal. `now` by the server's clock, None while that is not
        known: the first record says when the run started, the one that says `ENDED` when it ended."""
        ended = (record.ended or now) if record.state is State.ENDED else None
        self.record = replace(record, started=record.started or now, ended=ended)
        journal.keep(self.record)

    def save(self, records: Records, journal: Journal, record: RunRecord, *, quiet: bool = False) -> None:
        """`keep` it, and have it written for others soon; `quiet` as in `Records.queue_run`."""
        self.keep(journal, record, records.server_time())
        records.queue_run(self.record, quiet=quiet)


def reason_of(code: str | None) -> Reason | None:
    """The reason of that code; None for a code of a newer version."""
    return next((reason for reason in Reason if reason.code == code), None)
