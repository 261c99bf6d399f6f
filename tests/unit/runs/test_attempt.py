"""One attempt: what an error on the way leaves behind, and what it may say. Environment and Luigi are given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from poltergust.base.errors import NodeError, RunError
from poltergust.base.progress import Progress
from poltergust.base.reasons import Reason
from poltergust.base.redaction import MASK
from poltergust.base.stopping import Stopping
from poltergust.documents import EnvironmentSpec, TaskFile
from poltergust.environments import Cancelled, Environment
from poltergust.environments.code.local import LocalCode
from poltergust.luigi_run import GraphStatus, Report
from poltergust.path import layout
from poltergust.path.outcome import Config
from poltergust.path.records import RunRecord
from poltergust.path.state import PathState
from poltergust.runs.attempt import Attempts
from poltergust.runs.context import RunContext, SharedScheduler
from poltergust.runs.first_node import Turn, Turns
from poltergust.runs.run import Run, Verdict
from poltergust.runs.run_code import RunCode
from poltergust.runs.settings import RunSettings
from poltergust.runs.stop_condition import StopCondition
from poltergust.stores.folder import FolderStore
from poltergust.workqueue import Item, WorkQueue

TASK = TaskFile("e.yaml", "T", "m", (), {"TASK_TOKEN": "known-to-the-task-file"})


class Process:
    """`luigi_run.LuigiRun` that ends when it is stopped."""

    def __init__(self) -> None:
        self.stopped = False

    def drain(self) -> None:
        raise AssertionError("nobody drains here")

    def stop(self, grace: float) -> None:
        self.stopped = True

    def progress(self) -> Progress:
        return Progress()

    def root_task_id(self) -> str:
        return ""

    def result(self, timeout: float | None) -> Report | None:
        return Report(Reason.DRAINED, "stopped") if self.stopped else None


class Environments:
    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.built = True  # once

    @contextmanager
    def ready(self, *_spec: object, **_rest: object) -> Iterator[Environment]:
        if self.error is not None:
            raise self.error
        built, self.built = self.built, False
        yield Environment("key", Path("/env"), Path("/env/bin/python"), "3.11.0", built=built, seconds=0.0)


class Told(Turns):
    """Turns that are told."""

    turn = Turn()

    def of(self, run: Run) -> Turn:
        return self.turn


def unforeseen(event: threading.Event, seconds: float) -> None:
    raise RuntimeError("something nobody thought of")


class Attempted:
    """A run `x` on a folder, and what the latest attempt at it came to."""

    def __init__(
        self,
        folder: Path,
        error: Exception | None = None,
        waits_for: str = "",
        environments: Environments | None = None,
    ) -> None:
        path = layout.WatchedPath(str(folder / "pipeline"))
        spec = EnvironmentSpec(str(folder / "e.yaml"), {}, (), {"ENVIRONMENT_TOKEN": "known-to-the-environment-file"})
        self.process = Process()
        self.log = Path(path.log("x", "1", "node"))
        self._context = context = RunContext(
            RunSettings(),
            PathState(FolderStore(Path(path.state_prefix)), path, "node", "instance"),
            SharedScheduler("http://scheduler:8082", "http://scheduler:8082", lambda root: GraphStatus(0, True)),
            Stopping(),
            scratch=folder / "work",
            workdir=folder,
            wait=unforeseen,
        )
        code = RunCode(context.state.code, LocalCode(folder / "code"), lambda url: context.state.store)
        self.turns = Told(context)
        self.turns.turn = Turn(waits_for)
        self._attempts = Attempts(
            context,
            environments or Environments(error),
            lambda *_request, **_rest: self.process,
            code,
            self.turns,
        )
        self.run = Run(Config("x", "1", b"task"), RunRecord("x", "1", "node"), began=time.monotonic())
        self._spec = spec
        self.attempt()

    def attempt(self) -> None:
        self.error: Exception | None = None
        self.verdict: Verdict | None = None
        item, locks = Item(WorkQueue(), "x", time.monotonic()), self._context.state.locks
        try:
            self.verdict = self._attempts.attempt(self.run, item, TASK, self._spec, locks)
        except (RunError, RuntimeError) as raised:
            self.error = raised
        assert self._context.state.background.flush(60)


def test_no_process_is_left_alone_by_an_error_of_our_own(tmp_path: Path) -> None:
    attempt = Attempted(tmp_path)
    assert isinstance(attempt.error, RuntimeError)
    assert attempt.process.stopped


@pytest.mark.parametrize("secret", ["known-to-the-task-file", "known-to-the-environment-file"])
def test_an_error_of_the_environment_tells_no_secret_of_either_file(tmp_path: Path, secret: str) -> None:
    attempt = Attempted(tmp_path, NodeError(Reason.INSTALL_FAILED, f"401 for https://index/{secret}/pandas"))
    text = f"{tmp_path}/e.yaml: 401 for https://index/{MASK}/pandas"
    assert str(attempt.error) == text
    assert text in attempt.log.read_text()


def test_who_built_the_environment_says_so_though_another_node_begins_the_run(tmp_path: Path) -> None:
    attempt = Attempted(tmp_path, waits_for="another begins it")
    for _ in range(2):  # the second time it is there already, and its turn has come
        assert attempt.run.record.environment is not None
        assert (attempt.run.record.environment.key, attempt.run.record.environment.built) == ("key", True)
        assert not attempt.run.untouched
        attempt.turns.turn = Turn()
        attempt.attempt()
    assert attempt.run.starts > 0


class BuildOfTwoCommands(Environments):
    """A build whose commands ask at the same time whether to go on; the first has its answer last."""

    def __init__(self) -> None:
        super().__init__(None)
        self.first_asks, self.second_heard = threading.Event(), threading.Event()

    @contextmanager
    def ready(self, *spec: object, **rest: object) -> Iterator[Environment]:
        cancelled = cast("Callable[[], bool]", rest["cancelled"])
        first, second = (threading.Thread(target=cancelled) for _ in range(2))
        first.start()
        assert self.first_asks.wait(60)
        second.start()
        second.join(0.5)  # for the whole time, where it waits for the first one's answer
        self.second_heard.set()
        first.join(60)
        second.join(60)
        if cancelled():
            raise Cancelled
        with super().ready(*spec, **rest) as environment:
            yield environment

    def reason(self, _condition: StopCondition) -> Reason | None:
        if self.first_asks.is_set():
            return Reason.NEWER_GENERATION
        self.first_asks.set()
        assert self.second_heard.wait(60)
        return None  # it read the config before


def test_a_reason_to_stop_that_one_command_of_a_build_hears_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = BuildOfTwoCommands()
    monkeypatch.setattr(StopCondition, "reason", lambda condition: build.reason(condition))
    verdict = Attempted(tmp_path, environments=build).verdict
    assert verdict is not None
    assert verdict.reason is Reason.NEWER_GENERATION
