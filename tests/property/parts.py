"""The parts of a simulated node that a test commands: environments, Luigi processes, the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.base.redaction import Redactor
from poltergust.environments import Cancelled, Environment, EnvironmentSpec, Locks
from poltergust.luigi_run import Report, Request
from poltergust.path.appended import AppendedLines
from poltergust.path.content import Content
from poltergust.path.layout import WatchedPath
from poltergust.path.run_log import RunLog
from poltergust.path.state import PathState
from poltergust.path.tasks import TaskLog
from tests.emulators.memory import Fault

PATH = WatchedPath("gs://bucket/pipeline")
ENVIRONMENT = "gs://bucket/environment/env.yaml"
SCHEDULER = "http://scheduler:8082"
RETRIES = 1


@dataclass
class Planned:
    """A fault that the `skip`-th next call of that operation meets, of those whose URL holds `part`."""

    operation: str
    fault: Fault
    skip: int = 0
    part: str = ""


class Plan(Enum):
    """What happens when a node makes an environment ready."""

    READY = "ready"
    SLOW = "slow"  # building, until the plan changes
    INSTALL_FAILED = "install-failed"
    PACKAGE_NOT_FOUND = "package-not-found"
    REGISTRY_DOWN = "registry-down"

    def error(self) -> RunError | None:
        return {
            Plan.INSTALL_FAILED: NodeError(Reason.INSTALL_FAILED, "pip ended with 1"),
            Plan.PACKAGE_NOT_FOUND: Permanent(Reason.PACKAGE_NOT_FOUND, "no such package"),
            Plan.REGISTRY_DOWN: Temporary(Reason.REGISTRY_UNREACHABLE, "no route to the registry"),
        }.get(self)


class FakeEnvironments:
    """`environments.Environments` by plan. `begins` and `fails` tell the referee."""

    def __init__(
        self, plan: Callable[[], Plan], rest: Callable[[], None], begins: Callable[[], None], fails: Callable[..., None]
    ) -> None:
        self._plan, self._rest, self._begins, self._fails = plan, rest, begins, fails

    @contextmanager
    def ready(
        self,
        spec: EnvironmentSpec,
        *,
        node_env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
        locks: Locks | None = None,
    ) -> Iterator[Environment]:
        self._begins()
        while self._plan() is Plan.SLOW:
            if cancelled():
                raise Cancelled
            self._rest()
        error = self._plan().error()
        if error is not None:
            self._fails(error.reason)
            raise error
        yield Environment("key", Path("/env"), Path("/env/bin/python"), "3.11.0", built=False, seconds=0.0)


class FakeRun:
    """`luigi_run.LuigiRun`: a process that ends when, and as, the test says."""

    def __init__(
        self,
        request: Request,
        generation: int,
        on_end: Callable[[], None],
        on_reset: Callable[[], None],
        reports: Callable[[FakeRun, Reason], None],
        on_lost: Callable[[FakeRun], None] = lambda run: None,
    ) -> None:
        self.request, self.generation = request, generation
        self.on_reset = on_reset
        self.stopped = False  # it was told to end, however it ends
        self.ended = False
        self.cleared = False
        self._on_end, self._reports, self._on_lost = on_end, reports, on_lost
        self._report: Report | None = None

    def end(self, reason: Reason) -> None:
        self.ended = True
        self._report = Report(reason, reason.code, root_task_id="T__1")
        self._on_end()

    def drain(self) -> None:
        self.stopped = True

    def stop(self, grace: float) -> None:
        self.stopped = True

    def lives(self) -> bool:
        return not self.ended

    def lost(self, why: str) -> None:
        self._on_lost(self)

    def progress(self) -> Progress:
        return Progress()

    def root_task_id(self) -> str:
        return ""

    def result(self, timeout: float | None) -> Report | None:
        if self._report is not None:
            self._reports(self, self._report.reason)
        return self._report


class QuietState(PathState):
    """With run logs that nobody reads: the real ones have a thread and a clock of their own, and tests of their own."""

    def run_log(self, name: str, generation: str, **rest: Any) -> RunLog:
        return NoLog(self.store, "", redact=Redactor(()), background=self.background, limit=0)

    @property
    def content(self) -> Content:
        return NoContent(self, self.background)

    def task_log(self, name: str, generation: str, **rest: Any) -> TaskLog:
        return NoTaskLog(self.store, "", redact=Redactor(()), background=self.background, limit=0)


T = TypeVar("T")


class Nothing(AppendedLines):
    """Takes everything and keeps nothing."""

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def add(self, line: str) -> None:
        pass


class NoLog(Nothing, RunLog):
    pass


class NoTaskLog(Nothing, TaskLog):
    pass


class NoContent(Content):
    def keep(self, texts: Iterable[bytes]) -> None:
        pass
