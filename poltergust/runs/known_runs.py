"""The runs that this node remembers."""

from __future__ import annotations

import threading
from dataclasses import replace

from poltergust.base.reasons import Reason
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config
from poltergust.path.records import RunRecord, State
from poltergust.runs.context import RunContext
from poltergust.runs.run import Run, Verdict, reason_of


class Runs:
    """By name. An entry leaves when its run has ended here. Safe to use from several threads."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._known: dict[str, Run] = {}

    def of(self, config: Config) -> Run:
        """The run of this very config: the one known, or a new one with what the journal knows of it."""
        with self._lock:
            known = self._known.get(config.name)
        if known is not None and known.config.generation == config.generation:
            return known
        run = self._restore(config)
        with self._lock:
            self._known[config.name] = run
        return run

    def knows(self, name: str) -> bool:
        with self._lock:
            return name in self._known

    def get(self, name: str) -> Run | None:
        """The run of that name that is known, whichever generation it is of."""
        with self._lock:
            return self._known.get(name)

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def all(self) -> list[Run]:
        with self._lock:
            return list(self._known.values())

    def _restore(self, config: Config) -> Run:
        """From the journal alone: whoever can write beside the path would decide an outcome with a record there. A node
        that lost its journal is a new node, and makes its own attempts."""
        context = self._context
        now = context.clock.monotonic()
        known = context.journal.load(config.name, config.generation)
        record = known or RunRecord(config.name, config.generation, context.node)
        record = replace(record, node=context.node, scheduler=context.scheduler.shown_url)
        if (record.state, record.reason) == (State.GAVE_UP, Reason.NEWER_FILE.code):
            # This agent may be the newer version.
            record = replace(record, state=State.PREPARING, attempts=0, reason=None, text="")
        run = Run(config, record, began=now, restored=known is not None, phase_timings=record.timings)
        server_time = context.state.records.server_time()
        if record.started is not None and server_time is not None:
            run.began -= max(0.0, server_time - record.started)
        if record.state is State.FINISHED and record.outcome is not None:
            # The outcome was known when the agent died or the storage refused: only the rename is left.
            otherwise = Reason.COMPLETE if record.outcome == Kind.DONE.value else Reason.GAVE_UP
            run.verdict = Verdict(reason_of(record.reason) or otherwise, record.text)
        return run
