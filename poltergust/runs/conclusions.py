"""What follows from a verdict: the config's outcome, another attempt later, or nothing more on this node.

Verdicts become outcomes here and nowhere else, and what is decided is written down before it is done.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import Redactor
from poltergust.base.text import one_line
from poltergust.path.layout import Kind
from poltergust.path.outcome import Config, RenameResult
from poltergust.path.records import State
from poltergust.runs.context import RunContext
from poltergust.runs.first_node import Turns
from poltergust.runs.known_runs import Runs
from poltergust.runs.retry_policy import AT_ONCE, NOTHING_LEFT, Result, RetryPolicy, between_looks
from poltergust.runs.run import Run, Verdict

log = logging.getLogger(__name__)

SAME_EVERY_TIME = frozenset({Reason.IMPORT_ERROR, Reason.NEWER_FILE})
"""Reasons for which a node does not try again: the same code in the same environment fails in the same way, and a file
that this version does not know stays so."""


class Conclusions:
    """Of one node. Each call is about one name, which nobody else works on meanwhile, and returns when to reconcile it
    again. Raises `Unavailable`: nothing is decided then, call again."""

    def __init__(
        self, context: RunContext, runs: Runs, turns: Turns, retry_policy: RetryPolicy, redact: Redactor
    ) -> None:
        self._context = context
        self._state = context.state
        self._records = context.state.records
        self._journal = context.journal
        self._runs = runs
        self._turns = turns
        self._retry_policy = retry_policy
        self._redact = redact

    def gone(self, name: str) -> Result:
        """No config: nothing to run. A success not yet written down because the storage did not answer or refused
        still is: another node's error may stand where it belongs."""
        run = self._runs.get(name)
        if run is not None and run.verdict is not None:
            return self.conclude(run, run.verdict)
        self.replaced(name, None, Verdict(Reason.CONFIG_GONE, "its config is gone, or has its outcome"))
        self._retry_policy.forget(name)
        return NOTHING_LEFT

    def replaced(self, name: str, generation: str | None, verdict: Verdict) -> None:
        """Every run of that name but of `generation` has ended here, those of an earlier agent of this node too: what
        they wrote would be read as if they went on."""
        known = self._runs.get(name)
        if known is not None and known.config.generation != generation:
            self._end(known, verdict)
            self._forget(name)
        for record in self._journal.left(name):
            if record.generation != generation:
                run = Run(Config(name, record.generation, b""), record, began=0.0, restored=True)
                self._end(run, verdict)
                self._journal.forget(name, record.generation)

    def _end(self, run: Run, verdict: Verdict) -> None:
        if run.record.state is State.FINISHED:  # another node, or this one before it died, has renamed it
            run.save(self._records, self._journal, replace(run.record, state=State.ENDED))
        elif run.record.state not in (State.ENDED, State.GAVE_UP):
            self._record(run, State.ENDED, verdict)

    def conclude(self, run: Run, verdict: Verdict) -> Result:
        if verdict.outcome is not None:
            return self._finish(run, verdict, verdict.outcome)
        if verdict.kind is ReasonKind.NODE:
            return self._node_failed(run, verdict)
        if verdict.kind is ReasonKind.SUPERSEDED:
            self._record(run, State.ENDED, verdict)
            self._turns.stopped(run, verdict.reason, again=None)
            self._forget(run.name, goes_on=verdict.reason is Reason.DRAINED)
            return AT_ONCE if verdict.reason is Reason.NEWER_GENERATION else NOTHING_LEFT
        if verdict.kind is ReasonKind.WAITING:
            now = self._context.clock.monotonic()
            if verdict.reason is Reason.DATA_MISSING:
                if now < run.look_due:
                    return Result(run.look_due - now)
                verdict = replace(verdict, delay=self._between_looks(run))
            result = self._retry(run, verdict)
            run.look_due = now + (result.requeue_after or 0.0) if verdict.reason is Reason.DATA_MISSING else 0.0
            looks_at = self._server_time(result) if verdict.reason is Reason.DATA_MISSING else None
            self._record(run, State.WAITING, verdict, retry_at=looks_at)
            self._turns.stopped(run, verdict.reason, result.requeue_after)
            # What this waits for may have been given back while its Luigi process still ended: nobody says it again.
            return AT_ONCE if run.freed.is_set() else result
        return self._retry_later(run, verdict)

    def _node_failed(self, run: Run, verdict: Verdict) -> Result:
        """Counted attempts with growing delays; then this node has given up, and the last one to do so says error."""
        gave_up = run.record.state is State.GAVE_UP or verdict.reason in SAME_EVERY_TIME
        if run.record.attempts < run.budget and not gave_up:
            return self._retry_later(run, verdict)
        self._record(run, State.GAVE_UP, verdict)
        self._records.save_run(run.record)  # also if it said so before: others wait for it, and any record may be lost
        self._turns.stopped(run, verdict.reason, again=None)
        others = self._nodes_still_trying(run)
        if others:
            log.info("%s: this node gave up, others still try: %s", run.name, ", ".join(others))
            return NOTHING_LEFT  # every scan brings the name back
        text = f"no node can run it; on {self._context.node}: {verdict.reason.code}: {verdict.text}"
        return self._finish(run, Verdict(Reason.GAVE_UP, text), Kind.ERROR)

    def _nodes_still_trying(self, run: Run) -> list[str]:
        """The other live nodes that may still bring this run to its outcome: those that match it or, if they take
        nothing more, still run it, and have not given up. One that was stopped and started again has ended its run, and
        is about to begin another."""
        states = {seen.record.node: seen.record.state for seen in self._records.runs(run.name, run.config.generation)}
        return [
            node.node
            for node in (seen.record for seen in self._records.live_nodes())
            if (run.may_run_on(node) or run.name in node.running) and states.get(node.node) is not State.GAVE_UP
        ]

    def leave(self, run: Run) -> Result:
        """To the nodes that match. It is forgotten, and every scan brings it back; not one with a timeout, which any
        node enforces."""
        if run.record.reason == Reason.NO_MATCHING_NODE.code:
            self._record(run, State.ENDED, Verdict(Reason.OTHERS_RUN, f"left to nodes with {', '.join(run.nodes)}"))
        if run.deadline is None:
            self._forget(run.name)
            return NOTHING_LEFT
        return Result(max(0.0, run.deadline - self._context.clock.monotonic()))

    def _finish(self, run: Run, verdict: Verdict, kind: Kind) -> Result:
        if run.verdict is None:
            run.verdict = verdict
            finished = replace(
                run.record,
                state=State.FINISHED,
                outcome=kind.value,
                reason=verdict.reason.code,
                text=verdict.text,
                failures=verdict.failures,
            )
            run.keep(self._journal, finished, self._records.server_time())
            self._records.begin_run(run.record)  # beside the rename, so that who sees the outcome finds its reason
        result, words = self._state.outcomes.finish(run.config, kind)
        if result is RenameResult.REFUSED:
            refusal = one_line(self._redact(words))
            if run.record.refused != refusal:
                log.error("%s is %s, but cannot be renamed: %s", run.name, kind.value, refusal)
                run.save(self._records, self._journal, replace(run.record, refused=refusal))
                self._context.observer.renamed(run, verdict, result)
            return self._retry_policy.after(run.name, Verdict(Reason.RENAME_REFUSED, refusal))
        won = result is RenameResult.WON
        run.save(self._records, self._journal, replace(run.record, state=State.ENDED, renamed=won, refused=""))
        log.info("%s: %s (%s: %s), rename %s", run.name, kind.value, verdict.reason.code, verdict.text, result.value)
        self._context.observer.renamed(run, verdict, result)
        self._state.failure_reset.forget(run.config)
        self._forget(run.name)
        return AT_ONCE if result is RenameResult.NEWER else NOTHING_LEFT

    def _retry_later(self, run: Run, verdict: Verdict) -> Result:
        """Something failed and is tried again: when, stands in the record."""
        result = self._retry(run, verdict)
        retry_at = self._server_time(result)
        if verdict.reason in (Reason.SCHEDULER_UNREACHABLE, Reason.ENVIRONMENT_AWAITED):
            retry_at = None  # as soon as it is there; nothing is written meanwhile
        self._record(run, State.RETRYING, verdict, retry_at=retry_at)
        self._turns.stopped(run, verdict.reason, result.requeue_after)
        return result

    def _between_looks(self, run: Run) -> float:
        """Seconds until it is worth a process again to look for external data: the more configs wait for some, the
        longer."""
        others = [each for each in self._runs.all() if each is not run and each.record.state is State.WAITING]
        looking = 1 + sum(each.record.reason == Reason.DATA_MISSING.code for each in others)
        return between_looks(looking, nodes=1 + len(self._turns.live_nodes.known()))

    def _server_time(self, result: Result) -> float | None:
        """When the name is reconciled again, by the storage server's clock."""
        now = self._records.server_time()
        return None if now is None or result.requeue_after is None else now + result.requeue_after

    def _record(self, run: Run, state: State, verdict: Verdict, *, retry_at: float | None = None) -> None:
        """Write down where the run is, if that is not what the record says already."""
        attempts = run.record.attempts
        if verdict.kind is not ReasonKind.NODE and run.attempting:
            attempts -= 1  # it was not this node's failure: the attempt does not count
        run.attempting = False
        record = replace(
            run.record,
            state=state,
            reason=verdict.reason.code,
            text=verdict.text,
            attempts=attempts,
            retry_at=retry_at,
        )
        if record == run.record:
            return
        level = logging.WARNING if verdict.kind in (ReasonKind.NODE, ReasonKind.TRANSIENT) else logging.INFO
        log.log(level, "%s: %s: %s: %s", run.name, state.value, verdict.reason.code, verdict.text)
        # Of fifty nodes most have nothing to say of a run: another one begins it and ends it.
        quiet = run.untouched and verdict.reason in (Reason.OTHERS_RUN, Reason.CONFIG_GONE, Reason.NEWER_GENERATION)
        run.save(self._records, self._journal, record, quiet=quiet)

    def _retry(self, run: Run, verdict: Verdict) -> Result:
        left = None if run.deadline is None else run.deadline - self._context.clock.monotonic()
        return self._retry_policy.after(run.name, verdict, at_most=left)

    def _forget(self, name: str, *, goes_on: bool = False) -> None:
        """`goes_on`: in this node's next life, which knows of it what this one did."""
        run = self._runs.get(name)
        if run is not None and not goes_on:
            self._journal.forget(name, run.config.generation)
        self._runs.forget(name)
        self._retry_policy.forget(name)
