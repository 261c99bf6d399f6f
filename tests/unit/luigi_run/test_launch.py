"""The launcher's judgement of how its child ended, and the words both sides share."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from poltergust.base.progress import Progress, TaskFailure
from poltergust.base.reasons import Reason
from poltergust.luigi_run import Argument, Report, Request
from poltergust.luigi_run.launch import INSIDE, Launcher, LuigiProcess, child_environment
from poltergust.processes import Exit, LastWord

REQUEST = Request("module", "Task", (Argument("a", "1"),), "http://127.0.0.1:8082", "node/1", budget=3)


class FakeChild:
    """Records what it is sent; `end` plays its death."""

    def __init__(
        self, on_message: Callable[[Mapping[str, object]], None] | None, on_exit: Callable[[], None] | None
    ) -> None:
        assert on_message is not None
        assert on_exit is not None
        self.say, self._on_exit = on_message, on_exit
        self.pid = 1
        self.sent: list[Mapping[str, object]] = []
        self.signals: list[int | str] = []
        self.exit: Exit | None = None
        self.dead = threading.Event()

    def send(self, message: Mapping[str, object]) -> None:
        self.sent.append(message)

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def kill(self) -> None:
        self.signals.append("kill")
        self.end(Exit(None, 9))

    def wait(self, timeout: float | None = None) -> Exit | None:
        return self.exit if self.exit is not None and self.dead.wait(timeout) else None

    def end(self, exit: Exit) -> None:
        self.exit = exit
        self.dead.set()
        self._on_exit()


class Started:
    def __init__(self) -> None:
        self.children: list[FakeChild] = []
        self.argv: Sequence[str] = ()
        self.ended = threading.Event()
        self.run: LuigiProcess = Launcher(self.spawn)(
            REQUEST,
            python=Path("/env/bin/python"),
            env={"A": "b"},
            workdir=Path("/tmp"),
            on_line=lambda line: None,
            on_end=self.ended.set,
        )

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None],
        on_message: Callable[[Mapping[str, object]], None] | None = None,
        on_exit: Callable[[], None] | None = None,
        last_word: LastWord | None = None,
    ) -> FakeChild:
        self.argv = argv
        self.children.append(FakeChild(on_message, on_exit))
        return self.children[-1]

    @property
    def child(self) -> FakeChild:
        return self.children[0]

    def report(self) -> Report:
        assert self.ended.is_set()
        report = self.run.result(0)
        assert report is not None
        return report


@pytest.fixture
def started() -> Started:
    return Started()


def test_the_request_goes_through_the_pipe_only(started: Started) -> None:
    assert list(started.argv) == ["/env/bin/python", str(INSIDE)]
    (first,) = started.child.sent
    request = first["request"]
    assert isinstance(request, dict)
    assert request["arguments"] == ({"name": "a", "text": "1", "json": False},)
    assert request["budget"] == 3


def test_a_result_counts_whatever_the_exit(started: Started) -> None:
    failure = {"task_id": "T_1", "family": "T", "error": "boom"}
    started.child.say({"progress": {"done": 1, "pending": 2}})
    assert started.run.progress() == Progress(done=1, pending=2)
    result = {"reason": "task-failed", "detail": "d", "root_task_id": "r", "failures": [failure], "progress": {}}
    started.child.say({"result": result})
    assert started.run.result(0) is None
    started.child.end(Exit(None, 9))
    assert started.report() == Report(Reason.TASK_FAILED, "d", "r", (TaskFailure("T_1", "T", "boom"),), Progress())


@pytest.mark.parametrize(
    ("message", "exit", "reason"),
    [
        (None, Exit(0), Reason.CHILD_DIED),
        (None, Exit(None, 9, out_of_memory=True), Reason.OUT_OF_MEMORY),
        (None, Exit(None, 11), Reason.CHILD_DIED),
        ({"result": "garbage"}, Exit(0), Reason.CHILD_DIED),
        ({"result": {"reason": "no-such-code"}}, Exit(0), Reason.CHILD_DIED),
        ({"progress": [1]}, Exit(1), Reason.CHILD_DIED),
    ],
)
def test_no_result_is_a_failure(
    started: Started, message: Mapping[str, object] | None, exit: Exit, reason: Reason
) -> None:
    if message is not None:
        started.child.say(message)
    started.child.end(exit)
    assert started.report().reason is reason


def test_stop_escalates(started: Started) -> None:
    started.child.exit = None
    started.run.stop(0)
    assert started.ended.wait(30)
    assert started.child.signals == [2, 15, "kill"]
    assert started.report().reason is Reason.DRAINED


def test_a_run_that_left_the_node_no_thread_is_killed_at_once(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    started.run.stop(10.0)
    assert started.children[0].signals == ["kill"]
    report = started.run.result(0)
    assert report is not None
    assert report.reason is Reason.DRAINED


def test_a_loopback_scheduler_is_not_asked_through_a_proxy() -> None:
    env = {"no_proxy": "internal", "PYTHONUNBUFFERED": "0"}
    assert child_environment(env, "http://127.0.0.1:1") == {
        "PYTHONUNBUFFERED": "0",
        "no_proxy": "internal,127.0.0.1",
        "NO_PROXY": "127.0.0.1",
    }
    assert child_environment(env, "http://head:8082") == env


def test_every_code_the_inside_can_send_is_a_reason() -> None:
    text = "".join(path.read_text() for path in INSIDE.glob("*.py"))
    codes = set(re.findall(r'Ended\(\s*"([a-z-]+)"', text))
    assert len(codes) > 12
    assert codes <= {reason.code for reason in Reason}
