"""One config from read to rename: every look at a name goes through here, top to bottom.

    read config@generation -> parse -> environment file -> attempt (environment, Luigi) -> verdict -> outcome

The bucket is the truth and is read at every look; what this node remembers of a run only saves it work. Errors become
verdicts in one place, verdicts become outcomes in one place, and nothing here sleeps: the caller is told when to come
again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

from poltergust.base.agent_log import about
from poltergust.base.errors import NodeError, Permanent, RunError, Temporary, UsageError
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import Redactor
from poltergust.base.stopping import Stopping
from poltergust.base.text import one_line
from poltergust.documents import MAX_BYTES, parse_environment_file, parse_task_file
from poltergust.environments import EnvironmentSpec
from poltergust.luigi_run import GraphStatus
from poltergust.node.settings import Settings
from poltergust.path import layout
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config, Outcomes, RenameResult
from poltergust.path.records import Records, State
from poltergust.runs.attempt import Attempts
from poltergust.runs.retry_policy import RetryPolicy
from poltergust.runs.run import Run, Runs, Verdict, reason_of
from poltergust.runs.stop_condition import StopCondition
from poltergust.stores import Denied, NotFound, Store
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

ENVIRONMENT_GRACE = 60.0
"""Seconds an environment object may be missing: `gsutil -m cp` uploads in any order."""


class Reconciler:
    """Looks at names for one node. `look` is called from many threads, never twice at a time for one name."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Callable[[str], Store],
        records: Records,
        runs: Runs,
        outcomes: Outcomes,
        pipeline: Attempts,
        standing: Callable[[str], GraphStatus],
        retry_policy: RetryPolicy,
        stopping: Stopping,
        clock: Callable[[], float],
        on_ending: Callable[[Run, Verdict, RenameResult], None] = lambda run, verdict, ending: None,
        on_verdict: Callable[[Verdict], None] = lambda verdict: None,
    ) -> None:
        """`store` gives the store for a URL; `standing` asks the scheduler how a root task stands. `on_ending` hears
        what came of each rename (of a refused one when the storage's words are new), `on_verdict` of each look."""
        self._settings = settings
        self._path = settings.path
        self._store = store
        self._records = records
        self._runs = runs
        self._outcomes = outcomes
        self._pipeline = pipeline
        self._standing = standing
        self._retry_policy = retry_policy
        self._stopping = stopping
        self._clock = clock
        self._on_ending = on_ending
        self._on_verdict = on_verdict
        self._redact = Redactor((settings.environ,))

    def look(self, item: Item) -> float | None:
        """Look at the name once, run what is to be run. Seconds until the next look, None: nothing is left to do.

        Raises `RunError` only where the storage did not answer: look again later.
        """
        url = self._path.of(item.name, Kind.CONFIG)
        try:
            blob = self._store(url).read(url, limit=MAX_BYTES)
        except NotFound:
            return self._gone(item.name)
        with about(generation=blob.generation):
            known = self._runs.get(item.name)
            if known is not None and known.config.generation != blob.generation:
                self._retry_policy.forget(item.name)
            run = self._runs.of(Config(item.name, blob.generation, blob.data))
            verdict = run.verdict if run.verdict is not None else self._attempt(run, item)
            self._on_verdict(verdict)
            return self._conclude(run, verdict)

    def _gone(self, name: str) -> float | None:
        """No config: nothing to run. A success not yet written down because the storage did not answer or refused
        still is: another node's error may stand where it belongs."""
        run = self._runs.get(name)
        if run is None or run.verdict is None:
            if run is not None and run.record.state not in (State.ENDED, State.GAVE_UP):
                self._note(run, State.ENDED, Verdict(Reason.CONFIG_GONE, "its config is gone, or has its outcome"))
            self._forget(name)
            return None
        return self._conclude(run, run.verdict)

    # What happened, as a verdict

    def _attempt(self, run: Run, item: Item) -> Verdict:
        try:
            return self._try(run, item)
        except RunError as error:
            text = one_line(self._redact(str(error)))
            return Verdict(error.reason, text, delay=error.delay if isinstance(error, Temporary) else None)
        except UsageError as error:  # a file names gs:// on a node that has no credentials for it
            text = f"{self._path.of(run.name, Kind.CONFIG)}: {error}"
            return Verdict(Reason.ENVIRONMENT_DENIED, one_line(self._redact(text)))
        except Exception as error:  # a bug that one run shows must not end the node, nor look like the node's death
            log.exception("%s: unexpected; please report this", run.name)
            text = f"{type(error).__name__} in Poltergust itself; the log of the agent on this node says more"
            return Verdict(Reason.INTERNAL_ERROR, text)

    def _try(self, run: Run, item: Item) -> Verdict:
        url = self._path.of(run.name, Kind.CONFIG)
        self._path.check(run.name, run.config.generation, self._settings.node)
        task = parse_task_file(run.config.data, url)
        if task.timeout is not None:
            run.deadline = run.began + task.timeout
            if self._clock() >= run.deadline:
                return Verdict(Reason.TIMEOUT, f"{url}: not complete within its timeout of {task.timeout:g} s")
        waiting = self._still_waiting(run)
        if waiting is not None:
            return waiting
        run.budget = (self._settings.runs.retries if task.retries is None else task.retries) + 1
        if run.record.attempts >= run.budget:
            return self._spent(run)
        # Counted, and written down, before it starts: an attempt that takes the agent with it counts as well.
        run.note(self._records, state=State.PREPARING, attempts=run.record.attempts + 1, reason=None, text="")
        log.info(
            "%s: attempt %d of %d, generation %s", run.name, run.record.attempts, run.budget, run.config.generation
        )
        spec = self._environment_file(run, layout.resolve(task.environment, url))
        stop_condition = StopCondition(
            self._store(url),
            self._path,
            self._outcomes,
            run.config,
            item,
            self._stopping,
            self._clock,
            run.deadline,
        )
        return self._pipeline.attempt(run, task, spec, item, stop_condition)

    def _environment_file(self, run: Run, url: str) -> EnvironmentSpec:
        allowed = self._settings.runs.allow_environments
        if allowed and not any(fnmatchcase(url, pattern) for pattern in allowed):
            raise Permanent(
                Reason.ENVIRONMENT_NOT_ALLOWED,
                f"{url} is not among the environments this node allows ({', '.join(allowed)})",
            )
        try:
            blob = self._store(url).read(url, limit=MAX_BYTES)
        except NotFound:
            now = self._clock()
            if run.absent_since is None:
                run.absent_since = now
            if now - run.absent_since >= ENVIRONMENT_GRACE:
                text = f"{url}: no such environment file, {ENVIRONMENT_GRACE:g} s after the config was seen"
                raise Permanent(Reason.ENVIRONMENT_MISSING, text) from None
            text = f"waiting for the environment file {url}"
            raise Temporary(Reason.ENVIRONMENT_AWAITED, text, delay=1.0) from None
        except Denied as error:
            raise NodeError(Reason.ENVIRONMENT_DENIED, str(error)) from error
        run.absent_since = None
        return parse_environment_file(blob.data, url)

    def _still_waiting(self, run: Run) -> Verdict | None:
        """Whether, by one cheap question to the scheduler, there is still nothing here to start a process for."""
        if run.record.state is not State.WAITING or run.record.reason != Reason.OTHERS_RUN.code:
            return None
        standing = self._standing(run.record.root_task_id)
        if standing.runnable or not standing.running:
            return None
        run.record = replace(run.record, progress=standing.progress)
        return Verdict(Reason.OTHERS_RUN, f"waiting for {standing.running} tasks that other nodes run")

    def _spent(self, run: Run) -> Verdict:
        """No attempts are left: what the last one said, or nothing if it took the agent with it."""
        known = reason_of(run.record.reason)
        if run.record.state is State.GAVE_UP and known is not None:
            return Verdict(known, run.record.text)
        text = f"this node's agent ended {run.record.attempts} times while it ran this; its log says more"
        return Verdict(Reason.AGENT_DIED, text)

    # What to do about it

    def _conclude(self, run: Run, verdict: Verdict) -> float | None:
        if verdict.outcome is not None:
            return self._finish(run, verdict, verdict.outcome)
        if verdict.kind is ReasonKind.NODE:
            return self._node_cannot(run, verdict)
        if verdict.kind is ReasonKind.SUPERSEDED:
            self._note(run, State.ENDED, verdict)
            self._forget(run.name)
            return 0.0 if verdict.reason is Reason.NEWER_GENERATION else None
        self._note(run, State.WAITING if verdict.kind is ReasonKind.WAITING else State.RETRYING, verdict)
        return self._again(run, verdict)

    def _node_cannot(self, run: Run, verdict: Verdict) -> float | None:
        """Counted attempts with growing delays; then this node has given up, and the last one to do so says error."""
        if run.record.attempts < run.budget:
            self._note(run, State.RETRYING, verdict)
            return self._again(run, verdict)
        self._note(run, State.GAVE_UP, verdict, again=True)  # others wait for this word, and any record may be lost
        at_it = self._others_at_it(run)
        if at_it:
            log.info("%s: gave up here, still at it: %s", run.name, ", ".join(at_it))
            return None  # looked at again at every scan
        text = f"no node can run it; on {self._settings.node}: {verdict.reason.code}: {verdict.text}"
        return self._finish(run, Verdict(Reason.GAVE_UP, text), Kind.ERROR)

    def _others_at_it(self, run: Run) -> list[str]:
        """The other live nodes that may still bring this run to its outcome: those that have not given up. One that
        was stopped and is back has ended its run, and is about to take it up again."""
        states = {seen.record.node: seen.record.state for seen in self._records.runs(run.name, run.config.generation)}
        live = (node.node for node in self._records.live_nodes() if node.taking)
        return [node for node in live if states.get(node) is not State.GAVE_UP]

    def _finish(self, run: Run, verdict: Verdict, kind: Kind) -> float | None:
        if run.verdict is None:
            run.verdict = verdict
            run.note(
                self._records,
                state=State.FINISHED,
                outcome=kind.value,
                reason=verdict.reason.code,
                text=verdict.text,
                failures=verdict.failures,
            )
        ending, words = self._outcomes.finish(run.config, kind)
        if ending is RenameResult.REFUSED:
            refusal = one_line(self._redact(words))
            if run.record.refused != refusal:
                log.error("%s is %s, but cannot be renamed: %s", run.name, kind.value, refusal)
                run.note(self._records, refused=refusal)
                self._on_ending(run, verdict, ending)
            return self._retry_policy.delay(run.name, Verdict(Reason.RENAME_REFUSED, refusal))
        run.note(self._records, state=State.ENDED, renamed=ending is RenameResult.WON, refused="")
        log.info("%s: %s (%s: %s), rename %s", run.name, kind.value, verdict.reason.code, verdict.text, ending.value)
        self._on_ending(run, verdict, ending)
        self._forget(run.name)
        return 0.0 if ending is RenameResult.NEWER else None

    def _note(self, run: Run, state: State, verdict: Verdict, *, again: bool = False) -> None:
        """Write down where the run is; `again` also if that is what the record says already."""
        attempts = run.record.attempts
        if verdict.kind is not ReasonKind.NODE and run.record.state in (State.PREPARING, State.RUNNING):
            attempts -= 1  # it was not this node's failure: the attempt does not count
        now = (state, verdict.reason.code, verdict.text, attempts)
        if now != (run.record.state, run.record.reason, run.record.text, run.record.attempts):
            level = logging.WARNING if verdict.kind in (ReasonKind.NODE, ReasonKind.TRANSIENT) else logging.INFO
            log.log(level, "%s: %s: %s: %s", run.name, state.value, verdict.reason.code, verdict.text)
            again = True
        if again:
            run.note(self._records, state=state, reason=verdict.reason.code, text=verdict.text, attempts=attempts)

    def _again(self, run: Run, verdict: Verdict) -> float:
        delay = self._retry_policy.delay(run.name, verdict)
        if run.deadline is None:
            return delay
        return min(delay, max(0.0, run.deadline - self._clock()))

    def _forget(self, name: str) -> None:
        self._runs.forget(name)
        self._retry_policy.forget(name)
