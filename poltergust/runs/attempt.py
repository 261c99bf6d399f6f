"""One attempt at a run on this node: the environment is made ready, then Luigi runs in it until it ends or must end."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poltergust.base.errors import NodeError, Permanent, RunError
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import Redactor
from poltergust.base.text import one_line, without_middle
from poltergust.documents import TaskFile, named_values
from poltergust.environments import Cancelled, Environment, Environments, EnvironmentSpec, Locks
from poltergust.luigi_run import Launch, LuigiRun, Report, Request
from poltergust.path.content import content_digest
from poltergust.path.locks import BegunLocks
from poltergust.path.records import RunEnvironment, State
from poltergust.path.run_log import RunLog
from poltergust.path.tasks import TaskLog, TaskTimer
from poltergust.runs import luigi_setup
from poltergust.runs.context import RunContext
from poltergust.runs.first_node import Turn, Turns
from poltergust.runs.grace import grace
from poltergust.runs.progress_reporter import ProgressReporter
from poltergust.runs.run import Run, Verdict
from poltergust.runs.run_code import RunCode
from poltergust.runs.stop_condition import StopCondition
from poltergust.runs.storage_reasons import storage_reasons
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

NOT_IN_TIME = "not complete within the task file's timeout"
CHECK_INTERVAL_SECONDS = 1.0
"""Between two checks of what wakes nobody: a drain, a deadline."""

STOP_GRACE_SECONDS = 10.0
"""Between an interrupt and a kill for a run that no longer counts."""

KILL_WAIT_SECONDS = 60.0
"""How long to wait for the end of a process that was killed because of an error of our own."""

CLAIM_SECONDS = 20.0
"""For which it counts that this node is to reset earlier failures: well below what makes others take over."""

RESET_RETRY_SECONDS = 1.0
"""Until the next attempt while another node resets earlier failures."""

MAX_FAILURES = 20
"""How many failed tasks a record names."""

MAX_FAILURE_CHARACTERS = 4000
"""How much of each exception's text a record holds: its end."""


@dataclass(frozen=True)
class Attempts:
    """Makes attempts, with what all of one node's have in common."""

    context: RunContext
    environments: Environments
    launch: Launch
    code: RunCode
    turns: Turns
    lock_keys: dict[str, str] = field(default_factory=dict)  # of the latest attempts, by their environment file

    def begin(self, run: Run, environment_url: str) -> Locks:
        """What an attempt will ask of the storage, asked now: the lock of its environment, if it still is the one that
        it was last; which nodes live; in the first attempt of the node that begins the run, whether it resets earlier
        failures."""
        state = self.context.state
        if self.context.scheduler.watch is not None:
            self.turns.live_nodes.begin()
        if run.starts == 0 and run.record.attempts_made == 1 and self.turns.is_first(run):
            run.claim = state.failure_reset.claim(run.config)
            run.claimed = self.context.clock.monotonic()
        key = self.lock_keys.get(environment_url)
        return state.locks if key is None else BegunLocks(state.locks, key)

    def attempt(self, run: Run, item: Item, task: TaskFile, spec: EnvironmentSpec, locks: Locks) -> Verdict:
        """One attempt from its start to its verdict, both in the run log. Raises what the environment raises."""
        context, config = self.context, run.config
        scheduler = {"SCHEDULER_URL": context.scheduler.url}
        redact = run.redact = Redactor(
            (context.variables, scheduler, *named_values(spec), *named_values(task)), names=context.names
        )
        with (
            context.state.task_log(config.name, config.generation, redact=redact) as task_log,
            context.state.run_log(
                config.name,
                config.generation,
                redact=redact,
                limit=context.settings.log_limit,
                count=context.observer.logged,
            ) as run_log,
        ):
            run_log.note(f"attempt {run.record.attempts_made} on {context.node}: {task.module}.{task.name}")
            attempt = Attempt(self, run, item, task, spec, locks, run_log, task_log, StopCondition(context, run, item))
            try:
                with storage_reasons(), grace(run, context.clock.monotonic):
                    verdict = redacted(attempt.execute(), redact)
            except RunError as error:
                where = isinstance(error, (Permanent, NodeError)) and spec.url not in str(error)
                # The file that a line of it is about; and without the secrets of both files, which only we know.
                error.args = (redact(f"{spec.url}: {error}" if where else str(error)),)
                run_log.note(f"{error.reason.code}: {error}")
                raise
            run_log.note(f"{verdict.reason.code}: {verdict.text}")
            if verdict.reason is Reason.OTHERS_RUN and not run.in_luigi:
                run_log.forget()
            for failure in verdict.failures:
                for line in (f"failed: {failure.name or failure.task_id}", *failure.error.splitlines()):
                    run_log.line(line)
            return verdict


@dataclass
class Attempt:
    """Executed once, by the worker thread that holds `item`. `run_log` and `task_log` are open meanwhile."""

    shared: Attempts
    run: Run
    item: Item
    task: TaskFile
    spec: EnvironmentSpec
    locks: Locks
    run_log: RunLog
    task_log: TaskLog
    stop_condition: StopCondition
    stop_reason: Reason | None = None  # why the attempt must end; never changes once it is known
    asking: threading.Lock = field(default_factory=threading.Lock)  # of a build each command has a thread that asks

    def execute(self) -> Verdict:
        """Environment, Luigi, verdict. Raises what the environment raises."""
        context = self.shared.context
        code = self.shared.code.fix(self.run.config, self.spec, self.run_log.note)
        try:
            with self.shared.environments.ready(
                self.spec,
                node_env=context.variables,
                on_line=self.run_log.line,
                cancelled=lambda: self._must_stop() is not None,
                locks=self.locks,
            ) as environment:
                self.run.phase_timings = self.run.phase_timings.plus(environment=environment.seconds)
                word = "built" if environment.built else "ready"
                self.shared.lock_keys[self.spec.url] = environment.lock.partition("@")[0]
                self.run_log.note(f"environment {environment.key} {word} in {environment.seconds:.2f} s")
                if environment.built:  # said whether or not its turn comes, and once it has come
                    self.run.built = environment.key
                    self.run.record = replace(self.run.record, environment=self._made_of(environment))
                turn = self.shared.turns.of(self.run)
                if turn.waits_for:
                    self.run.has_not_started()
                    return Verdict(Reason.OTHERS_RUN, f"waiting: {turn.waits_for}")
                return self._in_luigi(environment, code, turn)
        except Cancelled:
            assert self.stop_reason is not None  # nothing else cancels
            text = "its environment was being made ready"
            late = self.stop_reason is Reason.TIMEOUT
            return Verdict(self.stop_reason, f"{NOT_IN_TIME}; {text}" if late else f"stopped while {text}")

    def _must_stop(self) -> Reason | None:
        """Why the attempt must end by now, None while it may go on."""
        with self.asking:
            if self.stop_reason is None:
                self.stop_reason = self.stop_condition.reason()
            return self.stop_reason

    def _in_luigi(self, environment: Environment, code: str, turn: Turn) -> Verdict:
        context, run = self.shared.context, self.run
        request = self._request(turn)
        files = (run.config.data, run.environment_file, environment.lock_text())
        # Whoever reads records may be somebody who must not read the files: no secret of theirs is kept there.
        texts = [run.redact(text.decode("utf-8", "replace")).encode() for text in files]
        config_digest, environment_digest, lock_digest = (content_digest(text) if text else "" for text in texts)
        run.save(
            context.state.records,
            context.journal,
            replace(
                run.record,
                state=State.RUNNING,
                worker=request.worker,
                timings=run.phase_timings,
                code=code,
                config_digest=config_digest,
                environment_digest=environment_digest,
                lock_digest=lock_digest,
                environment=self._made_of(environment),
            ),
        )
        log.info("%s: running %s.%s in %s", run.name, self.task.module, self.task.name, environment.key)
        started = context.clock.monotonic()
        self.task_log.process(request.worker)
        with luigi_setup.private_folder(context.scratch) as private:
            on_path = self.shared.code.write(code, private / "code")
            luigi = self.shared.launch(
                request,
                python=environment.python,
                env=luigi_setup.variables(
                    context.variables, context.workdir, environment, self.spec, self.task, private, on_path
                ),
                workdir=context.workdir,
                on_line=self.run_log.line,
                on_end=self.item.wake.set,
                on_reset=lambda: context.state.failure_reset.mark_done(run.config),
                on_tasks=functools.partial(self._tasks, TaskTimer()),
                shared_env=luigi_setup.shared_variables(context.variables, environment, self.spec),
            )
            if run.starts == 1:
                context.observer.started(context.clock.monotonic() - self.item.due)
            run.progress = luigi.progress
            context.state.content.keep(texts)
            try:
                report = self._wait_for_end(luigi)
            except Exception:
                luigi.stop(0)  # nobody would watch over it any more, and the next attempt would run beside it
                luigi.result(KILL_WAIT_SECONDS)
                raise
        self.task_log.close()  # written beside what comes now
        run.phase_timings = run.phase_timings.plus(luigi=context.clock.monotonic() - started)
        run.record_progress(report)
        return self._verdict(report)

    def _made_of(self, environment: Environment) -> RunEnvironment:
        built = self.run.built == environment.key
        return RunEnvironment(
            self.spec.url, environment.key, environment.version, environment.lock, built, environment.size
        )

    def _tasks(self, timer: TaskTimer, events: Sequence[object]) -> None:
        """What tasks did in the Luigi process since the last call."""
        self.task_log.events(events)
        for family, result, seconds in timer.attempts(events):
            self.shared.context.observer.task_ended(family, result, seconds)

    def _request(self, turn: Turn) -> Request:
        run, context = self.run, self.shared.context
        previous_worker = run.record.worker
        run.starts += 1
        run.in_luigi = True
        return Request(
            module=self.task.module,
            task=self.task.name,
            arguments=self.task.arguments,
            scheduler_url=context.scheduler.url,
            worker=run.worker_id(context.node, context.state.instance),
            run=run.worker_part,
            budget=run.budget,
            preload=self.spec.preload,
            reset_failures=self._reset_failures(),
            dead_workers=(previous_worker,) if previous_worker else (),
            joins=turn.joins,
        )

    def _reset_failures(self) -> bool:
        run, context = self.run, self.shared.context
        claim, run.claim = run.claim, None
        if claim is None or context.clock.monotonic() - run.claimed > CLAIM_SECONDS:
            claim = context.state.failure_reset.claim(run.config)
        return claim.result()

    def _wait_for_end(self, luigi: LuigiRun) -> Report:
        """Until the process ended: by itself, or because it was told to when the attempt must stop."""
        context = self.shared.context
        reporter = ProgressReporter(self.run, context.state.records, context.journal, luigi, context.clock.monotonic)
        told_to_end = False
        drain_ends: float | None = None  # monotonic seconds
        while (report := luigi.result(0)) is None:
            context.wait(self.item.wake, CHECK_INTERVAL_SECONDS)
            self.item.wake.clear()
            reporter.report()
            if not told_to_end and (reason := self._must_stop()) is not None:
                told_to_end = True
                if reason is Reason.DRAINED:
                    luigi.drain()
                    drain_ends = context.clock.monotonic() + context.settings.drain_timeout
                else:
                    log.info("%s: the run on this node is stopped: %s", self.run.name, reason.code)
                    luigi.stop(STOP_GRACE_SECONDS)
            if context.stopping.now:
                luigi.stop(0)
            elif drain_ends is not None and context.clock.monotonic() >= drain_ends:
                luigi.stop(STOP_GRACE_SECONDS)
                drain_ends = None
        return report

    def _verdict(self, report: Report) -> Verdict:
        """What the report means. Success is never lost, even if it came while the run was being stopped."""
        context, text = self.shared.context, report.detail
        if self.stop_reason is not None and report.reason.kind is not ReasonKind.DONE:
            texts = {
                Reason.TIMEOUT: f"{NOT_IN_TIME}; {text}",
                Reason.DRAINED: "this node was asked to stop",
            }
            return Verdict(self.stop_reason, texts.get(self.stop_reason, "stopped: the config is gone or was replaced"))
        if report.reason is Reason.DRAINED and not context.stopping.draining:
            return Verdict(Reason.CHILD_DIED, f"the Luigi process was told to stop, but not by this agent: {text}")
        if report.reason in (Reason.TASK_DISABLED, Reason.TASK_FAILED) and not context.state.failure_reset.is_done(
            self.run.config
        ):
            text = "another node is clearing earlier failures"
            return Verdict(Reason.TASK_RETRY, text, delay=RESET_RETRY_SECONDS)
        return Verdict(report.reason, text, failures=report.failures)


def redacted(verdict: Verdict, redact: Redactor) -> Verdict:
    """Fit for records, logs and people: the text on one line, no secrets, no terminal codes, bounded."""
    failures = tuple(
        replace(
            failure,
            task_id=redact(failure.task_id),
            family=redact(failure.family),
            name=redact(failure.name),
            error=without_middle(redact(failure.error), MAX_FAILURE_CHARACTERS),
        )
        for failure in verdict.failures[:MAX_FAILURES]
    )
    return replace(verdict, text=one_line(redact(verdict.text)), failures=failures)
