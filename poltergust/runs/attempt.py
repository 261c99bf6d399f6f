"""One attempt at a run on this node: the environment is made ready, then Luigi runs in it, watched over."""

from __future__ import annotations

import errno
import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as Folder

from poltergust.base.errors import NodeError, Permanent, RunError
from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import Redactor
from poltergust.base.stopping import Stopping
from poltergust.base.text import one_line, plain
from poltergust.documents import TaskFile
from poltergust.environments import Cancelled, Environment, Environments, EnvironmentSpec, Locks
from poltergust.luigi_run import Launch, LuigiRun, Report, Request
from poltergust.node.settings import Settings
from poltergust.path.marks import FailureReset
from poltergust.path.outcome import Config
from poltergust.path.records import Records, RunEnvironment, State
from poltergust.path.run_log import RunLog
from poltergust.runs.run import ProgressReporter, Run, Verdict
from poltergust.runs.stop_condition import StopCondition
from poltergust.workqueue import Item

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between looks at what nobody wakes us for: a drain, a deadline."""

STOP_GRACE = 10.0
"""Seconds between an interrupt and a kill for a run that no longer counts."""

STOP_PATIENCE = 60.0
"""Seconds to wait for the end of a run that was stopped because of an error of our own."""

MAX_FAILURES = 20
MAX_FAILURE_TEXT = 4000
"""How many failed tasks a record names, and how many characters of each exception, its end."""

_NOT_INHERITED = ("VIRTUAL_ENV", "PYTHONHOME", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True)
class Attempts:
    """The parts an attempt needs. `wait` blocks on an event for at most so many seconds."""

    settings: Settings
    scheduler_url: str
    nonce: str
    environments: Environments
    locks: Locks | None
    launch: Launch
    failure_reset: FailureReset
    records: Records
    open_log: Callable[[Config, Redactor], RunLog]
    stopping: Stopping
    clock: Callable[[], float]
    wait: Callable[[threading.Event, float], object] = threading.Event.wait
    on_start: Callable[[float], None] = lambda seconds: None  # from the event to a run's first Luigi process here

    def attempt(
        self, run: Run, task: TaskFile, spec: EnvironmentSpec, item: Item, stop_condition: StopCondition
    ) -> Verdict:
        """Environment, Luigi, verdict. Raises what the environment raises."""
        redact = Redactor((self.settings.environ, spec.variables, task.variables))
        with self.open_log(run.config, redact) as run_log:
            run_log.note(f"attempt {run.record.attempts} on {self.settings.node}: {task.module}.{task.name}")
            try:
                verdict = _redacted(self._in_environment(run, task, spec, item, stop_condition, run_log), redact)
            except RunError as error:
                where = isinstance(error, (Permanent, NodeError)) and spec.url not in str(error)
                # The file that a line of it is about; and without the secrets of both files, which only we know.
                error.args = (redact(f"{spec.url}: {error}" if where else str(error)),)
                run_log.note(f"{error.reason.code}: {error}")
                raise
            run_log.note(f"{verdict.reason.code}: {verdict.text}")
            for failure in verdict.failures:
                for line in (f"failed: {failure.task_id}", *failure.error.splitlines()):
                    run_log.line(line)
            return verdict

    def _in_environment(
        self,
        run: Run,
        task: TaskFile,
        spec: EnvironmentSpec,
        item: Item,
        stop_condition: StopCondition,
        run_log: RunLog,
    ) -> Verdict:
        lost: list[Reason] = []

        def cancelled() -> bool:
            reason = stop_condition.reason()
            if reason is not None:
                lost.append(reason)
            return reason is not None

        try:
            with self.environments.ready(
                spec,
                node_env=self.settings.environ,
                on_line=run_log.line,
                cancelled=cancelled,
                locks=self.locks,
            ) as environment:
                run.phase_timings = replace(run.phase_timings, environment=round(environment.seconds, 3))
                word = "built" if environment.built else "ready"
                run_log.note(f"environment {environment.key} {word} in {environment.seconds:.2f} s")
                return self._in_luigi(run, task, spec, environment, item, stop_condition, run_log)
        except Cancelled:
            return Verdict(lost[-1], "stopped while its environment was made ready")

    def _in_luigi(
        self,
        run: Run,
        task: TaskFile,
        spec: EnvironmentSpec,
        environment: Environment,
        item: Item,
        stop_condition: StopCondition,
        run_log: RunLog,
    ) -> Verdict:
        before = run.record.worker
        run.starts += 1
        worker = self._worker(run)
        request = Request(
            module=task.module,
            task=task.name,
            arguments=task.arguments,
            scheduler_url=self.scheduler_url,
            worker=worker,
            budget=run.budget,
            preload=spec.preload,
            reset_failures=self.failure_reset.mine(run.config),
            dead_workers=(before,) if before else (),
        )
        run.note(
            self.records,
            state=State.RUNNING,
            worker=worker,
            timings=run.phase_timings,
            environment=RunEnvironment(
                spec.url, environment.key, environment.version, environment.lock, environment.built
            ),
        )
        log.info("%s: running %s.%s in %s", run.name, task.module, task.name, environment.key)
        started = self.clock()
        with _working_directory(self.settings.work) as workdir:
            luigi = self.launch(
                request,
                python=environment.python,
                env=self._child_environment(environment, spec.variables, task.variables),
                workdir=workdir,
                on_line=run_log.line,
                on_end=item.wake.set,
                on_reset=lambda: self.failure_reset.say_done(run.config),
            )
            if run.starts == 1:
                self.on_start(self.clock() - item.due)
            run.progress = luigi.progress
            reporter = ProgressReporter(run, self.records, luigi, self.clock)
            try:
                verdict = self._watch_over(luigi, item, stop_condition, reporter)
            except Exception:
                luigi.stop(0)  # nobody would stop_condition over it any more, and the next attempt would run beside it
                luigi.result(STOP_PATIENCE)
                raise
        run.phase_timings = replace(run.phase_timings, luigi=round(self.clock() - started, 3))
        return self._believe(run, verdict)

    def _watch_over(
        self, luigi: LuigiRun, item: Item, stop_condition: StopCondition, reporter: ProgressReporter
    ) -> tuple[Report, Reason | None]:
        """Until it ended: by itself (no reason), or because it should not go on."""
        why: Reason | None = None
        kill_at: float | None = None
        while (report := luigi.result(0)) is None:
            self.wait(item.wake, TICK)
            item.wake.clear()
            reporter.report()
            if why is None:
                why = stop_condition.reason()
                if why is Reason.DRAINED:
                    luigi.drain()
                    kill_at = self.clock() + self.settings.runs.drain_timeout
                elif why is not None:
                    log.info("stopping the local run: %s", why.code)
                    luigi.stop(STOP_GRACE)
            if self.stopping.now:
                luigi.stop(0)
            elif kill_at is not None and self.clock() >= kill_at:
                luigi.stop(STOP_GRACE)
                kill_at = None
        return report, why

    def _believe(self, run: Run, ended: tuple[Report, Reason | None]) -> Verdict:
        """What the report means. Success is never lost, even if it came while the run was being stopped."""
        report, why = ended
        text = report.detail
        run.record_progress(report)
        if why is not None and report.reason.kind is not ReasonKind.DONE:
            texts = {
                Reason.TIMEOUT: f"not complete within the task file's timeout; last seen: {text}",
                Reason.DRAINED: "this node was asked to stop",
            }
            return Verdict(why, texts.get(why, "stopped: the config is gone or was replaced"))
        if report.reason is Reason.DRAINED and not self.stopping.draining:
            return Verdict(Reason.CHILD_DIED, f"the Luigi process was told to stop, but not by this agent: {text}")
        if report.reason in (Reason.TASK_DISABLED, Reason.TASK_FAILED) and not self.failure_reset.done(run.config):
            return Verdict(Reason.TASK_RETRY, "another node is clearing earlier failures", delay=1.0)
        return Verdict(report.reason, text, failures=report.failures)

    def _child_environment(self, environment: Environment, *variables: Mapping[str, str]) -> dict[str, str]:
        """The node's own, then the environment file's, then the task file's; with the virtualenv active."""
        merged = {key: value for key, value in self.settings.environ.items() if key not in _NOT_INHERITED}
        merged["PATH"] = f"{environment.python.parent}:{merged.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
        merged["VIRTUAL_ENV"] = str(environment.folder)
        for layer in variables:
            merged.update(layer)
        return merged

    def _worker(self, run: Run) -> str:
        """A Luigi worker id that no other process has or had: names the node for people, the run and start for us."""
        what = hashlib.sha256(f"{run.name}\0{run.config.generation}".encode()).hexdigest()[:8]
        return f"poltergust-{self.settings.node}-{self.nonce}-{what}-{run.starts}"


@contextmanager
def _working_directory(scratch: Folder) -> Iterator[Folder]:
    """A new one for each attempt, removed with all that a task left there. Raises `NodeError` if it cannot be made."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        # What cannot be removed must not fail the run: it is the next start's to remove.
        made = tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
    except OSError as error:
        reason = Reason.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else Reason.START_FAILED
        text = f"no working directory can be made in {scratch}: {error.strerror}; make room there, or make it writable"
        raise NodeError(reason, text) from error
    with made as folder:
        yield Folder(folder)


def _redacted(verdict: Verdict, redact: Redactor) -> Verdict:
    """Fit for records, logs and people: the text on one line, no secrets, no terminal codes, bounded."""
    failures = tuple(
        replace(failure, error=plain(redact(failure.error))[-MAX_FAILURE_TEXT:])
        for failure in verdict.failures[:MAX_FAILURES]
    )
    return replace(verdict, text=one_line(redact(verdict.text)), failures=failures)
