"""One config from read to rename: whatever happens to a name goes through here, top to bottom.

    read config@generation -> parse -> environment file -> attempt (environment, Luigi) -> verdict -> outcome

The bucket is the truth and is read each time; what this node remembers of a run only saves it work. Errors become
verdicts in one place here, verdicts become outcomes in one place (`conclusions.py`), one retry policy says when to come
again, and nothing sleeps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from poltergust.base.agent_log import about
from poltergust.base.errors import RunError, Temporary, UsageError
from poltergust.base.reasons import Reason
from poltergust.base.redaction import Redactor
from poltergust.base.text import all_of, one_line, plural
from poltergust.documents import MAX_BYTES, TaskFile
from poltergust.luigi_run import GraphStatus
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config
from poltergust.path.records import State
from poltergust.runs.attempt import Attempts
from poltergust.runs.conclusions import Conclusions
from poltergust.runs.context import RunContext
from poltergust.runs.files import RunFiles
from poltergust.runs.first_node import Turns
from poltergust.runs.known_runs import Runs
from poltergust.runs.retry_policy import Result, RetryPolicy
from poltergust.runs.run import Run, Verdict, reason_of
from poltergust.runs.storage_reasons import storage_reasons
from poltergust.stores import NotFound, Store
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reconciler:
    """Brings the world nearer to what a config asks, for one node. `reconcile` is called from many threads, never twice
    at a time for one name."""

    def __init__(
        self, context: RunContext, runs: Runs, attempts: Attempts, turns: Turns, store_of: Callable[[str], Store]
    ) -> None:
        """`store_of` gives the store for a URL that a task file names."""
        self._context = context
        self._state = context.state
        self._runs = runs
        self._attempts = attempts
        self._turns = turns
        self._files = RunFiles(context, store_of)
        self._retry_policy = RetryPolicy()
        self._redact = Redactor((context.variables,), names=context.names)
        self._conclusions = Conclusions(context, runs, turns, self._retry_policy, self._redact)

    def reconcile(self, item: Item) -> Result:
        """Read the config, run what is to be run, rename what has its outcome.

        An error that is no attempt's (the storage does not answer) changes nothing, and the name is reconciled again.
        """
        result = self._or_verdict(item.name, lambda: self._reconcile(item))
        if isinstance(result, Result):
            return result
        log.warning("%s: %s", item.name, result.text)
        return self._retry_policy.after(item.name, result)

    def _reconcile(self, item: Item) -> Result:
        try:
            blob = self._state.store.read(self._state.path.of(item.name, Kind.CONFIG), limit=MAX_BYTES)
        except NotFound:
            return self._conclusions.gone(item.name)
        with about(generation=blob.generation):
            replaced = Verdict(Reason.NEWER_GENERATION, "its config was replaced")
            self._conclusions.replaced(item.name, blob.generation, replaced)
            run = self._runs.of(Config(item.name, blob.generation, blob.data, blob.updated))
            verdict = (
                run.verdict if run.verdict is not None else self._or_verdict(run.name, lambda: self._attempt(run, item))
            )
            if verdict is None:
                return self._conclusions.leave(run)
            self._context.observer.reconciled(verdict)
            return self._conclusions.conclude(run, verdict)

    def _or_verdict(self, name: str, step: Callable[[], T]) -> T | Verdict:
        """What `step` returns, or what it raised as a verdict: the only place where errors become verdicts."""
        try:
            with storage_reasons():
                return step()
        except RunError as error:
            text = one_line(self._redact(str(error)))
            return Verdict(error.reason, text, delay=error.delay if isinstance(error, Temporary) else None)
        except UsageError as error:  # a file names gs:// on a node that has no credentials for it
            text = f"{self._state.path.of(name, Kind.CONFIG)}: {error}"
            return Verdict(Reason.ENVIRONMENT_DENIED, one_line(self._redact(text)))
        except Exception as error:  # a bug that one run shows must not end the node, nor look like the node's death
            log.exception("%s: unexpected; please report this", name)
            text = f"{type(error).__name__} in Poltergust itself; the log of the agent on this node says more"
            return Verdict(Reason.INTERNAL_ERROR, text)

    def _attempt(self, run: Run, item: Item) -> Verdict | None:
        """What an attempt came to, or the question whether one is worth it; None where the run is left to others."""
        url = self._state.path.of(run.name, Kind.CONFIG)
        run.in_luigi = False
        self._state.path.check(run.name, run.config.generation, self._context.node)
        task = self._files.task_file(run)
        if task.timeout is not None:
            run.deadline = run.began + task.timeout
            if self._context.clock.monotonic() >= run.deadline:
                text = f"{url}: not complete within its timeout of {task.timeout:g} s"
                return Verdict(Reason.TIMEOUT, f"{text}; {run.record.text}" if run.record.text else text)
        run.nodes = task.nodes
        if not set(run.nodes) <= set(self._context.settings.labels):
            return self._others_may_run(run)
        if problem := self._context.scheduler.problem():
            raise Temporary(Reason.SCHEDULER_UNREACHABLE, f"waiting for the scheduler: {problem}")
        self._files.await_missing(run)
        run.freed.clear()
        waiting = self._still_waiting(run)
        if waiting is not None:
            return waiting
        run.budget = (self._context.settings.retries if task.retries is None else task.retries) + 1
        if run.record.attempts >= run.budget or run.record.state is State.GAVE_UP:
            return self._no_attempts_left(run)
        # Counted, and written down, before it starts: an attempt that takes the agent with it counts as well.
        record = replace(run.record, attempts=run.record.attempts + 1, attempts_made=run.record.attempts_made + 1)
        record = replace(record, state=State.PREPARING, reason=None, text="", retry_at=None)
        run.keep(self._context.journal, record, self._state.records.server_time())
        run.attempting = True
        failed = f"{record.attempts - 1} of {run.budget} failed on this node"
        words = "%s: attempt %d (%s), generation %s"
        log.info(words, run.name, record.attempts_made, failed, run.config.generation)
        return self._begin(run, item, task, layout.resolve(task.environment, url))

    def _begin(self, run: Run, item: Item, task: TaskFile, environment_url: str) -> Verdict:
        """What an attempt needs of the storage, all at once: for each is waited, and a storage is far away. The journal
        has the attempt already, so that its record may fail."""
        written = None
        if self._turns.is_first(run):
            written = self._state.records.begin_run(run.record)
        else:
            self._state.records.queue_run(run.record, quiet=run.untouched)
        try:
            reading = self._files.begin_environment(environment_url)
            locks = self._attempts.begin(run, environment_url)
            if written is not None:
                written.result()
            return self._attempts.attempt(run, item, task, self._files.environment_file(run, reading), locks)
        finally:
            if run.claim is not None:
                run.claim = None
                self._state.failure_reset.release(run.config)

    def _others_may_run(self, run: Run) -> Verdict | None:
        """Of a run that is not for this node: None if a live node may run it, or another one says that none may. One
        node says it, the first by name, so that a config without nodes costs one record."""
        if run.deadline is None and any(map(run.may_run_on, self._turns.live_nodes.ask())):
            return None  # many configs ask: that a node has just gone is seen at the next scan
        live = [node for node in self._turns.live_nodes.ask(max_age=0.0) if node.taking]
        if any(map(run.may_run_on, live)):
            return None
        if any(node.node < self._context.node for node in live) and run.record.reason != Reason.NO_MATCHING_NODE.code:
            return None
        return Verdict(Reason.NO_MATCHING_NODE, f"no live node has {', '.join(run.nodes)}")

    def _still_waiting(self, run: Run) -> Verdict | None:
        """Whether, by one cheap question to the scheduler, there is still nothing here to start a process for."""
        if run.record.state is not State.WAITING:
            return None
        if run.record.reason == Reason.DATA_MISSING.code and self._context.clock.monotonic() < run.look_due:
            return Verdict(Reason.DATA_MISSING, run.record.text)
        known = run.root_task_id or run.record.root_task_id
        if run.ready_at is not None:
            turn = self._turns.of(run)
            if not turn.waits_for:
                return None
            root = known or turn.root
            graph = self._context.scheduler.graph_status(root) if root else GraphStatus(0, False)
            if graph.running:
                return self._waits(run, graph)
            return Verdict(Reason.OTHERS_RUN, f"waiting: {turn.waits_for}")
        if run.record.reason != Reason.OTHERS_RUN.code:
            return None
        graph = self._context.scheduler.graph_status(known)
        return None if graph.runnable or not graph.running else self._waits(run, graph)

    def _waits(self, run: Run, graph: GraphStatus) -> Verdict:
        """For the tasks that other nodes run."""
        run.record = replace(run.record, progress=graph.progress)
        what = f": {all_of(graph.families)}" if graph.families else ""
        return Verdict(Reason.OTHERS_RUN, f"waiting for {plural(graph.running, 'task')} that other nodes run{what}")

    def _no_attempts_left(self, run: Run) -> Verdict:
        """No attempts are left: what the last one said, or nothing if it took the agent with it."""
        known = reason_of(run.record.reason)
        if run.record.state is State.GAVE_UP and known is not None:
            return Verdict(known, run.record.text)
        text = f"this node's agent ended {run.record.attempts} times while it ran this; its log says more"
        return Verdict(Reason.AGENT_DIED, text)
